//! A lane's KV cache, and what stands in it: what the next prompt shares with it is not read again.
//!
//! Prompts share their beginning. Where the retrieved context has changed, the text behind it stands at
//! other positions and in sight of something else; if the bundle asks for it (`prompt.reread_tokens`), all but
//! its end keeps the keys and values it has, turned to where it stands now. So they still tell of the context
//! that they were read behind: what that costs is in `docs/measurements.md`. Prefix reuse alone would read all
//! of it again (EPIC, arXiv 2410.15332, moves chunks in this way).

use std::ops::Range;

use crate::{
    index::{ChunkId, TextHash},
    model::reader::{Cache, States},
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
    /// Where the text around the cursor begins among them, and that before the cursor.
    text_starts: [usize; 2],
    /// What was held before the text in it was moved, until the prompt it was moved for is held.
    before: Option<Box<Session>>,
}

/// What a prompt has from the one before it.
#[derive(Debug, Default)]
pub(super) struct Reuse {
    /// How many positions at its beginning are in the cache.
    pub(super) held: usize,
    /// Positions further on whose keys and values are there, computed behind another context.
    pub(super) moved: Option<(Range<usize>, States)>,
}

/// A prompt as a session looks at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// What it holds, position by position.
    pub(super) positions: &'a [Position],
    /// Where the text around the cursor begins, and that before the cursor: from either place on it is moved.
    pub(super) text_starts: [usize; 2],
    /// Positions at its end that are read anew if its text is moved; 0: its text is not moved.
    pub(super) reread: usize,
    /// Whether nothing is to be taken from the prompt before it.
    pub(super) cold: bool,
}

/// Fewer positions than these are not worth moving.
const LEAST_MOVED: usize = 32;

impl Session {
    /// An empty session on this cache.
    pub(super) fn new(cache: Cache) -> Self {
        Self { cache, held: Vec::new(), text_starts: [0; 2], before: None }
    }

    /// Keeps what a prompt shares with the last one, and says what that is. The last position is always read
    /// again: its hidden state gives the first token. `fresh` makes an empty cache, into which text is moved.
    pub(super) fn reuse(&mut self, asked: Asked<'_>, fresh: impl FnOnce() -> Cache) -> Reuse {
        if let Some(before) = self.before.take() {
            // The prompt that its text was moved for did not come to its end.
            *self = *before;
        }
        let prompt = asked.positions;
        let shared = if asked.cold { 0 } else { shared_prefix(&self.held, prompt) };
        let held = shared.min(prompt.len().saturating_sub(1));
        let Some((range, from)) = self.movable(asked, held) else {
            self.held.truncate(held);
            self.cache.truncate(held);
            return Reuse { held, moved: None };
        };
        let states = self.cache.states(from..from + range.len());
        let mut cache = fresh();
        if held > 0 {
            cache.append(&self.cache.states(0..held));
        }
        let moved = Self { held: self.held[..held].to_vec(), ..Self::new(cache) };
        let before = std::mem::replace(self, moved);
        self.before = Some(Box::new(before));
        Reuse { held, moved: Some((range, states)) }
    }

    /// Which positions of a prompt the cache has elsewhere, where the context before its text has changed, and
    /// where it has them: the longer stretch of all text around the cursor and that before it.
    fn movable(
        &self,
        Asked { positions, text_starts, reread, cold }: Asked<'_>,
        held: usize,
    ) -> Option<(Range<usize>, usize)> {
        if cold || reread == 0 {
            return None;
        }
        let moved = |(start, from): (usize, usize)| {
            let (old, new) = (self.held.get(from..)?, positions.get(start..)?);
            let end = (start + shared_prefix(old, new)).min(positions.len().saturating_sub(reread));
            (held < start && end >= start + LEAST_MOVED).then_some((start..end, from))
        };
        let stretches = text_starts.into_iter().zip(self.text_starts).filter_map(moved);
        stretches.max_by_key(|(range, _)| range.len())
    }

    /// Records that the cache now holds all of a prompt. Called only after its prefill was read
    /// back, so that a cancelled one leaves nothing behind that is not in the cache.
    pub(super) fn hold(&mut self, prompt: &[Position], text_starts: [usize; 2]) {
        self.held.clear();
        self.held.extend_from_slice(prompt);
        self.text_starts = text_starts;
        self.before = None;
    }

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> usize {
        self.cache.bytes() + self.before.as_ref().map_or(0, |before| before.bytes())
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
