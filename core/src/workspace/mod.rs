//! The files of a project: cut into chunks, and each chunk given its vectors, in order, everything
//! kept as it comes.
//!
//! A change is in the [`Index`] at once: a lexical ranker finds it from then on. Parts of chunks that
//! are new wait in a [`queue`]. [`Workspace::embed_next`] takes the next few: what a [`VectorCache`] has
//! of them is recalled, or a [`SharedIndex`], the others are embedded, and put into the cache. Whoever calls it decides what
//! comes between two calls, and with a [`Pace`] how much a call does.
//!
//! Vectors belong to a part's text and the models that made them, not to a file or a project: a file
//! that is renamed, a project that is opened again, or a second one with the same lines embeds nothing.

mod cache;
#[cfg(not(target_family = "wasm"))]
mod disk;
mod nearness;
mod pace;
mod queue;
mod segments;
mod shared;

use std::collections::BTreeMap;

pub use cache::{MemoryCache, VectorCache, decode, encode};
#[cfg(not(target_family = "wasm"))]
pub use disk::{DiskCache, SegmentFolder};
pub use pace::Pace;
pub use segments::{SegmentCache, SegmentFiles, SegmentLimits, SegmentWriter};
#[cfg(not(target_family = "wasm"))]
pub use shared::SharedFolder;
pub use shared::{
    Reading, SHARED_MANIFEST, SharedFile, SharedIndex, SharedManifest, SharedPlan, SharedSource,
};

use crate::{
    Error, Result,
    bundle::model_key,
    config::BundleManifest,
    device::Device,
    index::{ChunkId, Index, OnDevice, TextHash, Vectors},
};
use queue::Queue;

/// Texts that the cache is asked for at once.
const RECALL: usize = 2048;

/// Makes vectors of texts.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
pub trait Embed {
    /// Whether it makes any: a bundle may lack an encoder.
    fn embeds(&self) -> bool;

    /// Each text's vectors, in their order.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vectors>>;
}

/// What a step did. Its texts are parts of chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Texts whose vectors the cache had.
    pub recalled: usize,
    /// Texts embedded.
    pub embedded: usize,
    /// Chunks that have all their vectors by it.
    pub chunks: usize,
}

impl Step {
    /// Whether nothing was left to do.
    pub fn is_over(&self) -> bool {
        (self.recalled, self.embedded) == (0, 0)
    }
}

/// The files of a project, their chunks, and where vectors are kept.
#[derive(Debug)]
pub struct Workspace<C> {
    index: Index,
    on_device: OnDevice,
    model_key: String,
    cache: C,
    queue: Queue,
    /// Asked for what the cache does not have.
    shared: Option<SharedIndex>,
    /// Embedded or shared, and not in the cache yet.
    unkept: Vec<(TextHash, Vectors)>,
    /// The file near which texts are embedded first.
    focus: Option<String>,
    refusal: Option<Error>,
}

impl<C: VectorCache> Workspace<C> {
    /// One without files. `model_key` names the models that make its vectors ([`model_key`]).
    pub fn new(index: Index, model_key: impl Into<String>, cache: C) -> Self {
        Self {
            index,
            on_device: OnDevice::default(),
            model_key: model_key.into(),
            cache,
            shared: None,
            queue: Queue::default(),
            unkept: Vec::new(),
            focus: None,
            refusal: None,
        }
    }

    /// One without files, for a bundle's models: cut as it says, embedded in as many parts as a chunk has
    /// soft tokens.
    pub fn of_bundle(bundle: &BundleManifest, cache: C) -> Self {
        let index = Index::in_parts(bundle.chunking, bundle.prompt.soft_tokens);
        Self::new(index, model_key(bundle), cache)
    }

    /// The chunks, to be searched.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The products of a query's embedding with the index's, computed on a GPU: see [`OnDevice::products`].
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn products_on(&mut self, device: &Device, query: &[f32]) -> Result<Option<Vec<f32>>> {
        self.on_device.products(&self.index, query, device).await
    }

