//! The index: every chunk of the workspace with its vectors.
//!
//! Vectors belong to a chunk's *text*, by its hash: a chunk that is found again elsewhere, after
//! an edit above it or under another name, keeps them and is not embedded anew.

mod retrieve;
mod vectors;

use self::vectors::VectorTable;
pub use self::vectors::Vectors;
use super::lexical::LexicalIndex;
use super::{Chunk, ChunkHash, ChunkId, chunker};
use crate::config::ChunkingConfig;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The chunks of a workspace, their vectors, and what ranks them.
///
/// ```
/// use llavacode_core::config::ChunkingConfig;
/// use llavacode_core::index::{ChunkHash, Index, Query, Ranker, Vectors};
///
/// let mut index = Index::new(ChunkingConfig { lines: 10, stride: 5 });
/// index.update_file("shapes.py", "class Circle:\n    def area(self): ...\n");
/// let texts: Vec<ChunkHash> = index.chunks_of("shapes.py").map(|chunk| chunk.hash).collect();
/// for text in texts {
///     // From encoder and projector.
///     index.set_vectors(text, Vectors { embedding: [1.0].into(), projections: [0.5, 0.5].into() });
/// }
/// let query = Query {
///     path: "main.py",
///     prefix: "c = Circle(2)\nprint(c.",
///     same_file: None,
///     top_k: 10,
///     ranker: Ranker::Jaccard,
/// };
/// let hits = index.retrieve(&query);
/// assert_eq!(index.chunk(hits[0].id).map(|chunk| chunk.place.path.as_str()), Some("shapes.py"));
/// assert_eq!(index.projections(hits[0].id), Some(&[0.5, 0.5][..]));
/// ```
#[derive(Debug, Clone)]
pub struct Index {
    chunking: ChunkingConfig,
    /// The slots of each file's chunks, in the order of their lines.
    files: BTreeMap<String, Vec<u32>>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    vectors: VectorTable,
    lexical: LexicalIndex,
}

/// A place for a chunk; used anew when its chunk goes.
#[derive(Debug, Clone, Default)]
struct Slot {
    generation: u32,
    chunk: Option<Chunk>,
}

/// What an update changed, in chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpdateStats {
    /// Chunks whose text the file had before.
    pub kept: usize,
    /// Chunks that are new in this file.
    pub added: usize,
    /// Those among the new whose text has vectors already, from another file or an earlier
    /// state of this one.
    pub reused: usize,
    /// Chunks that are no longer there.
    pub removed: usize,
}

/// What the index holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Files.
    pub files: usize,
    /// Chunks.
    pub chunks: usize,
    /// Different texts among them.
    pub texts: usize,
    /// Texts without vectors.
    pub pending: usize,
    /// Bytes of the vectors in memory.
    pub vector_bytes: usize,
}

impl Index {
    /// An empty index.
    pub fn new(chunking: ChunkingConfig) -> Self {
        Self {
            chunking,
            files: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            vectors: VectorTable::default(),
            lexical: LexicalIndex::default(),
        }
    }

    /// Brings a file to this text. Chunks whose text it had before keep their id and vectors,
    /// wherever they moved.
    pub fn update_file(&mut self, path: &str, text: &str) -> UpdateStats {
        self.replace_chunks(path, chunker::chunk(path, text, self.chunking))
    }

