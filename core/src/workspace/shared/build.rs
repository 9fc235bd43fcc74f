//! Makes a shared index.

use std::collections::HashSet;

use super::{
    super::Embed,
    format::{DIRECTORY, FORMAT, SharedFile, SharedManifest, read_shard, write_directory, write_shard},
};
use crate::{
    Result,
    bundle::model_key,
    config::BundleManifest,
    index::{Index, TextHash},
    weights::sha256_hex,
};

/// What goes into which shard. The same files give the same plan wherever it is made, so each of its shards
/// may be made on another machine.
#[derive(Debug)]
pub struct SharedPlan {
    models: String,
    bundle: String,
    chunks: usize,
    hashes: Vec<TextHash>,
    texts: Vec<String>,
    per_shard: usize,
}

impl SharedPlan {
    /// Plans shards of so many texts for the files of an index that has no vectors yet, in the order of
    /// their paths.
    pub fn new(bundle: &BundleManifest, index: &Index, per_shard: usize) -> Self {
        let mut paths: Vec<&str> = index.paths().collect();
        paths.sort_unstable();
        let mut seen = HashSet::new();
        let (hashes, texts) = paths
            .iter()
            .flat_map(|path| index.pending_parts_of(path))
            .filter(|(hash, _)| seen.insert(*hash))
            .map(|(hash, text)| (hash, text.into_owned()))
            .unzip();
        Self {
            models: model_key(bundle),
            bundle: format!("{} {}", bundle.name, bundle.version).trim_end().to_owned(),
            chunks: index.stats().chunks,
            hashes,
            texts,
            per_shard: per_shard.max(1),
        }
    }

    /// Texts altogether.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.texts.len().div_ceil(self.per_shard)
    }

    /// A shard's file.
    pub fn file(shard: usize) -> String {
        format!("{shard:05}.shard")
    }

    fn range(&self, shard: usize) -> std::ops::Range<usize> {
        let start = shard * self.per_shard;
        start..(start + self.per_shard).min(self.texts.len())
    }

    /// Whether these bytes are a shard, whole: of these models, with all its texts.
    pub fn is_whole(&self, shard: usize, bytes: &[u8]) -> bool {
        let decodes =
            |text: &TextHash, body: &[u8]| super::super::decode(&self.models, *text, body).is_some();
        read_shard(bytes).is_some_and(|places| {
            let hashes = &self.hashes[self.range(shard)];
            let found = |text: &TextHash| {
                places.get(text.bytes()).is_some_and(|at| decodes(text, &bytes[at.clone()]))
            };
            hashes.len() == places.len() && hashes.iter().all(found)
        })
    }

    /// Embeds a shard's texts, `batch` at once, and gives its bytes. `tell` hears how many are done.
    ///
    /// # Errors
    /// Those of embedding.
    pub async fn make(
        &self,
        shard: usize,
        embedder: &impl Embed,
        batch: usize,
        mut tell: impl FnMut(usize),
    ) -> Result<Vec<u8>> {
        let range = self.range(shard);
        let mut vectors = Vec::with_capacity(range.len());
        let texts = self.texts[range.clone()].chunks(batch.max(1));
        for (hashes, texts) in self.hashes[range].chunks(batch.max(1)).zip(texts) {
            vectors.extend(hashes.iter().copied().zip(embedder.embed(texts).await?));
            tell(vectors.len());
        }
        write_shard(&self.models, &vectors)
    }

    /// The directory's file and bytes.
    pub fn directory(&self) -> (&'static str, Vec<u8>) {
        (DIRECTORY, write_directory(self.hashes.chunks(self.per_shard)))
    }

    /// The manifest, given each shard's length and digest.
    pub fn manifest(&self, shards: impl IntoIterator<Item = (u64, String)>) -> SharedManifest {
        let (file, bytes) = self.directory();
        let texts = SharedFile { file: file.into(), bytes: bytes.len() as u64, sha256: sha256_hex(&bytes) };
        let shard = |(number, (bytes, sha256))| SharedFile { file: Self::file(number), bytes, sha256 };
        SharedManifest {
            format: FORMAT,
            models: self.models.clone(),
            bundle: self.bundle.clone(),
            chunks: self.chunks,
            texts,
            shards: shards.into_iter().enumerate().map(shard).collect(),
        }
    }
}
