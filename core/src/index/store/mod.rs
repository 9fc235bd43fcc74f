//! The index: every chunk of the workspace with its vectors.
//!
//! Vectors belong to the *text* of a part of a chunk, by its hash: a part that is found again elsewhere,
//! in the chunk that overlaps this one, after an edit above it or under another name, has them already
//! and is not embedded anew.

mod parts;
mod retrieve;

use self::parts::{PartId, PartTable};
use super::dense::dot;
use super::lexical::LexicalIndex;
use super::vectors::Vectors;
use super::{Chunk, ChunkId, TextHash, chunker};
use crate::config::ChunkingConfig;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;

/// The kind of vector that embeddings are; projections come behind them.
const EMBEDDING: usize = 0;

/// The chunks of a workspace, their vectors, and what ranks them.
///
/// ```
/// use llavacode_core::config::ChunkingConfig;
/// use llavacode_core::index::{Index, Query, Ranker, TextHash, Vectors};
///
/// let mut index = Index::new(ChunkingConfig { lines: 10, stride: 5 });
/// index.update_file("shapes.py", "class Circle:\n    def area(self): ...\n");
/// let parts: Vec<TextHash> = index.pending_parts_of("shapes.py").map(|(hash, _text)| hash).collect();
/// for part in parts {
///     // From encoder and projector.
///     index.set_vectors(part, &Vectors::new(&[1.0], [&[0.5, 0.5][..]]));
/// }
/// let query = Query {
///     path: "main.py",
///     prefix: "c = Circle(2)\nprint(c.",
///     same_file: None,
///     leave_out: &[],
///     top_k: 10,
///     ranker: Ranker::Jaccard,
///     ..Query::default()
/// };
/// let hits = index.retrieve(&query);
/// assert_eq!(index.chunk(hits[0].id).map(|chunk| chunk.span.path.as_str()), Some("shapes.py"));
/// assert_eq!(index.projections(hits[0].id, 0), Some(vec![0.5, 0.5]));
/// ```
#[derive(Debug, Clone)]
pub struct Index {
    chunking: ChunkingConfig,
    /// Parts that a chunk is embedded in.
    part_count: NonZeroUsize,
    /// The slots of each file's chunks, in the order of their lines.
    files: BTreeMap<String, Vec<u32>>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    parts: PartTable,
    /// Chunks with a part that has no vectors.
    pending_chunks: usize,
    lexical: LexicalIndex,
}

/// A place for a chunk; used anew when its chunk goes.
#[derive(Debug, Clone, Default)]
struct Slot {
    generation: u32,
    chunk: Option<Chunk>,
    /// The chunk's parts, in the order of their lines.
    parts: Box<[PartId]>,
    /// How many of them have no vectors.
    missing: u32,
    /// The length of the sum of their embeddings, once none is missing.
    length: f32,
}

/// What an update changed, in chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpdateStats {
    /// Chunks whose text the file had before.
    pub kept: usize,
    /// Chunks that are new in this file.
    pub added: usize,
    /// Those among the new of which every part has vectors already, from another file or an earlier
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
    /// Chunks with a part that has no vectors.
    pub pending_chunks: usize,
    /// Different texts among the chunks' parts.
    pub parts: usize,
    /// Those without vectors.
    pub pending_parts: usize,
    /// Bytes of the vectors in memory.
    pub vector_bytes: usize,
}

impl Index {
    /// An empty index, of chunks that are embedded as a whole.
    pub fn new(chunking: ChunkingConfig) -> Self {
        Self::in_parts(chunking, NonZeroUsize::MIN)
    }

    /// An empty index, of chunks that are embedded in so many parts ([`chunker::parts`]).
    pub fn in_parts(chunking: ChunkingConfig, part_count: NonZeroUsize) -> Self {
        Self {
            chunking,
            part_count,
            files: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            parts: PartTable::default(),
            pending_chunks: 0,
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
        let mut before: HashMap<TextHash, Vec<u32>> = HashMap::new();
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
                old.span = chunk.span;
                slots.push(slot);
                stats.kept += 1;
            } else {
                let slot = self.insert(chunk);
                stats.added += 1;
                stats.reused += usize::from(self.slots[slot as usize].missing == 0);
                slots.push(slot);
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
        self.parts.drop_unused();
    }

    /// The parts of a file's chunks that have no vectors yet, in the order of its lines; a part that
    /// several chunks share comes several times.
    pub fn pending_parts_of(&self, path: &str) -> impl Iterator<Item = (TextHash, Cow<'_, str>)> {
        let slots = self.files.get(path).into_iter().flatten();
        slots.flat_map(|&slot| self.pending_parts_in(&self.slots[slot as usize]))
    }

    /// The parts of a chunk that have no vectors yet.
    pub fn pending_parts_of_chunk(&self, id: ChunkId) -> impl Iterator<Item = (TextHash, Cow<'_, str>)> {
        self.slot(id).into_iter().flat_map(|slot| self.pending_parts_in(slot))
    }

    fn pending_parts_in<'a>(&'a self, slot: &'a Slot) -> impl Iterator<Item = (TextHash, Cow<'a, str>)> {
        let chunk = slot.chunk.as_ref().filter(|_| slot.missing > 0);
        let texts = chunk.into_iter().flat_map(|chunk| chunker::parts(&chunk.text, self.part_count.get()));
        let parts = slot.parts.iter().zip(texts);
        let pending = parts.filter(|&(&part, _)| !self.parts.is_embedded(part));
        pending.map(|(&part, text)| (self.parts.hash(part), text))
    }