    fn replace_chunks(&mut self, path: &str, chunks: Vec<Chunk>) -> UpdateStats {
        let mut stats = UpdateStats::default();
        let mut before: HashMap<ChunkHash, Vec<u32>> = HashMap::new();
        // From the end, so that the first of several equal chunks is taken up first.
        for slot in self.files.remove(path).unwrap_or_default().into_iter().rev() {
            if let Some(chunk) = self.chunk_at(slot) {
                before.entry(chunk.hash).or_default().push(slot);
            }
        }

        let mut slots = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let found = before.get_mut(&chunk.hash).and_then(Vec::pop);
            let kept =
                found.and_then(|slot| Some((slot, self.slots.get_mut(slot as usize)?.chunk.as_mut()?)));
            if let Some((slot, old)) = kept {
                old.place = chunk.place;
                slots.push(slot);
                stats.kept += 1;
            } else {
                stats.added += 1;
                stats.reused += usize::from(self.vectors.get(chunk.hash).is_some());
                slots.push(self.insert(chunk));
            }
        }
        // Only now, so that vectors which move between chunks are in use all the time.
        for slot in before.into_values().flatten() {
            self.remove(slot);
            stats.removed += 1;
        }
        self.files.insert(path.into(), slots);
        stats
    }

    /// Takes a file out. False if it was not there.
    pub fn remove_file(&mut self, path: &str) -> bool {
        let Some(slots) = self.files.remove(path) else { return false };
        slots.into_iter().for_each(|slot| self.remove(slot));
        true
    }

    /// Takes every file out that is not among `paths`, and drops the vectors nobody uses. To
    /// follow a workspace, update its files first: a renamed file then keeps its vectors.
    pub fn retain<'a>(&mut self, paths: impl IntoIterator<Item = &'a str>) {
        let keep: BTreeSet<&str> = paths.into_iter().collect();
        let gone: Vec<String> =
            self.files.keys().filter(|path| !keep.contains(path.as_str())).cloned().collect();
        for path in gone {
            self.remove_file(&path);
        }
        self.vectors.drop_unused();
    }

    /// Texts that have no vectors yet.
    pub fn pending(&self) -> usize {
        self.vectors.pending()
    }

    /// Whether some chunk has this text and it has no vectors yet.
    pub fn is_pending(&self, text: ChunkHash) -> bool {
        self.vectors.is_pending(text)
    }

    /// Keeps the vectors of a text. False, and nothing is kept, if no chunk has this text any longer:
    /// its file changed while it was encoded.
    pub fn set_vectors(&mut self, text: ChunkHash, vectors: Vectors) -> bool {
        self.vectors.set(text, vectors)
    }

    /// The vectors of a text, if it has any.
    pub fn vectors(&self, text: ChunkHash) -> Option<&Vectors> {
        self.vectors.get(text)
    }

    /// A chunk, as long as it is there.
    pub fn chunk(&self, id: ChunkId) -> Option<&Chunk> {
        let slot = self.slots.get(id.slot() as usize)?;
        slot.chunk.as_ref().filter(|_| slot.generation == id.generation())
    }

    /// A chunk's embedding, if it has been encoded.
    pub fn embedding(&self, id: ChunkId) -> Option<&[f32]> {
        Some(&self.vectors.get(self.chunk(id)?.hash)?.embedding)
    }

    /// A chunk's projections side by side, if it has been encoded: what stands for it in prompts.
    pub fn projections(&self, id: ChunkId) -> Option<&[f32]> {
        Some(&self.vectors.get(self.chunk(id)?.hash)?.projections)
    }

    /// Every chunk, in the order of paths and lines.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.files.values().flatten().filter_map(|&slot| self.chunk_at(slot))
    }

    /// The chunks of a file, in the order of its lines; none if it is not there.
    pub fn chunks_of(&self, path: &str) -> impl Iterator<Item = &Chunk> {
        self.files.get(path).into_iter().flatten().filter_map(|&slot| self.chunk_at(slot))
    }

    /// The paths of the files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// How files are cut.
    pub fn chunking(&self) -> ChunkingConfig {
        self.chunking
    }

    /// What the index holds.
    pub fn stats(&self) -> IndexStats {
        let (texts, vector_bytes) = self.vectors.stats();
        let pending = self.vectors.pending();
        IndexStats {
            files: self.files.len(),
            chunks: self.slots.len() - self.free.len(),
            texts,
            pending,
            vector_bytes,
        }
    }

    fn chunk_at(&self, slot: u32) -> Option<&Chunk> {
        self.slots.get(slot as usize)?.chunk.as_ref()
    }

    fn insert(&mut self, chunk: Chunk) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        self.lexical.insert(slot, &chunk.text);
        self.vectors.acquire(chunk.hash);
        self.slots[slot as usize].chunk = Some(chunk);
        slot
    }

    fn remove(&mut self, slot: u32) {
        let Some(chunk) = self.slots.get_mut(slot as usize).and_then(|slot| {
            slot.generation = slot.generation.wrapping_add(1);
            slot.chunk.take()
        }) else {
            return;
        };
        self.lexical.remove(slot, &chunk.text);
        self.vectors.release(chunk.hash);
        self.free.push(slot);
    }
}
