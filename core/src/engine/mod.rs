//! Request in, stream of events out.
//!
//! [`Engine`] holds the models and one KV cache a lane. `load` makes it from a bundle, `embedding` makes
//! the vectors of a [workspace](crate::workspace)'s chunks, `complete` answers requests, lane by lane at
//! one [`Place`]. It does one thing at a time; who calls it decides what comes next.

mod ahead;
mod complete;
mod embedding;
mod generation;
mod host;
mod lookup;
mod place;
mod prefill;
mod read_chunks;
mod self_test;
mod session;
mod stop;

use std::{collections::BTreeMap, sync::Arc};

use burn::tensor::Device;

#[cfg(not(target_family = "wasm"))]
pub use host::NativeHost;
pub use host::{CancelFlag, Host};
pub use llavacode_api::completion::*;
pub use place::Place;

use crate::{
    Result,
    bundle::{self, Embedder, Models, Progress},
    config::BundleManifest,
    device::{has_kernels, is_software},
    kernel,
    model::{
        projector::Projector,
        reader::{Cache, Reader},
        token_ids,
    },
    prompt::PromptBuilder,
    tokenize::Tokenizer,
    weights::BundleFiles,
};
use ahead::STEPS_AHEAD;
use lookup::MOST_DRAFT_TOKENS;
use read_chunks::ReadChunks;
use session::Session;

/// Models and caches, ready to complete.
pub struct Engine<H> {
    /// The bundle's manifest.
    pub manifest: BundleManifest,
    /// Bytes of weights on the device.
    pub weight_bytes: u64,
    pub(crate) device: Device,
    pub(crate) reader: Reader,
    embedder: Option<Embedder>,
    projector: Option<Projector>,
    xrag_projector: Option<Projector>,
    tokenizer: Arc<Tokenizer>,
    prompts: PromptBuilder,
    sessions: BTreeMap<Lane, Session>,
    read_chunks: ReadChunks,
    draft_tokens: usize,
    steps_ahead: usize,
    pub(crate) host: H,
}

impl<H: Host> Engine<H> {
    /// Reads a bundle onto the device.
    ///
    /// # Errors
    /// What [`bundle::load_bundle`] refuses, and a tokenizer without the special tokens a
    /// fill-in-the-middle prompt needs, where the bundle asks for one.
    pub async fn load(
        files: &impl BundleFiles,
        device: &Device,
        host: H,
        progress: impl FnMut(Progress),
    ) -> Result<Self> {
        let manifest = bundle::read_manifest(files).await?;
        Self::load_models(files, manifest, device, host, progress).await
    }

    /// Reads what a manifest describes onto the device, wherever the manifest comes from.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn load_models(
        files: &impl BundleFiles,
        manifest: BundleManifest,
        device: &Device,
        host: H,
        progress: impl FnMut(Progress),
    ) -> Result<Self> {
        let Models { manifest, reader, reader_tokenizer, embedder, projector, xrag_projector, memory_bytes } =
            bundle::load_models(files, manifest, device, progress).await?;
        let tokenizer = Arc::new(reader_tokenizer);
        let prompts = PromptBuilder::new(Arc::clone(&tokenizer), manifest.prompt.clone())?;
        let draft_tokens = manifest.prompt.draft_tokens.min(MOST_DRAFT_TOKENS);
        Ok(Self {
            manifest,
            weight_bytes: memory_bytes,
            device: device.clone(),
            reader,
            embedder,
            projector,
            xrag_projector,
            tokenizer,
            prompts,
            sessions: BTreeMap::new(),
            read_chunks: ReadChunks::default(),
            draft_tokens,
            steps_ahead: if has_kernels(device) && !is_software(device) { STEPS_AHEAD } else { 0 },
            host,
        })
    }

    /// The lanes this bundle has models for, in the order of [`Lane::ALL`].
    pub fn lanes(&self) -> Vec<Lane> {
        let offered = |lane: &Lane| match lane {
            Lane::Base | Lane::FullRag => true,
            Lane::Cached => self.prompts.sink().is_some(),
            Lane::Digest => self.manifest.prompt.digest_tokens > 0,
            Lane::Excerpt => self.manifest.prompt.excerpt_tokens > 0,
            Lane::Compressed => self.projector.is_some(),
            Lane::Expansion => self.projector.is_some() && self.manifest.prompt.expansion_tokens > 0,
            Lane::Xrag => self.xrag_projector.is_some(),
        };
        Lane::ALL.into_iter().filter(offered).collect()
    }

    /// Positions a prompt and its completion may take together.
    pub fn capacity(&self) -> usize {
        let positions = self.prompts.max_prompt_tokens().saturating_add(self.manifest.prompt.max_new_tokens);
        positions.min(self.reader.config().max_position_embeddings)
    }

    /// Kernel launches of one decoder layer in a decode step; `None` where there are no kernels.
    pub fn launches_per_layer(&self) -> Option<usize> {
        if !has_kernels(&self.device) {
            return None;
        }
        let mut cache = self.reader.cache(1, 1);
        let token = self.reader.embed(token_ids(&[0], &self.device));
        let before = kernel::launches();
        let span = cache.next(1, 1);
        self.reader.forward(token, &mut cache, span);
        Some((kernel::launches() - before) as usize / self.reader.config().num_hidden_layers)
    }

    /// Sets how many bytes of chunks' keys and values the cached lane keeps at most. What was not used for
    /// longest goes first.
    pub fn keep_chunks_within(&mut self, bytes: usize) {
        self.read_chunks.keep_at_most(bytes);
    }

    /// Sets how many tokens are looked up at most to be checked in one pass: 0 to decode token by token.
    /// Completions are the same. At first it is what the bundle says.
    pub fn look_up(&mut self, draft_tokens: usize) {
        self.draft_tokens = draft_tokens.min(MOST_DRAFT_TOKENS);
    }

    /// Sets how many decode steps are queued behind the one that is waited for, while tokens are not looked
    /// up. Completions are the same. At first one is on a GPU that no processor plays, and none elsewhere.
    pub fn queue_ahead(&mut self, steps: usize) {
        self.steps_ahead = steps;
    }

    /// Bytes of weights and KV caches on the device.
    pub fn memory_bytes(&self) -> u64 {
        let sessions: usize = self.sessions.values().map(|session| session.bytes()).sum();
        self.weight_bytes + (sessions + self.read_chunks.bytes()) as u64
    }

    /// Room for the keys and values of any prompt and its completion.
    fn cache(&self) -> Cache {
        self.reader.cache(1, self.capacity())
    }

    /// An empty session.
    fn session(&self) -> Session {
        Session::new(self.cache())
    }
}
