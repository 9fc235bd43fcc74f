//! A bundle: the folder that holds everything a page needs to complete code.
//!
//! ```text
//! bundle.json                                         config::BundleManifest
//! reader/{config.json, tokenizer.json, model.safetensors}
//! encoder/{config.json, tokenizer.json, model.safetensors}
//! reader/{adapter_config.json, adapter_model.safetensors}   LoRA, if the reader has some
//! projector.safetensors
//! projector_xrag.safetensors                          if the bundle offers xRAG's lane
//! ```
//!
//! `model.gguf` may stand in the place of a `model.safetensors`; then `config.json` and
//! `tokenizer.json` may be left out, since such a file holds both. The encoder may be the reader's own
//! first layers, and then has no files. Encoder and projector may be left out altogether: such a bundle
//! has the lanes that need no soft tokens.
//!
//! Checkpoints without a manifest are loaded by one made for them: [`arrange`] says which file is what,
//! [`manifest_of`] makes the manifest.

mod arrange;
mod checks;
mod key;
mod layout;
mod loader;

use std::collections::BTreeMap;

use burn::tensor::Device;

use crate::{
    Error, Result,
    config::{BundleManifest, EncoderInput, FileEntry, PromptConfig},
    model::{decoder::DecoderFormats, encoder::Encoder, projector::Projector, reader::Reader},
    tokenize::Tokenizer,
    weights::{BundleFiles, ByteSource},
};
pub use arrange::arrange;
pub use key::model_key;
pub use layout::{MANIFEST, PROJECTOR, XRAG_PROJECTOR};
use loader::Loader;

/// A manifest beyond this is none.
const MAX_MANIFEST: u64 = 4 << 20;

/// What a bundle holds, ready to run.
#[derive(Debug)]
pub struct Models {
    /// How to use them.
    pub manifest: BundleManifest,
    /// Completes.
    pub reader: Reader,
    /// The reader's.
    pub reader_tokenizer: Tokenizer,
    /// Embeds chunks, where the bundle has an encoder.
    pub embedder: Option<Embedder>,
    /// Turns embeddings into soft vectors, where the bundle has a projector.
    pub projector: Option<Projector>,
    /// The same for xRAG's lane.
    pub xrag_projector: Option<Projector>,
    /// Bytes of all weights on the device.
    pub memory_bytes: u64,
}

/// An encoder and its tokenizer.
#[derive(Debug)]
pub struct Embedder {
    /// Embeds token sequences.
    pub encoder: Encoder,
    /// Makes them.
    pub tokenizer: Tokenizer,
}

impl Embedder {
    /// A text's tokens as the encoder was trained on them. Never empty.
    ///
    /// # Errors
    /// [`Error::MissingToken`] if the tokenizer lacks one that `input` names.
    pub fn input(&self, input: &EncoderInput, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.tokenizer.encode(text);
        ids.truncate(input.max_tokens);
        if !input.prepend.is_empty() {
            ids.insert(0, self.tokenizer.special(&input.prepend)?);
        }
        if !input.append.is_empty() {
            ids.push(self.tokenizer.special(&input.append)?);
        }
        if ids.is_empty() {
            ids.push(0);
        }
        Ok(ids)
    }
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
    load_models(files, manifest, device, progress).await
}

/// Loads what a manifest describes, wherever that comes from.
///
/// # Errors
/// As [`load_bundle`].
pub async fn load_models<F: BundleFiles>(
    files: &F,
    mut manifest: BundleManifest,
    device: &Device,
    progress: impl FnMut(Progress),
) -> Result<Models> {
    checks::parts(&manifest)?;
    let entries = manifest.files.clone();
    let mut loader = Loader::new(files, &entries, device, progress);
    let formats = manifest.quantization;

    let linear_and_head = DecoderFormats { linear: formats.reader_linear, embedding: formats.reader_head };
    let mut found = loader
        .decoder(layout::READER, |config, prefix| Reader::plan(config, linear_and_head, prefix))
        .await?;
    checks::soft_tokens(&manifest, &found.config)?;
    checks::reader_layers(&manifest, &found.config)?;
    if manifest.prompt == PromptConfig::default() {
        // Nobody chose these budgets for this reader.
        manifest.prompt = manifest.prompt.within(found.config.max_position_embeddings);
    }
    let reader = Reader::from_weights(&found.config, &mut found.weights)?;
    let reader_tokenizer = found.tokenizer;
    name_after(&mut manifest, found.name, found.license);

    let mut embedder = None;
    if layout::has_encoder(&entries) {
        let both = DecoderFormats { linear: formats.encoder, embedding: formats.encoder };
        let mut found =
            loader.decoder(layout::ENCODER, |config, prefix| Encoder::plan(config, both, prefix)).await?;
        let encoder = Encoder::from_weights(&found.config, &mut found.weights)?;
        embedder = Some(Embedder { encoder, tokenizer: found.tokenizer });
    } else if !manifest.encoder.reader_layers.is_empty() {
        let encoder = Encoder::of_reader(&reader, manifest.encoder.reader_layers.clone());
        embedder = Some(Embedder { encoder, tokenizer: reader_tokenizer.clone() });
    }
    let [mut projector, mut xrag_projector] = [None, None];
    if let Some(Embedder { encoder, .. }) = &embedder {
        let widths = (encoder.width(), reader.config().hidden_size);
        for (file, place) in [(PROJECTOR, &mut projector), (XRAG_PROJECTOR, &mut xrag_projector)] {
            if entries.contains_key(file) {
                *place = Some(loader.projector(file, widths).await?);
            }
        }
    }
    let memory_bytes = loader.memory_bytes;
    Ok(Models { manifest, reader, reader_tokenizer, embedder, projector, xrag_projector, memory_bytes })
}

/// A manifest for checkpoints that come without one: by path as in a bundle, such as
/// `reader/model.gguf`, each file's length. Name and licence are the reader's own, once it is read;
/// everything else is the defaults'.
pub fn manifest_of(files: BTreeMap<String, u64>) -> BundleManifest {
    let entry = |(path, bytes)| (path, FileEntry { bytes, sha256: None });
    BundleManifest {
        name: String::new(),
        version: String::new(),
        license: String::new(),
        description: String::new(),
        files: files.into_iter().map(entry).collect(),
        prompt: Default::default(),
        chunking: Default::default(),
        encoder: Default::default(),
        least_confidence: 0.0,
        quantization: Default::default(),
        evaluation: serde_json::Value::Null,
        self_test: None,
    }
}

/// Fills in what the manifest does not say of the reader.
fn name_after(manifest: &mut BundleManifest, name: Option<String>, license: Option<String>) {
    if manifest.name.is_empty() {
        manifest.name = name.unwrap_or_else(|| "a model without a name".into());
    }
    if manifest.license.is_empty() {
        manifest.license = license.unwrap_or_else(|| "not stated in the file".into());
    }
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
