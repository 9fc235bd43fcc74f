//! The files of a project: cut into chunks, and each chunk given its vectors, in order, everything
//! kept as it comes.
//!
//! A change is in the [`Index`] at once: a lexical ranker finds it from then on. Texts that are new
//! wait in a [`queue`]. [`Workspace::embed_next`] takes the next few: what a [`VectorCache`] has of
//! them is recalled, the others are embedded, and put into the cache. Whoever calls it decides what
//! comes between two calls.
//!
//! Vectors belong to a text and the models that made them, not to a file or a project: a file that
//! is renamed, a project that is opened again, or a second one with the same file embeds nothing.

mod cache;
#[cfg(not(target_family = "wasm"))]
mod disk;
mod queue;
mod segments;

use std::collections::BTreeMap;

pub use cache::{MemoryCache, VectorCache, decode, encode};
#[cfg(not(target_family = "wasm"))]
pub use disk::{DiskCache, SegmentFolder};
pub use segments::{SegmentCache, SegmentFiles, SegmentLimits, SegmentWriter};

use crate::{
    Error, Result,
    config::ChunkingConfig,
    index::{ChunkHash, ChunkId, Index, Vectors},
};
use queue::Queue;

/// Texts that the cache is asked for at once.
const RECALL: usize = 256;
/// Texts whose vectors are put into the cache at once: what is lost, at most, if the program ends.
const KEEP: usize = 64;

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

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Texts whose vectors the cache had.
    pub recalled: usize,
    /// Texts embedded.
    pub embedded: usize,
}

impl Step {
    /// Whether nothing was left to do.
    pub fn is_over(&self) -> bool {
        *self == Self::default()
    }
}

/// The files of a project, their chunks, and where vectors are kept.
#[derive(Debug)]
pub struct Workspace<C> {
    index: Index,
    model_key: String,
    cache: C,
    queue: Queue,
    /// Embedded, and not in the cache yet.
    unkept: Vec<ChunkHash>,
    refusal: Option<Error>,
}

impl<C: VectorCache> Workspace<C> {
    /// One without files. `model_key` names the models whose vectors these are
    /// ([`model_key`](crate::bundle::model_key)).
    pub fn new(chunking: ChunkingConfig, model_key: impl Into<String>, cache: C) -> Self {
        Self {
            index: Index::new(chunking),
            model_key: model_key.into(),
            cache,
            queue: Queue::default(),
            unkept: Vec::new(),
            refusal: None,
        }
    }

    /// The chunks, to be searched.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Where vectors are kept.
    pub fn cache(&self) -> &C {
        &self.cache
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
    }

    /// Brings one file to this text.
    pub fn update(&mut self, path: &str, text: &str) {
        self.index.update_file(path, text);
        for chunk in self.index.chunks_of(path).filter(|chunk| self.index.is_pending(chunk.hash)) {
            self.queue.push(chunk.hash, &chunk.text);
        }
    }

    /// Takes a file out. False if it was not there.
    pub fn remove(&mut self, path: &str) -> bool {
        self.index.remove_file(path)
    }

    /// Texts that wait for their vectors.
    pub fn waiting(&self) -> usize {
        self.index.pending()
    }

    /// Gives the next texts their vectors: at most `most` of them by embedding, or more of them out of
    /// the cache. What no chunk has any longer is passed over. At the end everything is in the cache.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails; those texts wait on. A cache that refuses stops nothing:
    /// see [`Self::take_refusal`].
    pub async fn embed_next(&mut self, embedder: &impl Embed, most: usize) -> Result<Step> {
        if !embedder.embeds() {
            self.queue.clear();
            return Ok(Step::default());
        }
        let recalled = self.recall(most).await;
        if recalled > 0 {
            return Ok(Step { recalled, embedded: 0 });
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
                if self.unkept.len() >= KEEP {
                    self.flush().await;
                }
                Ok(Step { recalled: 0, embedded })
            }
            Err(error) => {
                self.queue.put_back(texts);
                Err(error)
            }
        }
    }

    /// Gives these chunks their vectors ahead of all others, and says how many were embedded for it: a
    /// completion is to use them now.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn embed_now(&mut self, embedder: &impl Embed, chunks: &[ChunkId]) -> Result<usize> {
        let chunk = |id: &ChunkId| self.index.chunk(*id).filter(|chunk| self.index.is_pending(chunk.hash));
        let mut texts: BTreeMap<ChunkHash, String> =
            chunks.iter().filter_map(chunk).map(|chunk| (chunk.hash, chunk.text.to_string())).collect();
        if texts.is_empty() || !embedder.embeds() {
            return Ok(0);
        }
        let hashes: Vec<ChunkHash> = texts.keys().copied().collect();
        for (hash, vectors) in hashes.iter().zip(self.ask(&hashes).await) {
            if let Some(vectors) = vectors {
                self.index.set_vectors(*hash, vectors);
                texts.remove(hash);
            }
        }
        let (hashes, texts): (Vec<ChunkHash>, Vec<String>) = texts.into_iter().unzip();
        if texts.is_empty() {
            return Ok(0);
        }
        for (hash, vectors) in hashes.iter().zip(embedder.embed(&texts).await?) {
            self.take_in(*hash, vectors);
        }
        Ok(texts.len())
    }

    /// Asks the cache for texts to come, until `most` are known to be missing. Says how many it had.
    async fn recall(&mut self, most: usize) -> usize {
        let mut recalled = 0;
        while recalled == 0 && self.queue.missing() < most {
            let texts = self.queue.take_unasked(RECALL, |hash| self.index.is_pending(hash));
            if texts.is_empty() {
                break;
            }
            let hashes: Vec<ChunkHash> = texts.iter().map(|(hash, _)| *hash).collect();
            let found = self.ask(&hashes).await;
            for ((hash, text), vectors) in texts.into_iter().zip(found) {
                match vectors {
                    Some(vectors) => recalled += usize::from(self.index.set_vectors(hash, vectors)),
                    None => self.queue.push_missing(hash, text),
                }
            }
        }
        recalled
    }

    /// What the cache has of these texts.
    async fn ask(&mut self, texts: &[ChunkHash]) -> Vec<Option<Vectors>> {
        let found = self.cache.get_many(&self.model_key, texts).await.unwrap_or_else(|error| {
            self.refusal = Some(error);
            Vec::new()
        });
        found.into_iter().chain(std::iter::repeat(None)).take(texts.len()).collect()
    }

    /// Takes in what was embedded.
    fn take_in(&mut self, text: ChunkHash, vectors: Vectors) {
        if self.index.set_vectors(text, vectors) {
            self.unkept.push(text);
        }
    }

    /// Puts everything into the cache that is not there yet.
    pub async fn flush(&mut self) {
        let hashes = std::mem::take(&mut self.unkept);
        let of_text = |hash: &ChunkHash| Some((*hash, self.index.vectors(*hash)?));
        let vectors: Vec<(ChunkHash, &Vectors)> = hashes.iter().filter_map(of_text).collect();
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
