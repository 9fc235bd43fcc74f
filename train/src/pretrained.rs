//! A model as it is published: a folder of `config.json`, `tokenizer.json` and `model.safetensors`, or one GGUF
//! file that has all of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use burn::tensor::Device;
use llavacode_core::{
    Error,
    config::{DecoderConfig, FileEntry},
    model::decoder::name_prefix,
    tokenize::Tokenizer,
    weights::{
        Adapter, AdapterConfig, DiskSource, Header, MemorySource, Plan, VerifiedReader, Weights, load_adapted,
    },
};

/// A model whose weights are not read yet.
#[derive(Debug)]
pub struct Pretrained {
    /// Its sizes.
    pub config: DecoderConfig,
    /// Where its weights are.
    file: PathBuf,
    entry: FileEntry,
    /// Of a GGUF file. A folder's is read when it is asked for: not every use needs one.
    tokenizer: Option<Tokenizer>,
}

impl Pretrained {
    /// Opens a folder or a GGUF file.
    ///
    /// # Errors
    /// If a file is missing or is none of a model that can be run.
    pub fn open(path: &Path) -> Result<Self> {
        let unusable = || format!("{} cannot be used as a model", path.display());
        let file = if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() };
        let bytes = fs::metadata(&file).with_context(|| format!("{} cannot be read", file.display()))?.len();
        let entry = FileEntry { bytes, sha256: None };
        let (config, tokenizer) = if path.is_dir() {
            let config = path.join("config.json");
            let json = fs::read(&config).with_context(|| format!("{} cannot be read", config.display()))?;
            (DecoderConfig::from_json(&config.to_string_lossy(), &json)?, None)
        } else {
            let (config, tokenizer) = of_gguf(&file, &entry).with_context(unusable)?;
            (config, Some(tokenizer))
        };
        Ok(Self { config, file, entry, tokenizer })
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// If a folder's `tokenizer.json` is missing or cannot be used.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        if let Some(tokenizer) = &self.tokenizer {
            return Ok(tokenizer.clone());
        }
        let path = self.file.with_file_name("tokenizer.json");
        let json = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Tokenizer::from_json(&path.to_string_lossy(), &json)?)
    }

    /// Reads the weights that `plan` names; it gets the sizes and what the tensors' names begin with.
    ///
    /// # Errors
    /// Those of core's loader.
    pub fn weights(
        &self,
        device: &Device,
        plan: impl FnOnce(&DecoderConfig, &str) -> Plan,
    ) -> Result<Weights> {
        self.adapted_weights(None, device, plan)
    }

    /// The same with an adapter's products added.
    ///
    /// # Errors
    /// Those of core's loader.
    pub fn adapted_weights(
        &self,
        adapter: Option<&Adapter>,
        device: &Device,
        plan: impl FnOnce(&DecoderConfig, &str) -> Plan,
    ) -> Result<Weights> {
        let name = self.file.to_string_lossy();
        let source = DiskSource::open(&self.file)?;
        let plan = |header: &Header| Ok(plan(&self.config, name_prefix(header)));
        let mut on_read = |_| ();
        let loading = load_adapted(&source, &name, &self.entry, plan, adapter, device, &mut on_read);
        Ok(pollster::block_on(loading)?)
    }
}

/// An adapter in a folder of PEFT's two files.
///
/// # Errors
/// If they are missing or not of an adapter that can be added.
pub fn adapter_in(folder: &Path) -> Result<Adapter> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let config = AdapterConfig::from_json("adapter_config.json", &read("adapter_config.json")?)?;
    let bytes = read("adapter_model.safetensors")?;
    let entry = FileEntry { bytes: bytes.len() as u64, sha256: None };
    let source = MemorySource::new("adapter_model.safetensors", bytes);
    let mut on_read = |_| ();
    let loading = Adapter::load(&source, "adapter_model.safetensors", &entry, &config, &mut on_read);
    pollster::block_on(loading).with_context(|| format!("{} cannot be used", folder.display()))
}

fn of_gguf(file: &Path, entry: &FileEntry) -> Result<(DecoderConfig, Tokenizer)> {
    let name = file.to_string_lossy();
    let source = DiskSource::open(file)?;
    let mut on_read = |_| ();
    let read = async {
        let mut reader = VerifiedReader::open(&source, &name, entry, &mut on_read).await?;
        Header::read(&mut reader).await
    };
    let header = pollster::block_on(read)?;
    let no_gguf = || Error::UnsupportedConfig {
        file: name.clone().into_owned(),
        reason: "it is no GGUF file: name the folder of its config.json instead".into(),
    };
    let config = DecoderConfig::from_gguf(&header)?;
    Ok((config, Tokenizer::from_gguf(header.metadata().ok_or_else(no_gguf)?)?))
}
