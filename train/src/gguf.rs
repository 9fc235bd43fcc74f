//! A reader out of one GGUF file, for the page's own model and for the engine's.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use burn::tensor::Device;
use llavacode_core::{
    model::{decoder::DecoderFormats, reader::Reader},
    tokenize::Tokenizer,
};

use crate::pretrained::{Pretrained, adapter_in};

/// What a file holds.
#[derive(Debug)]
pub struct GgufReader {
    /// The model on the CPU, its weights as the page holds them.
    pub reader: Reader,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
}

impl GgufReader {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is no GGUF file of a reader that can be run.
    pub fn load(path: &Path) -> Result<Self> {
        Self::adapted(path, None, DecoderFormats::AS_STORED)
    }

    /// Reads a file, adds the adapter in a folder of PEFT's two files, and rounds to these formats.
    ///
    /// # Errors
    /// If either cannot be used.
    pub fn adapted(path: &Path, adapter: Option<&Path>, formats: DecoderFormats) -> Result<Self> {
        let unusable = || format!("{} cannot be used as a reader", path.display());
        let model = Pretrained::open(path)?;
        let adapter = adapter.map(adapter_in).transpose()?;
        let plan = |config: &_, prefix: &_| Reader::plan(config, formats, prefix);
        let loaded = model.adapted_weights(adapter.as_ref(), &Device::flex(), plan);
        let mut weights = loaded.with_context(unusable)?;
        let reader = Reader::from_weights(&model.config, &mut weights).with_context(unusable)?;
        Ok(Self { reader, tokenizer: Arc::new(model.tokenizer()?) })
    }
}
