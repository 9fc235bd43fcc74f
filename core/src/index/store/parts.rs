//! Parts of chunks by the hash of their text, counted by the chunks that have them, with their vectors.
//!
//! Chunks that overlap share parts, and so do files that share lines: each text is embedded once and its
//! vectors are held once.

use rustc_hash::FxHashMap;

use super::super::{
    TextHash,
    vectors::{Rows, Vectors},
};

/// How many texts nobody uses keep their vectors: an undo or a renamed file finds them again.
const KEPT_UNUSED: usize = 4096;

/// A part's number in the table, as long as a chunk has it.
pub(super) type PartId = u32;

#[derive(Debug, Clone)]
struct Part {
    hash: TextHash,
    /// The chunks that have it, a chunk once for each time.
    users: u32,
    embedded: bool,
    /// The slots of the chunks that wait for its vectors, a chunk once for each time.
    waiting: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct PartTable {
    ids: FxHashMap<TextHash, PartId>,
    parts: Vec<Part>,
    /// Numbers of parts that went.
    free: Vec<PartId>,
    /// The embeddings, then the projections by each projector; by a part's number.
    rows: Vec<Rows>,
    /// Parts that no chunk has; each of them is embedded.
    unused: usize,
    /// Parts without vectors; each of them is in use.
    pending: usize,
}

impl PartTable {
    /// The chunk in a slot has this text as a part. Gives the part's number.
    pub(super) fn acquire(&mut self, hash: TextHash, slot: u32) -> PartId {
        let id = match self.ids.get(&hash) {
            Some(&id) => id,
            None => self.add(hash),
        };
        let part = &mut self.parts[id as usize];
        self.unused -= usize::from(part.users == 0 && part.embedded);
        part.users += 1;
        if !part.embedded {
            part.waiting.push(slot);
        }
        id
    }

    fn add(&mut self, hash: TextHash) -> PartId {
        let part = Part { hash, users: 0, embedded: false, waiting: Vec::new() };
        let id = match self.free.pop() {
            Some(id) => {
                self.parts[id as usize] = part;
                id
            }
            None => {
                self.parts.push(part);
                (self.parts.len() - 1) as PartId
            }
        };
        self.ids.insert(hash, id);
        self.pending += 1;
        id
    }

    /// The chunk in a slot has it no longer.
    pub(super) fn release(&mut self, id: PartId, slot: u32) {
        let part = &mut self.parts[id as usize];
        part.users -= 1;
        if let Some(place) = part.waiting.iter().position(|&waiting| waiting == slot) {
            part.waiting.swap_remove(place);
        }
        if part.users > 0 {
            return;
        }
        if !part.embedded {
            self.pending -= 1;
            self.forget(id);
            return;
        }
        self.unused += 1;
        if self.unused > KEPT_UNUSED {
            self.drop_unused();
        }
    }

    pub(super) fn drop_unused(&mut self) {
        for id in 0..self.parts.len() as PartId {
            let part = &self.parts[id as usize];
            if part.users == 0 && part.embedded {
                self.forget(id);
            }
        }
        self.unused = 0;
    }

    fn forget(&mut self, id: PartId) {
        let part = &mut self.parts[id as usize];
        part.embedded = false;
        self.ids.remove(&part.hash);
        self.free.push(id);
    }

    /// Sets a text's vectors. Gives the slots of the chunks that waited for them, a chunk once for each
    /// time it has the text. `None`, and nothing is set, if no chunk has it, or if they are not as wide
    /// as the others.
    pub(super) fn set(&mut self, hash: TextHash, vectors: &Vectors) -> Option<Vec<u32>> {
        let id = *self.ids.get(&hash)?;
        let part = self.parts.get_mut(id as usize).filter(|part| part.users > 0)?;
        if self.rows.is_empty() {
            self.rows = vectors.rows().iter().map(|row| Rows::new(row.values.len())).collect();
        }
        let widths = self.rows.iter().map(Rows::width);
        if !widths.eq(vectors.rows().iter().map(|row| row.values.len())) {
            return None;
        }
        for (rows, row) in self.rows.iter_mut().zip(vectors.rows()) {
            rows.set(id as usize, row);
        }
        self.pending -= usize::from(!part.embedded);
        part.embedded = true;
        Some(std::mem::take(&mut part.waiting))
    }

    /// A text's vectors, if it has any.
    pub(super) fn vectors(&self, hash: TextHash) -> Option<Vectors> {
        let id = *self.ids.get(&hash)?;
        let row = |rows: &Rows| rows.row(id as usize);
        self.parts[id as usize].embedded.then(|| Vectors::from_rows(self.rows.iter().map(row).collect()))
    }

    /// The vectors of a kind: the embeddings, then the projections by each projector.
    pub(super) fn rows(&self, kind: usize) -> Option<&Rows> {
        self.rows.get(kind)
    }

    /// Whether a part has vectors.
    pub(super) fn is_embedded(&self, id: PartId) -> bool {
        self.parts[id as usize].embedded
    }

    /// The text of a part, by its hash.
    pub(super) fn hash(&self, id: PartId) -> TextHash {
        self.parts[id as usize].hash
    }

    /// The numbers of the parts that have vectors.
    pub(super) fn embedded(&self) -> impl Iterator<Item = PartId> {
        (0..).zip(&self.parts).filter(|(_, part)| part.embedded).map(|(id, _)| id)
    }

    /// Parts in use that have no vectors.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// Whether this text is in use and has no vectors.
    pub(super) fn is_pending(&self, hash: TextHash) -> bool {
        self.ids.get(&hash).is_some_and(|&id| !self.is_embedded(id))
    }

    /// Parts in use.
    pub(super) fn used(&self) -> usize {
        self.ids.len() - self.unused
    }

    /// Bytes of all vectors held.
    pub(super) fn vector_bytes(&self) -> usize {
        let a_part: usize = self.rows.iter().map(|rows| rows.width() + size_of::<f32>()).sum();
        (self.ids.len() - self.pending) * a_part
    }
}
