//! Texts that wait for vectors, in order, each once.

use std::collections::{HashMap, VecDeque};

use rustc_hash::FxHashSet;

use crate::index::TextHash;

/// A text and its name.
pub(super) type Text = (TextHash, Box<str>);

/// First the cache is asked for a text, then it is embedded.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The cache was not asked for these yet.
    unasked: VecDeque<Text>,
    /// It does not have these.
    missing: VecDeque<Text>,
    /// What is in either.
    listed: FxHashSet<TextHash>,
}

impl Queue {
    /// Puts a text at the end, unless it waits already.
    pub(super) fn push(&mut self, hash: TextHash, text: &str) {
        if self.listed.insert(hash) {
            self.unasked.push_back((hash, text.into()));
        }
    }

    /// Puts these texts, as far as they wait, before the others, in this order.
    pub(super) fn put_first(&mut self, first: Vec<TextHash>) {
        let mut places = HashMap::new();
        for hash in first {
            let next = places.len();
            places.entry(hash).or_insert(next);
        }
        for queue in [&mut self.unasked, &mut self.missing] {
            let place = |(hash, _): &Text| places.get(hash).copied().unwrap_or(usize::MAX);
            // Stable: the others keep their order.
            queue.make_contiguous().sort_by_key(place);
        }
    }

    /// The cache does not have this text, which [`Self::take_unasked`] gave.
    pub(super) fn push_missing(&mut self, hash: TextHash, text: Box<str>) {
        if self.listed.insert(hash) {
            self.missing.push_back((hash, text));
        }
    }

    /// How many are known to be missing.
    pub(super) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// The next texts to ask the cache for. What is no longer wanted is passed over.
    pub(super) fn take_unasked(&mut self, most: usize, wanted: impl Fn(TextHash) -> bool) -> Vec<Text> {
        take(&mut self.unasked, &mut self.listed, most, wanted)
    }

    /// The next texts to embed. What is no longer wanted is passed over.
    pub(super) fn take_missing(&mut self, most: usize, wanted: impl Fn(TextHash) -> bool) -> Vec<Text> {
        take(&mut self.missing, &mut self.listed, most, wanted)
    }

    /// Texts that could not be embedded are the next ones again.
    pub(super) fn put_back(&mut self, texts: Vec<Text>) {
        for text in texts.into_iter().rev() {
            if self.listed.insert(text.0) {
                self.missing.push_front(text);
            }
        }
    }

    /// Nobody waits any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn take(
    from: &mut VecDeque<Text>,
    listed: &mut FxHashSet<TextHash>,
    most: usize,
    wanted: impl Fn(TextHash) -> bool,
) -> Vec<Text> {
    let mut taken = Vec::new();
    while taken.len() < most {
        let Some(text) = from.pop_front() else { break };
        listed.remove(&text.0);
        if wanted(text.0) {
            taken.push(text);
        }
    }
    taken
}
