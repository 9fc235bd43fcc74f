//! What is asked of the index, and what it answers.

use llavacode_api::completion::{ChunkSpan, Ranker, Ranks};

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

/// Lines that [`Query::same_file`] keeps away from the cursor by default: more than the local
/// part of a prompt usually holds, so that what is retrieved is new to the reader.
pub const SAME_FILE_DISTANCE: usize = 60;

/// A question to the index: which chunks could help at this cursor?
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Query<'a> {
    /// The open file's path.
    pub path: &'a str,
    /// Everything before the cursor. Its last lines, as many as a chunk has, are the query.
    pub prefix: &'a str,
    /// `None` leaves every chunk of the open file out, as the paper does. `Some(n)` lets those in
    /// that have more than `n` lines between them and the cursor's line; never one that
    /// contains it.
    pub same_file: Option<usize>,
    /// Chunks that must not be an answer, nor others of the same text: the next best take their places.
    pub leave_out: &'a [ChunkSpan],
    /// Most chunks wanted.
    pub top_k: usize,
    /// How to rank.
    pub ranker: Ranker,
    /// The query's embedding, of length 1, for a ranker that compares embeddings; without it such a
    /// ranking is empty.
    pub embedding: Option<&'a [f32]>,
    /// Its products with the index's embeddings as it is now, where a device has computed them
    /// ([`OnDevice`](super::OnDevice)); else the processor does.
    pub products: Option<&'a [f32]>,
}

/// A chunk that retrieval chose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrievedHit {
    /// The chunk.
    pub id: ChunkId,
    /// The ranker's score, higher is better.
    pub score: f32,
    /// Its place in the rankings that were made.
    pub ranks: Ranks,
}
