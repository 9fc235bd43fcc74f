//! What the cached lane keeps from one completion to the next: keys and values of chunks that were read by
//! themselves.

use llavacode_api::completion::KEPT_CHUNK_BYTES;
use lru::LruCache;

use crate::model::reader::States;

/// Chunks that were read, by their tokens. What was not used for longest goes first.
#[derive(Debug)]
pub(super) struct ReadChunks {
    chunks: LruCache<Box<[u32]>, States>,
    bytes: usize,
    most_bytes: usize,
}

impl Default for ReadChunks {
    fn default() -> Self {
        Self { chunks: LruCache::unbounded(), bytes: 0, most_bytes: KEPT_CHUNK_BYTES }
    }
}

impl ReadChunks {
    /// A chunk's states, if they are kept.
    pub(super) fn get(&mut self, tokens: &[u32]) -> Option<States> {
        self.chunks.get(tokens).cloned()
    }

    /// Keeps a chunk's states, and lets go what then is too much.
    pub(super) fn put(&mut self, tokens: &[u32], states: States) {
        self.bytes += states.bytes();
        if let Some(replaced) = self.chunks.put(tokens.into(), states) {
            self.bytes -= replaced.bytes();
        }
        self.shrink();
    }

    /// Sets how many bytes are kept at most.
    pub(super) fn keep_at_most(&mut self, bytes: usize) {
        self.most_bytes = bytes;
        self.shrink();
    }

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn shrink(&mut self) {
        while self.bytes > self.most_bytes {
            let Some((_, states)) = self.chunks.pop_lru() else { return };
            self.bytes -= states.bytes();
        }
    }
}
