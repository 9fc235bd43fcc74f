//! What is asked of the index, and what it answers.

/// Names a chunk for as long as it stands in the index. Afterwards it names nothing: never
/// another chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId {
    slot: u32,
    generation: u32,
}

impl ChunkId {
    /// The chunk in a slot of the store; `generation` counts the slot's tenants.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    pub(super) const fn slot(self) -> u32 {
        self.slot
    }

    pub(super) const fn generation(self) -> u32 {
        self.generation
    }
}

/// How chunks are ranked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ranker<'a> {
    /// By the Jaccard similarity of word sets: the paper's, and better there than BM25 and
    /// UniXcoder.
    Jaccard,
    /// By the dot product with the query's embedding, L2-normalised.
    Dense(&'a [f32]),
    /// By both, fused by their ranks.
    Hybrid(&'a [f32]),
}

/// Lines that [`Query::same_file`] keeps away from the cursor by default: more than the local
/// part of a prompt usually holds, so that what is retrieved is new to the reader.
pub const SAME_FILE_DISTANCE: usize = 60;

/// A question to the index: which chunks could help at this cursor?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Query<'a> {
    /// The open file's path.
    pub path: &'a str,
    /// Everything before the cursor. Its last lines, as many as a chunk has, are the query.
    pub prefix: &'a str,
    /// `None` leaves every chunk of the open file out, as the paper does. `Some(n)` lets those in
    /// that have more than `n` lines between them and the cursor's line; never one that
    /// contains it.
    pub same_file: Option<usize>,
    /// Most chunks wanted.
    pub top_k: usize,
    /// How to rank.
    pub ranker: Ranker<'a>,
}

/// A chunk that retrieval chose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrievedHit {
    /// The chunk.
    pub id: ChunkId,
    /// The ranker's score, higher is better: Jaccard similarity in 0..=1, cosine in -1..=1, or
    /// the fused reciprocal ranks.
    pub score: f32,
}