    /// Texts that have no vectors yet, of all parts.
    pub fn pending(&self) -> usize {
        self.parts.pending()
    }

    /// Whether some chunk has this text as a part and it has no vectors yet.
    pub fn is_pending(&self, part: TextHash) -> bool {
        self.parts.is_pending(part)
    }

    /// Whether a part of this chunk has no vectors yet.
    pub fn is_chunk_pending(&self, id: ChunkId) -> bool {
        self.slot(id).is_some_and(|slot| slot.missing > 0)
    }

    /// Keeps the vectors of a part. False, and nothing is kept, if no chunk has this text any longer, as
    /// when its file changed while it was embedded; or if they are not as wide as the others.
    pub fn set_vectors(&mut self, part: TextHash, vectors: &Vectors) -> bool {
        let Some(waiting) = self.parts.set(part, vectors) else { return false };
        for slot in waiting {
            self.slots[slot as usize].missing -= 1;
            self.complete(slot);
        }
        true
    }

    /// What is to be done once a chunk's last part has its vectors.
    fn complete(&mut self, slot: u32) {
        if self.slots[slot as usize].missing > 0 {
            return;
        }
        self.pending_chunks -= 1;
        let sum = self.sum_of_embeddings(&self.slots[slot as usize]);
        self.slots[slot as usize].length = dot(&sum, &sum).sqrt();
    }

    fn sum_of_embeddings(&self, slot: &Slot) -> Vec<f32> {
        let Some(embeddings) = self.embeddings() else { return Vec::new() };
        let mut sum = vec![0.0; embeddings.width()];
        for &part in &slot.parts {
            sum.iter_mut().zip(embeddings.numbers(part as usize)).for_each(|(sum, number)| *sum += number);
        }
        sum
    }

    /// The vectors of a part, if it has any.
    pub fn vectors(&self, part: TextHash) -> Option<Vectors> {
        self.parts.vectors(part)
    }

    /// A chunk, as long as it is there.
    pub fn chunk(&self, id: ChunkId) -> Option<&Chunk> {
        self.slot(id)?.chunk.as_ref()
    }

    fn slot(&self, id: ChunkId) -> Option<&Slot> {
        let slot = self.slots.get(id.slot() as usize)?;
        (slot.chunk.is_some() && slot.generation == id.generation()).then_some(slot)
    }

    /// A chunk's embedding, if it has one: the mean of its parts', of length 1.
    pub fn embedding(&self, id: ChunkId) -> Option<Vec<f32>> {
        let slot = self.slot(id).filter(|slot| slot.missing == 0)?;
        let mut embedding = self.sum_of_embeddings(slot);
        embedding.iter_mut().for_each(|number| *number /= slot.length.max(f32::MIN_POSITIVE));
        Some(embedding)
    }

    /// What stands for a chunk in a prompt, if it is embedded: its parts' projections by the projector of
    /// this number, side by side.
    pub fn projections(&self, id: ChunkId, projector: usize) -> Option<Vec<f32>> {
        let slot = self.slot(id).filter(|slot| slot.missing == 0)?;
        let projections = self.parts.rows(EMBEDDING + 1 + projector)?;
        Some(slot.parts.iter().flat_map(|&part| projections.numbers(part as usize)).collect())
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
        IndexStats {
            files: self.files.len(),
            chunks: self.slots.len() - self.free.len(),
            pending_chunks: self.pending_chunks,
            parts: self.parts.used(),
            pending_parts: self.parts.pending(),
            vector_bytes: self.parts.vector_bytes(),
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
        let texts = chunker::parts(&chunk.text, self.part_count.get());
        let parts: Box<[PartId]> = texts.map(|text| self.parts.acquire(TextHash::of(&text), slot)).collect();
        let missing = parts.iter().filter(|&&part| !self.parts.is_embedded(part)).count() as u32;
        let place = &mut self.slots[slot as usize];
        (place.chunk, place.parts, place.missing) = (Some(chunk), parts, missing);
        self.pending_chunks += 1;
        self.complete(slot);
        slot
    }

    fn remove(&mut self, slot: u32) {
        let place = &mut self.slots[slot as usize];
        let Some(chunk) = place.chunk.take() else { return };
        place.generation = place.generation.wrapping_add(1);
        self.pending_chunks -= usize::from(place.missing > 0);
        for part in std::mem::take(&mut place.parts) {
            self.parts.release(part, slot);
        }
        self.lexical.remove(slot, &chunk.text);
        self.free.push(slot);
    }
}
