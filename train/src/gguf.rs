//! A reader out of one GGUF file, for the page's own model and for the engine's.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result};
use burn::tensor::Device;
use llavacode_core::{
    Error,
    config::{DecoderConfig, FileEntry},
    model::{
        decoder::{DecoderFormats, name_prefix},
        reader::Reader,
    },
    tokenize::Tokenizer,
    weights::{DiskSource, Header, load_weights},
};

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
        let name = path.to_string_lossy();
        let device = Device::flex();
        let mut on_read = |_| ();
        let unusable = || format!("{name} cannot be used as a reader");
        let bytes = fs::metadata(path).with_context(unusable)?.len();
        let entry = FileEntry { bytes, sha256: None };
        let mut told = None;
        let plan = |header: &Header| {
            let config = DecoderConfig::from_gguf(header)?;
            let metadata = header.metadata().ok_or_else(|| Error::UnsupportedConfig {
                file: header.file().into(),
                reason: "it is no GGUF file".into(),
            })?;
            let tokenizer = Tokenizer::from_gguf(metadata)?;
            let plan = Reader::plan(&config, DecoderFormats::AS_STORED, name_prefix(header));
            told = Some((config, tokenizer));
            Ok(plan)
        };
        let source = DiskSource::open(path).with_context(unusable)?;
        let loading = load_weights(&source, &name, &entry, plan, &device, &mut on_read);
        let mut weights = pollster::block_on(loading).with_context(unusable)?;
        let (config, tokenizer) = told.with_context(unusable)?;
        let reader = Reader::from_weights(&config, &mut weights).with_context(unusable)?;
        Ok(Self { reader, tokenizer: Arc::new(tokenizer) })
    }
}
