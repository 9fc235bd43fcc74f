//! Random numbers that are the same on every machine and with every version of every crate: a file
//! is known by its name and its seed.

use llavacode_core::random::{SplitMix64, fnv1a};

/// Numbers of one tensor.
pub(crate) struct Random(SplitMix64);

impl Random {
    /// The numbers of one tensor: they do not depend on the tensors before it.
    pub(crate) fn of(seed: u64, tensor: &str) -> Self {
        Self(SplitMix64::new(fnv1a(tensor.as_bytes()) ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Evenly spread from `low` up to `high`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next() >> 40) as f32 / (1 << 24) as f32)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.next().to_le_bytes()[..piece.len()]);
        }
    }
}
