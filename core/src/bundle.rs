//! A bundle: the folder that holds everything a page needs to complete code.
//!
//! ```text
//! bundle.json                                         config::BundleManifest
//! reader/{config.json, tokenizer.json, model.safetensors}
//! encoder/{config.json, tokenizer.json, model.safetensors}
//! projector.safetensors
//! projector_xrag.safetensors                          if the bundle offers xRAG's lane
//! ```
//!
//! `model.gguf` may stand in the place of a `model.safetensors`.

use std::collections::BTreeMap;

use burn::tensor::Device;
use serde::Deserialize;

use crate::{
    Error, Result,
    config::{BundleManifest, DecoderConfig, FileEntry},
    model::{
        decoder::{DecoderFormats, name_prefix},
        encoder::Encoder,
        projector::{Projector, ProjectorConfig},
        reader::Reader,
    },
    weights::{BundleFiles, ByteSource, Header, Plan, Weights, load_weights, read_verified},
};

/// The manifest's path.
pub const MANIFEST: &str = "bundle.json";
/// The projector's path.
pub const PROJECTOR: &str = "projector.safetensors";
/// The path of the projector trained by xRAG's recipe.
pub const XRAG_PROJECTOR: &str = "projector_xrag.safetensors";

/// A manifest beyond this is none.
const MAX_MANIFEST: u64 = 4 << 20;

/// What a bundle holds, ready to run.
#[derive(Debug)]
pub struct Models {
    /// How to use them.
    pub manifest: BundleManifest,
    /// Completes.
    pub reader: Reader,
    /// Embeds chunks.
    pub encoder: Encoder,
    /// Turns embeddings into soft vectors.
    pub projector: Projector,
    /// The same for xRAG's lane, where the bundle has one.
    pub xrag_projector: Option<Projector>,
    /// The reader's `tokenizer.json`.
    pub reader_tokenizer: Vec<u8>,
    /// The encoder's `tokenizer.json`.
    pub encoder_tokenizer: Vec<u8>,
    /// Bytes of all weights on the device.
    pub memory_bytes: u64,
}

/// How far loading is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The file being read.
    pub file: String,
    /// Bytes read so far, over all files.
    pub read: u64,
    /// Bytes altogether.
    pub total: u64,
}

/// Loads a bundle: every file once, front to back, compared with the manifest.
///
/// # Errors
/// Those of reading ([`Error::Read`], [`Error::Truncated`], [`Error::HashMismatch`],
/// [`Error::Format`]) and of building a model ([`Error::MissingTensor`],
/// [`Error::ShapeMismatch`], [`Error::UnsupportedDType`], [`Error::UnsupportedConfig`]).
pub async fn load_bundle<F: BundleFiles>(
    files: &F,
    device: &Device,
    progress: impl FnMut(Progress),
) -> Result<Models> {
    let manifest = read_manifest(files).await?;
    let mut loader = Loader::new(files, &manifest, device, progress);
    let formats = &manifest.quantization;

    let reader_config = loader.config("reader").await?;
    check_soft_tokens(&manifest, &reader_config)?;
    let encoder_config = loader.config("encoder").await?;
    let reader_tokenizer = loader.tokenizer("reader", &reader_config).await?;
    let encoder_tokenizer = loader.tokenizer("encoder", &encoder_config).await?;

    let (input, output) = (encoder_config.hidden_size, reader_config.hidden_size);
    let projector = loader.projector(PROJECTOR, input, output).await?;
    let xrag_projector = match manifest.files.contains_key(XRAG_PROJECTOR) {
        true => Some(loader.projector(XRAG_PROJECTOR, input, output).await?),
        false => None,
    };

    let linear_and_head = DecoderFormats { linear: formats.reader_linear, embedding: formats.reader_head };
    let plan = |header: &Header| Ok(Reader::plan(&reader_config, linear_and_head, name_prefix(header)));
    let mut weights = loader.model("reader", plan).await?;
    let reader = Reader::from_weights(&reader_config, &mut weights)?;

    let both = DecoderFormats { linear: formats.encoder, embedding: formats.encoder };
    let plan = |header: &Header| Ok(Encoder::plan(&encoder_config, both, name_prefix(header)));
    let mut weights = loader.model("encoder", plan).await?;
    let encoder = Encoder::from_weights(&encoder_config, &mut weights)?;

    let memory_bytes = loader.memory_bytes;
    Ok(Models {
        manifest,
        reader,
        encoder,
        projector,
        xrag_projector,
        reader_tokenizer,
        encoder_tokenizer,
        memory_bytes,
    })
}

