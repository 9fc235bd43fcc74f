//! Texts that wait for vectors, in order, each once.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use crate::index::ChunkHash;

/// A text and its name.
pub(super) type Text = (ChunkHash, Arc<str>);

/// First the cache is asked for a text, then it is embedded.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The cache was not asked for these yet.
    unasked: VecDeque<Text>,
    /// It does not have these.
    missing: VecDeque<Text>,
    /// What is in either.
    listed: HashSet<ChunkHash>,
}

impl Queue {
    /// Puts a text at the end, unless it waits already.
    pub(super) fn push(&mut self, hash: ChunkHash, text: &Arc<str>) {
        if self.listed.insert(hash) {
            self.unasked.push_back((hash, Arc::clone(text)));
        }
    }

    /// The cache does not have this text, which [`Self::take_unasked`] gave.
    pub(super) fn push_missing(&mut self, hash: ChunkHash, text: Arc<str>) {
        if self.listed.insert(hash) {
            self.missing.push_back((hash, text));
        }
    }

    /// How many are known to be missing.
    pub(super) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// The next texts to ask the cache for. What is no longer wanted is passed over.
    pub(super) fn take_unasked(&mut self, most: usize, wanted: impl Fn(ChunkHash) -> bool) -> Vec<Text> {
        take(&mut self.unasked, &mut self.listed, most, wanted)
    }

    /// The next texts to embed. What is no longer wanted is passed over.
    pub(super) fn take_missing(&mut self, most: usize, wanted: impl Fn(ChunkHash) -> bool) -> Vec<Text> {
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
    listed: &mut HashSet<ChunkHash>,
    most: usize,
    wanted: impl Fn(ChunkHash) -> bool,
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
