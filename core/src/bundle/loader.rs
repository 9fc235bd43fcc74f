//! Reads a bundle's files one after the other and keeps count.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{
    Progress, checks,
    layout::{ADAPTER, ADAPTER_CONFIG, MANIFEST},
};
use crate::{
    Error, Result,
    config::{DecoderConfig, FileEntry},
    device::has_kernels,
    model::{
        decoder::name_prefix,
        projector::{Projector, ProjectorConfig},
    },
    tokenize::Tokenizer,
    weights::{Adapter, AdapterConfig, BundleFiles, Header, Plan, Weights, load_adapted, read_verified},
};

/// Reads the files of a bundle.
pub(super) struct Loader<'a, F, P> {
    files: &'a F,
    entries: &'a BTreeMap<String, FileEntry>,
    device: &'a Device,
    progress: P,
    read: u64,
    total: u64,
    pub(super) memory_bytes: u64,
}

/// A reader's or an encoder's parts.
pub(super) struct Found {
    pub(super) config: DecoderConfig,
    pub(super) tokenizer: Tokenizer,
    pub(super) weights: Weights,
    /// The model's own name and licence, where the file states them.
    pub(super) name: Option<String>,
    pub(super) license: Option<String>,
}

/// What a file's header tells of a model.
struct Told {
    config: DecoderConfig,
    tokenizer: Tokenizer,
    name: Option<String>,
    license: Option<String>,
}

impl<'a, F: BundleFiles, P: FnMut(Progress)> Loader<'a, F, P> {
    pub(super) fn new(
        files: &'a F,
        entries: &'a BTreeMap<String, FileEntry>,
        device: &'a Device,
        progress: P,
    ) -> Self {
        let total = entries.values().fold(0u64, |sum, entry| sum.saturating_add(entry.bytes));
        Self { files, entries, device, progress, read: 0, total, memory_bytes: 0 }
    }

    /// The model below `model/`. Config and tokenizer are files of their own, or stand in the GGUF
    /// file; `plan` gets the config and the prefix of the tensors' names.
    pub(super) async fn decoder(
        &mut self,
        model: &str,
        plan: impl FnOnce(&DecoderConfig, &str) -> Plan,
    ) -> Result<Found> {
        let file = self.weights_file(model)?;
        let [config_file, tokenizer_file] =
            ["config", "tokenizer"].map(|name| format!("{model}/{name}.json"));
        let alone = file.ends_with(".gguf");
        let wanted = |file: &String| !alone || self.entries.contains_key(file);
        let (own_config, own_tokenizer) = (wanted(&config_file), wanted(&tokenizer_file));
        let config = match own_config {
            true => Some(DecoderConfig::from_json(&config_file, &self.bytes(&config_file).await?)?),
            false => None,
        };
        let tokenizer = match own_tokenizer {
            true => Some(Tokenizer::from_json(&tokenizer_file, &self.bytes(&tokenizer_file).await?)?),
            false => None,
        };
        let tokenizer_file = if own_tokenizer { &tokenizer_file } else { &file };
        if let (Some(config), Some(tokenizer)) = (&config, &tokenizer) {
            checks::vocabulary(tokenizer_file, tokenizer, config.vocab_size)?;
        }
        let mut told = None;
        let read = |header: &Header| {
            let config = config.map_or_else(|| DecoderConfig::from_gguf(header), Ok)?;
            let tokenizer = match (tokenizer, header.metadata()) {
                (Some(tokenizer), _) => tokenizer,
                (None, Some(metadata)) => Tokenizer::from_gguf(metadata)?,
                (None, None) => return Err(not_gguf(&file)),
            };
            checks::vocabulary(tokenizer_file, &tokenizer, config.vocab_size)?;
            let plan = plan(&config, name_prefix(header));
            let text = |key| header.metadata().and_then(|metadata| metadata.text(key)).map(str::to_owned);
            let (name, license) = (text("general.name"), text("general.license"));
            told = Some(Told { config, tokenizer, name, license });
            Ok(plan)
        };
        let adapter = self.adapter(model).await?;
        let weights = self.weights(&file, read, adapter.as_ref()).await?;
        // The weights were planned by it.
        let Told { config, tokenizer, name, license } = told.ok_or_else(|| not_gguf(&file))?;
        Ok(Found { config, tokenizer, weights, name, license })
    }