/// Reads `bundle.json`.
///
/// # Errors
/// [`Error::Read`] if it is not there, [`Error::Format`] if it is no manifest.
pub async fn read_manifest<F: BundleFiles>(files: &F) -> Result<BundleManifest> {
    let refuse = |reason| Error::Format { file: MANIFEST.into(), format: "a bundle's manifest", reason };
    let source = files.open(MANIFEST).await?;
    let len = source.len().await?;
    if len > MAX_MANIFEST {
        return Err(refuse(format!("it is {len} bytes long, a manifest has a few thousand")));
    }
    let bytes = source.read(0..len).await?;
    serde_json::from_slice(&bytes).map_err(|e| refuse(e.to_string()))
}

/// Reads the files one after the other and keeps count.
struct Loader<'a, F, P> {
    files: &'a F,
    entries: &'a BTreeMap<String, FileEntry>,
    device: &'a Device,
    progress: P,
    read: u64,
    total: u64,
    memory_bytes: u64,
}

impl<'a, F: BundleFiles, P: FnMut(Progress)> Loader<'a, F, P> {
    fn new(files: &'a F, manifest: &'a BundleManifest, device: &'a Device, progress: P) -> Self {
        let entries = &manifest.files;
        let total = entries.values().fold(0u64, |sum, entry| sum.saturating_add(entry.bytes));
        Self { files, entries, device, progress, read: 0, total, memory_bytes: 0 }
    }

    fn entry(&self, file: &str) -> Result<&'a FileEntry> {
        self.entries.get(file).ok_or_else(|| Error::Format {
            file: MANIFEST.into(),
            format: "a bundle's manifest",
            reason: format!("its `files` has no entry for {file}"),
        })
    }

    async fn bytes(&mut self, file: &str) -> Result<Vec<u8>> {
        let entry = self.entry(file)?;
        let source = self.files.open(file).await?;
        read_verified(&source, file, entry, &mut |bytes| self.count(file, bytes)).await
    }

    async fn config(&mut self, model: &str) -> Result<DecoderConfig> {
        let file = format!("{model}/config.json");
        let json = self.bytes(&file).await?;
        DecoderConfig::from_json(&file, &json)
    }

    async fn tokenizer(&mut self, model: &str, config: &DecoderConfig) -> Result<Vec<u8>> {
        let file = format!("{model}/tokenizer.json");
        let json = self.bytes(&file).await?;
        check_vocabulary(&file, &json, config.vocab_size)?;
        Ok(json)
    }

    async fn projector(&mut self, file: &str, input: usize, output: usize) -> Result<Projector> {
        let plan = |header: &Header| {
            let config = ProjectorConfig::of_checkpoint(header)?;
            check_projector(file, &config, input, output)?;
            Ok(config.plan())
        };
        Projector::from_weights(&mut self.weights(file, plan).await?)
    }

    /// A model's weights, from the one file of the two that the manifest lists.
    async fn model(&mut self, model: &str, plan: impl FnOnce(&Header) -> Result<Plan>) -> Result<Weights> {
        let [safetensors, gguf] = ["safetensors", "gguf"].map(|format| format!("{model}/model.{format}"));
        let has = |file: &String| self.entries.contains_key(file);
        match (has(&safetensors), has(&gguf)) {
            (true, true) => Err(Error::UnsupportedConfig {
                file: MANIFEST.into(),
                reason: format!("its `files` lists {safetensors} and {gguf}: leave one of them out"),
            }),
            (false, true) => self.weights(&gguf, plan).await,
            _ => self.weights(&safetensors, plan).await,
        }
    }

    async fn weights(&mut self, file: &str, plan: impl FnOnce(&Header) -> Result<Plan>) -> Result<Weights> {
        let entry = self.entry(file)?;
        let source = self.files.open(file).await?;
        let device = self.device;
        let mut count = |bytes| self.count(file, bytes);
        let weights = load_weights(&source, file, entry, plan, device, &mut count).await?;
        self.memory_bytes += weights.bytes();
        Ok(weights)
    }

    fn count(&mut self, file: &str, bytes: u64) {
        self.read += bytes;
        (self.progress)(Progress { file: file.into(), read: self.read, total: self.total });
    }
}

