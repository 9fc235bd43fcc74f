//! Vectors that were made elsewhere: a team's index, built once and read by every workspace.
//!
//! It holds vectors by the hash of the text they were made from, as a [`VectorCache`](super::VectorCache)
//! does, and no source text: who has the files reads their vectors in the place of making them. It lies in
//! a folder of shards, beside a manifest and a directory ([`format`]), on any static server. A shard is
//! read when a text of it is wanted. What is damaged, or not in it, is made here.

mod build;
mod format;

use std::{collections::VecDeque, fmt, future::Future, pin::Pin};

pub use build::SharedPlan;
pub use format::{SHARED_MANIFEST, SharedFile, SharedManifest};

use super::decode;
use crate::{
    Error, Result,
    index::{TextHash, Vectors},
    weights::sha256_hex,
};

/// The longest manifest, directory and shard that are read.
const MOST_MANIFEST: u64 = 16 << 20;
const MOST_DIRECTORY: u64 = 64 << 20;
const MOST_SHARD: u64 = 64 << 20;
/// Bytes of shards that are held; those that were asked last stay.
const MOST_HELD: usize = 64 << 20;

/// Where the files of a shared index are.
pub trait SharedSource {
    /// A file, of at most so many bytes.
    ///
    /// # Errors
    /// [`Error::SharedIndex`] with a sentence if it cannot be read or is longer.
    fn read<'a>(&'a self, file: &'a str, most: u64) -> Reading<'a>;
}

/// A file that is being read.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + 'a>>;

/// A shared index that is in use.
pub struct SharedIndex {
    source: Box<dyn SharedSource>,
    manifest: SharedManifest,
    /// Beginnings of texts' hashes and the shards they are in, sorted.
    directory: Vec<(u32, u32)>,
    widths: Vec<usize>,
    /// The newest last.
    held: VecDeque<Held>,
    read: usize,
    given: usize,
}

/// A shard in memory.
struct Held {
    shard: u32,
    bytes: Vec<u8>,
    places: std::collections::HashMap<[u8; 16], std::ops::Range<usize>>,
}

impl fmt::Debug for SharedIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SharedIndex").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

impl SharedIndex {
    /// Opens one whose vectors the models named by `models` made. A text's vectors are as wide as `widths`
    /// says, the embedding's first; those of other widths are none.
    ///
    /// # Errors
    /// [`Error::SharedIndex`] if it cannot be read, is damaged, or is of other models or another version.
    pub async fn open(source: Box<dyn SharedSource>, models: &str, widths: Vec<usize>) -> Result<Self> {
        let json = source.read(SHARED_MANIFEST, MOST_MANIFEST).await?;
        let manifest: SharedManifest = serde_json::from_slice(&json)
            .map_err(|error| refused(format!("{SHARED_MANIFEST} describes none ({error})")))?;
        if manifest.format != format::FORMAT {
            let (theirs, ours) = (manifest.format, format::FORMAT);
            return Err(refused(format!(
                "it is of version {theirs}, and this program reads {ours}: build it anew"
            )));
        }
        if manifest.models != models {
            let bundle = &manifest.bundle;
            return Err(refused(format!(
                "its vectors were made by {bundle}, by other models than are in use: choose that model, or build \
                 the index anew with this one"
            )));
        }
        let mut files = std::iter::once(&manifest.texts).chain(&manifest.shards);
        if let Some(file) = files.find(|file| !is_plain(&file.file) || file.bytes > MOST_SHARD) {
            return Err(refused(format!("it names a file that it may not have, {:?}", file.file)));
        }
        let bytes = read(&*source, &manifest.texts, MOST_DIRECTORY).await?;
        let directory = format::read_directory(&bytes, manifest.shards.len())
            .ok_or_else(|| refused(format!("{} is no directory of its shards", manifest.texts.file)))?;
        Ok(Self { source, manifest, directory, widths, held: VecDeque::new(), read: 0, given: 0 })
    }

    /// What it is.
    pub fn manifest(&self) -> &SharedManifest {
        &self.manifest
    }

    /// How many shards were read.
    pub fn shards_read(&self) -> usize {
        self.read
    }