    /// The model's adapter, where it has one.
    async fn adapter(&mut self, model: &str) -> Result<Option<Adapter>> {
        let [file, config_file] = [ADAPTER, ADAPTER_CONFIG].map(|name| format!("{model}/{name}"));
        if !self.entries.contains_key(&file) {
            return Ok(None);
        }
        if !self.entries.contains_key(&config_file) {
            let reason = format!("{ADAPTER_CONFIG}, which says how it is added, did not come with it");
            return Err(Error::UnsupportedConfig { file, reason });
        }
        let config = AdapterConfig::from_json(&config_file, &self.bytes(&config_file).await?)?;
        let (entry, source) = (self.entry(&file)?, self.files.open(&file).await?);
        let mut count = |bytes| self.count(&file, bytes);
        Adapter::load(&source, &file, entry, &config, &mut count).await.map(Some)
    }

    /// The one file of the two that holds a model's weights.
    fn weights_file(&self, model: &str) -> Result<String> {
        let [safetensors, gguf] = ["safetensors", "gguf"].map(|format| format!("{model}/model.{format}"));
        let has = |file: &String| self.entries.contains_key(file);
        match (has(&safetensors), has(&gguf)) {
            (true, true) => Err(Error::UnsupportedConfig {
                file: MANIFEST.into(),
                reason: format!("its `files` lists {safetensors} and {gguf}: leave one of them out"),
            }),
            (false, true) => Ok(gguf),
            _ => Ok(safetensors),
        }
    }

    /// A projector between vectors of these widths.
    pub(super) async fn projector(&mut self, file: &str, widths: (usize, usize)) -> Result<Projector> {
        let plan = |header: &Header| {
            let config = ProjectorConfig::of_checkpoint(header)?;
            checks::projector(file, &config, widths.0, widths.1)?;
            Ok(config.plan())
        };
        Projector::from_weights(&mut self.weights(file, plan, None).await?)
    }

    async fn weights(
        &mut self,
        file: &str,
        plan: impl FnOnce(&Header) -> Result<Plan>,
        adapter: Option<&Adapter>,
    ) -> Result<Weights> {
        let entry = self.entry(file)?;
        let source = self.files.open(file).await?;
        let (device, held) = (self.device, self.memory_bytes);
        let plan = |header: &Header| {
            let plan = plan(header)?;
            if !has_kernels(device) {
                checks::memory(file, held + plan.bytes(header), checks::ROOM_ON_CPU)?;
            }
            Ok(plan)
        };
        let mut count = |bytes| self.count(file, bytes);
        let weights = load_adapted(&source, file, entry, plan, adapter, device, &mut count).await?;
        self.memory_bytes += weights.bytes();
        Ok(weights)
    }

    async fn bytes(&mut self, file: &str) -> Result<Vec<u8>> {
        let entry = self.entry(file)?;
        let source = self.files.open(file).await?;
        read_verified(&source, file, entry, &mut |bytes| self.count(file, bytes)).await
    }

    fn entry(&self, file: &str) -> Result<&'a FileEntry> {
        self.entries.get(file).ok_or_else(|| Error::Format {
            file: MANIFEST.into(),
            format: "a bundle's manifest",
            reason: format!("its `files` has no entry for {file}"),
        })
    }

    fn count(&mut self, file: &str, bytes: u64) {
        self.read += bytes;
        (self.progress)(Progress { file: file.into(), read: self.read, total: self.total });
    }
}

fn not_gguf(file: &str) -> Error {
    let reason = "it is no GGUF file: config.json and tokenizer.json have to stand beside it".into();
    Error::UnsupportedConfig { file: file.into(), reason }
}