/// Each of a chunk's soft tokens stands for whole lines of it, and all of them have to leave the
/// reader room for the text.
fn check_soft_tokens(manifest: &BundleManifest, reader: &DecoderConfig) -> Result<()> {
    let refuse = |reason| Err(Error::UnsupportedConfig { file: MANIFEST.into(), reason });
    let (soft, lines) = (manifest.prompt.soft_tokens.get(), manifest.chunking.lines);
    if soft > lines.max(1) {
        return refuse(format!(
            "`prompt.soft_tokens` is {soft} and a chunk has {lines} lines (`chunking.lines`): a soft token stands for a line at least, so lower it to {lines}"
        ));
    }
    let (top_k, positions) = (manifest.prompt.top_k, reader.max_position_embeddings);
    if top_k.saturating_mul(soft) >= positions {
        return refuse(format!(
            "`prompt.top_k` is {top_k} and `prompt.soft_tokens` is {soft}: so many soft tokens leave no room in the reader's {positions} positions, so lower one of them"
        ));
    }
    Ok(())
}

/// The projector must take what the encoder gives and give what the reader takes.
fn check_projector(file: &str, config: &ProjectorConfig, input: usize, output: usize) -> Result<()> {
    let refuse = |reason| Err(Error::UnsupportedConfig { file: file.into(), reason });
    if config.widths.first() != Some(&input) {
        return refuse(format!(
            "the projector takes vectors of {} numbers and the encoder gives {input}: they belong to different bundles",
            config.widths.first().unwrap_or(&0)
        ));
    }
    if config.widths.last() != Some(&output) {
        return refuse(format!(
            "the projector gives vectors of {} numbers and the reader takes {output}: they belong to different bundles",
            config.widths.last().unwrap_or(&0)
        ));
    }
    Ok(())
}

/// Every id the tokenizer can give must have a row in the embedding.
fn check_vocabulary(file: &str, json: &[u8], rows: usize) -> Result<()> {
    #[derive(Deserialize)]
    struct Tokenizer {
        #[serde(default)]
        added_tokens: Vec<AddedToken>,
        model: Model,
    }
    #[derive(Deserialize)]
    struct AddedToken {
        id: u32,
    }
    #[derive(Deserialize)]
    struct Model {
        vocab: BTreeMap<String, u32>,
    }
    let tokenizer: Tokenizer = serde_json::from_slice(json).map_err(|e| Error::Format {
        file: file.into(),
        format: "a byte-level BPE tokenizer",
        reason: e.to_string(),
    })?;
    let ids = tokenizer.model.vocab.into_values().chain(tokenizer.added_tokens.into_iter().map(|t| t.id));
    match ids.max() {
        Some(largest) if largest as usize >= rows => Err(Error::UnsupportedConfig {
            file: file.into(),
            reason: format!(
                "the tokenizer gives ids up to {largest} and the model's embedding has {rows} rows: they belong to different models"
            ),
        }),
        _ => Ok(()),
    }
}