    /// How many texts' vectors it gave.
    pub fn given(&self) -> usize {
        self.given
    }

    /// The vectors of these texts, in their order; `None` for each it does not have, or has damaged.
    ///
    /// # Errors
    /// [`Error::SharedIndex`] if a shard cannot be read.
    pub async fn get_many(&mut self, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>> {
        let mut found = vec![None; texts.len()];
        // By shard, so that each is at hand once.
        let mut wanted: Vec<(u32, usize)> = (0..)
            .zip(texts)
            .flat_map(|(number, text)| self.shards_of(text).map(move |shard| (shard, number)))
            .collect();
        wanted.sort_unstable();
        for of_shard in wanted.chunk_by(|a, b| a.0 == b.0) {
            let (models, widths) = (self.manifest.models.clone(), self.widths.clone());
            let held = self.hold(of_shard[0].0).await?;
            let mut given = 0;
            for &(_, number) in of_shard {
                let text = texts[number];
                let Some(place) = held.places.get(text.bytes()) else { continue };
                let decoded = decode(&models, text, &held.bytes[place.clone()]);
                if let Some(vectors) = decoded.filter(|vectors| vectors.widths().eq(widths.iter().copied())) {
                    given += 1;
                    found[number] = Some(vectors);
                }
            }
            self.given += given;
        }
        Ok(found)
    }

    /// The shards that may have a text: hardly ever more than one.
    fn shards_of(&self, text: &TextHash) -> impl Iterator<Item = u32> {
        let prefix = format::prefix(text);
        let first = self.directory.partition_point(|&(known, _)| known < prefix);
        self.directory[first..]
            .iter()
            .take_while(move |&&(known, _)| known == prefix)
            .map(|&(_, shard)| shard)
    }

    /// A shard, read if it is not held.
    async fn hold(&mut self, shard: u32) -> Result<&Held> {
        let held = match self.held.iter().position(|held| held.shard == shard) {
            Some(at) => self.held.remove(at),
            None => None,
        };
        let held = match held {
            Some(held) => held,
            None => {
                let file = &self.manifest.shards[shard as usize];
                let bytes = read(&*self.source, file, MOST_SHARD).await?;
                let places = format::read_shard(&bytes)
                    .ok_or_else(|| refused(format!("{} is no shard", file.file)))?;
                self.read += 1;
                let room = MOST_HELD.saturating_sub(bytes.len());
                while self.held.iter().map(|held| held.bytes.len()).sum::<usize>() > room {
                    self.held.pop_front();
                }
                Held { shard, bytes, places }
            }
        };
        self.held.push_back(held);
        // It was put there just now.
        Ok(&self.held[self.held.len() - 1])
    }
}

/// A file of the index, if it is what the manifest says.
async fn read(source: &dyn SharedSource, file: &SharedFile, most: u64) -> Result<Vec<u8>> {
    let bytes = source.read(&file.file, most.min(file.bytes)).await?;
    if bytes.len() as u64 != file.bytes || sha256_hex(&bytes) != file.sha256 {
        return Err(refused(format!(
            "{} is not what its manifest says: copy it again, or build it anew",
            file.file
        )));
    }
    Ok(bytes)
}

/// Whether a name stays in the index's folder.
fn is_plain(file: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !file.is_empty() && !file.starts_with('.') && file.chars().all(plain)
}

fn refused(reason: String) -> Error {
    Error::SharedIndex { reason }
}

/// A shared index in a folder.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone)]
pub struct SharedFolder {
    /// Where its files are.
    pub folder: std::path::PathBuf,
}

#[cfg(not(target_family = "wasm"))]
impl SharedSource for SharedFolder {
    fn read<'a>(&'a self, file: &'a str, most: u64) -> Reading<'a> {
        Box::pin(async move {
            use std::io::Read;

            let path = self.folder.join(file);
            let mut bytes = Vec::new();
            let read =
                std::fs::File::open(&path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
            match read {
                Ok(_) if bytes.len() as u64 > most => Err(refused(format!("{} is too long", path.display()))),
                Ok(_) => Ok(bytes),
                Err(error) => Err(refused(format!("{} cannot be read ({error})", path.display()))),
            }
        })
    }
}
