//! Vectors by the hash of the text they were made from, counted by the chunks that use them.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;

use super::super::ChunkHash;

/// How many texts nobody uses keep their vectors: an undo or a renamed file finds them again.
const KEPT_UNUSED: usize = 512;

/// A text's vectors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vectors {
    pub(super) embedding: Box<[f32]>,
    pub(super) projections: Box<[f32]>,
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
        let entry = self.entries.get_mut(&hash).filter(|entry| entry.users > 0);
        entry.map(|entry| entry.vectors = Some(vectors)).is_some()
    }

    /// Texts in use, those among them without vectors, and bytes of all vectors held.
    pub(super) fn stats(&self) -> (usize, usize, usize) {
        let used = || self.entries.values().filter(|entry| entry.users > 0);
        let pending = used().filter(|entry| entry.vectors.is_none()).count();
        let vectors = self.entries.values().filter_map(|entry| entry.vectors.as_ref());
        let numbers: usize = vectors.map(|v| v.embedding.len() + v.projections.len()).sum();
        (used().count(), pending, numbers * size_of::<f32>())
    }
}
