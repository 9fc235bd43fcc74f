//! A lane's KV cache, and what stands in it: what the next prompt shares with it is not read again.

use crate::{
    index::{ChunkId, TextHash},
    model::reader::Cache,
};

/// What one position of a prompt holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Position {
    /// A token's id.
    Token(u32),
    /// One of a chunk's soft tokens, by its number; the chunk's content says what it is.
    Soft(ChunkId, TextHash, usize),
}

impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(a), Self::Token(b)) => a == b,
            (Self::Soft(_, a, i), Self::Soft(_, b, j)) => (a, i) == (b, j),
            _ => false,
        }
    }
}

impl Position {
    /// The token's id, if it is one.
    pub(super) fn token(&self) -> Option<u32> {
        match self {
            Self::Token(id) => Some(*id),
            Self::Soft(..) => None,
        }
    }

    /// The chunk and the number among its soft tokens, if it is one.
    pub(super) fn soft(&self) -> Option<(ChunkId, usize)> {
        match self {
            Self::Soft(id, _, number) => Some((*id, *number)),
            Self::Token(_) => None,
        }
    }
}

/// A KV cache and the positions it was filled with.
#[derive(Debug)]
pub(super) struct Session {
    /// Keys and values of `held`, and perhaps of tokens generated after them.
    pub(super) cache: Cache,
    held: Vec<Position>,
}

impl Session {
    /// An empty session on this cache.
    pub(super) fn new(cache: Cache) -> Self {
        Self { cache, held: Vec::new() }
    }

    /// Keeps what `prompt` shares with the last one, and says how many positions that is. The last
    /// position is always read again: its hidden state gives the first token.
    pub(super) fn reuse(&mut self, prompt: &[Position], cold: bool) -> usize {
        let shared = if cold { 0 } else { shared_prefix(&self.held, prompt) };
        let kept = shared.min(prompt.len().saturating_sub(1));
        self.held.truncate(kept);
        self.cache.truncate(kept);
        kept
    }

    /// Records that the cache now holds all of `prompt`. Called only after its prefill was read
    /// back, so that a cancelled one leaves nothing behind that is not in the cache.
    pub(super) fn hold(&mut self, prompt: &[Position]) {
        self.held.clear();
        self.held.extend_from_slice(prompt);
    }

    /// Forgets the generated tokens' keys and values.
    pub(super) fn forget_generated(&mut self) {
        self.cache.truncate(self.held.len());
    }
}

fn shared_prefix(a: &[Position], b: &[Position]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::{Position::*, *};

    #[test]
    fn the_shared_prefix_ends_at_the_first_difference() {
        let soft = |slot, text, number| Soft(ChunkId::new(slot, 0), TextHash::of(text), number);
        let held = [soft(7, "a", 0), soft(7, "a", 1), Token(1), Token(2), Token(3)];
        let shared = |prompt: [Position; 4]| shared_prefix(&held, &prompt);
        assert_eq!(shared([soft(7, "a", 0), soft(7, "a", 1), Token(1), Token(9)]), 3);
        assert_eq!(
            shared([soft(8, "a", 0), soft(8, "a", 1), Token(1), Token(9)]),
            3,
            "the same text elsewhere"
        );
        assert_eq!(shared([soft(7, "a", 0), soft(7, "a", 0), Token(1), Token(2)]), 1, "another part of it");
        assert_eq!(shared([soft(7, "b", 0), soft(7, "b", 1), Token(1), Token(2)]), 0);
        assert_eq!(shared_prefix(&held, &held), 5);
        assert_eq!(shared_prefix(&held, &[]), 0);
    }
}
