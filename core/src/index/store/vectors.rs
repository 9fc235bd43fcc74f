//! Vectors by the hash of the text they were made from, counted by the chunks that use them.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;

use super::super::ChunkHash;

/// How many texts nobody uses keep their vectors: an undo or a renamed file finds them again.
const KEPT_UNUSED: usize = 512;

/// A text's vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// Its embedding, of length 1.
    pub embedding: Box<[f32]>,
    /// Its projections into the reader's input space, side by side: for each projector, a vector of the
    /// reader's hidden size a soft token.
    pub projections: Box<[f32]>,
}

#[derive(Debug, Clone)]
struct Entry {
    users: usize,
    vectors: Option<Vectors>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct VectorTable {
    entries: HashMap<ChunkHash, Entry>,
    /// Entries without users; each of them has vectors.
    unused: usize,
    /// Entries without vectors; each of them has users.
    pending: usize,
}

impl VectorTable {
    /// One more chunk has this text.
    pub(super) fn acquire(&mut self, hash: ChunkHash) {
        match self.entries.entry(hash) {
            MapEntry::Occupied(mut entry) => {
                self.unused -= usize::from(entry.get().users == 0);
                entry.get_mut().users += 1;
            }
            MapEntry::Vacant(place) => {
                place.insert(Entry { users: 1, vectors: None });
                self.pending += 1;
            }
        }
    }

    /// One chunk less has this text.
    pub(super) fn release(&mut self, hash: ChunkHash) {
        let Some(entry) = self.entries.get_mut(&hash) else { return };
        entry.users = entry.users.saturating_sub(1);
        if entry.users > 0 {
            return;
        }
        if entry.vectors.is_none() {
            self.entries.remove(&hash);
            self.pending -= 1;
            return;
        }
        self.unused += 1;
        if self.unused > KEPT_UNUSED {
            self.drop_unused();
        }
    }

    pub(super) fn drop_unused(&mut self) {
        self.entries.retain(|_, entry| entry.users > 0);
        self.unused = 0;
    }

    pub(super) fn get(&self, hash: ChunkHash) -> Option<&Vectors> {
        self.entries.get(&hash)?.vectors.as_ref()
    }

    /// False if no chunk has this text.
    pub(super) fn set(&mut self, hash: ChunkHash, vectors: Vectors) -> bool {
        let Some(entry) = self.entries.get_mut(&hash).filter(|entry| entry.users > 0) else { return false };
        self.pending -= usize::from(entry.vectors.is_none());
        entry.vectors = Some(vectors);
        true
    }

    /// Texts in use that have no vectors.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// Whether this text is in use and has no vectors.
    pub(super) fn is_pending(&self, hash: ChunkHash) -> bool {
        self.entries.get(&hash).is_some_and(|entry| entry.vectors.is_none())
    }

    /// Texts in use, and bytes of all vectors held.
    pub(super) fn stats(&self) -> (usize, usize) {
        let used = self.entries.len() - self.unused;
        let vectors = self.entries.values().filter_map(|entry| entry.vectors.as_ref());
        let numbers: usize = vectors.map(|v| v.embedding.len() + v.projections.len()).sum();
        (used, numbers * size_of::<f32>())
    }
}