    /// Where vectors are kept.
    pub fn cache(&self) -> &C {
        &self.cache
    }

    /// Has vectors that the cache lacks taken from here, if it has them; from nowhere else without one.
    pub fn set_shared(&mut self, shared: Option<SharedIndex>) {
        self.shared = shared;
    }

    /// Where vectors are taken from that the cache lacks.
    pub fn shared(&self) -> Option<&SharedIndex> {
        self.shared.as_ref()
    }

    /// Names the models that make its vectors.
    pub fn model_key(&self) -> &str {
        &self.model_key
    }

    /// Gives the cache back.
    pub fn into_cache(self) -> C {
        self.cache
    }

    /// Brings it to exactly these files, path and text of each. A file that was renamed keeps its
    /// vectors.
    pub fn set_files<'a>(&mut self, files: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut paths = Vec::new();
        for (path, text) in files {
            self.update(path, text);
            paths.push(path);
        }
        // Only now: what is to go may have the vectors of what came.
        self.index.retain(paths);
        // What came is in no order yet.
        if let Some(path) = self.focus.take() {
            self.focus(&path);
        }
    }

    /// Brings one file to this text.
    pub fn update(&mut self, path: &str, text: &str) {
        self.index.update_file(path, text);
        for (hash, part) in self.index.pending_parts_of(path) {
            self.queue.push(hash, &part);
        }
    }

    /// What is near this file is embedded first: its own chunks, those of files that it imports, those of
    /// files beside it; then the rest in the order it came.
    pub fn focus(&mut self, path: &str) {
        if self.focus.as_deref() == Some(path) {
            return;
        }
        self.focus = Some(path.to_owned());
        let near = nearness::near(&self.index, path);
        let parts = near.iter().flat_map(|path| self.index.pending_parts_of(path));
        self.queue.put_first(parts.map(|(hash, _)| hash).collect());
    }

    /// Takes a file out. False if it was not there.
    pub fn remove(&mut self, path: &str) -> bool {
        self.index.remove_file(path)
    }

    /// Chunks that wait for vectors.
    pub fn waiting(&self) -> usize {
        self.index.stats().pending_chunks
    }

    /// Gives the next texts, parts of chunks, their vectors: at most `most` of them by embedding, or more
    /// of them out of the cache. What no chunk has any longer is passed over. What was embedded is in the
    /// cache when this returns.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails; those texts wait on. A cache that refuses stops nothing:
    /// see [`Self::take_refusal`].
    pub async fn embed_next(&mut self, embedder: &impl Embed, most: usize) -> Result<Step> {
        if !embedder.embeds() {
            self.queue.clear();
            return Ok(Step::default());
        }
        let waiting = self.waiting();
        let recalled = self.recall(most).await;
        if recalled > 0 {
            return Ok(Step { recalled, embedded: 0, chunks: waiting - self.waiting() });
        }
        let texts = self.queue.take_missing(most, |hash| self.index.is_pending(hash));
        if texts.is_empty() {
            self.flush().await;
            return Ok(Step::default());
        }
        let sources: Vec<String> = texts.iter().map(|(_, text)| text.to_string()).collect();
        match embedder.embed(&sources).await {
            Ok(vectors) => {
                let embedded = texts.len();
                for ((hash, _), vectors) in texts.into_iter().zip(vectors) {
                    self.take_in(hash, vectors);
                }
                self.flush().await;
                Ok(Step { recalled: 0, embedded, chunks: waiting - self.waiting() })
            }
            Err(error) => {
                self.queue.put_back(texts);
                Err(error)
            }
        }
    }

    /// Gives these chunks their vectors ahead of all others, and says for how many of them something had
    /// to be embedded: a completion is to use them now.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn embed_now(&mut self, embedder: &impl Embed, chunks: &[ChunkId]) -> Result<usize> {
        let waiting: Vec<ChunkId> =
            chunks.iter().copied().filter(|&id| self.index.is_chunk_pending(id)).collect();
        let parts = waiting.iter().flat_map(|&id| self.index.pending_parts_of_chunk(id));
        let mut texts: BTreeMap<TextHash, String> =
            parts.map(|(hash, part)| (hash, part.into_owned())).collect();
        if texts.is_empty() || !embedder.embeds() {
            return Ok(0);
        }
        let hashes: Vec<TextHash> = texts.keys().copied().collect();
        for (hash, vectors) in hashes.iter().zip(self.ask(&hashes).await) {
            if let Some(vectors) = vectors {
                self.index.set_vectors(*hash, &vectors);
                texts.remove(hash);
            }
        }
        let missing = waiting.iter().filter(|&&id| self.index.is_chunk_pending(id)).count();
        let (hashes, texts): (Vec<TextHash>, Vec<String>) = texts.into_iter().unzip();
        if !texts.is_empty() {
            for (hash, vectors) in hashes.iter().zip(embedder.embed(&texts).await?) {
                self.take_in(*hash, vectors);
            }
        }
        Ok(missing)
    }

    /// Asks the cache for texts to come, until `most` are known to be missing. Says how many it had.
    async fn recall(&mut self, most: usize) -> usize {
        let mut recalled = 0;
        while recalled == 0 && self.queue.missing() < most {
            let texts = self.queue.take_unasked(RECALL, |hash| self.index.is_pending(hash));
            if texts.is_empty() {
                break;
            }
            let hashes: Vec<TextHash> = texts.iter().map(|(hash, _)| *hash).collect();
            let found = self.ask(&hashes).await;
            for ((hash, text), vectors) in texts.into_iter().zip(found) {
                match vectors {
                    Some(vectors) => recalled += usize::from(self.index.set_vectors(hash, &vectors)),
                    None => self.queue.push_missing(hash, text),
                }
            }
        }
        recalled
    }

    /// What the cache has of these texts, and what is shared of the others.
    async fn ask(&mut self, texts: &[TextHash]) -> Vec<Option<Vectors>> {
        let found = self.cache.get_many(&self.model_key, texts).await.unwrap_or_else(|error| {
            self.refusal = Some(error);
            Vec::new()
        });
        let mut found: Vec<_> = found.into_iter().chain(std::iter::repeat(None)).take(texts.len()).collect();
        let Some(shared) = &mut self.shared else { return found };
        let missing: Vec<usize> = (0..texts.len()).filter(|&number| found[number].is_none()).collect();
        let hashes: Vec<TextHash> = missing.iter().map(|&number| texts[number]).collect();
        match shared.get_many(&hashes).await {
            Ok(vectors) => {
                for (number, vectors) in missing.into_iter().zip(vectors) {
                    self.unkept.extend(vectors.clone().map(|vectors| (texts[number], vectors)));
                    found[number] = vectors;
                }
            }
            Err(error) => {
                // What was read of it stays; the rest is made here.
                self.shared = None;
                self.refusal = Some(error);
            }
        }
        found
    }

    /// Takes in what was embedded.
    fn take_in(&mut self, text: TextHash, vectors: Vectors) {
        if self.index.set_vectors(text, &vectors) {
            self.unkept.push((text, vectors));
        }
    }

    /// Puts everything into the cache that is not there yet.
    pub async fn flush(&mut self) {
        let unkept = std::mem::take(&mut self.unkept);
        let vectors: Vec<(TextHash, &Vectors)> =
            unkept.iter().map(|(hash, vectors)| (*hash, vectors)).collect();
        if vectors.is_empty() {
            return;
        }
        if let Err(error) = self.cache.put_many(&self.model_key, &vectors).await {
            self.refusal = Some(error);
        }
    }

    /// What the cache refused last, once: vectors are then made anew at the next visit.
    pub fn take_refusal(&mut self) -> Option<Error> {
        self.refusal.take()
    }
}
