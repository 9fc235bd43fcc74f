//! How much is embedded at once: as much as a device does in a moment.

use std::num::NonZeroUsize;

/// Grows and shrinks a batch until it takes about so long as something else may wait for it.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use llavacode_core::workspace::Pace;
///
/// let mut pace = Pace::of_parts(NonZeroUsize::MIN);
/// let first = pace.batch();
/// pace.took(first, 10.0);
/// assert!(pace.batch() > first, "the device does more in that time");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    target_ms: f64,
    least: usize,
    batch: usize,
}

/// Chunks whose parts a batch holds at least, and at first: where a batch costs much whatever is in it,
/// smaller ones would embed next to nothing.
const LEAST_CHUNKS: usize = 8;
/// Texts of a batch at most: what a batch holds in memory stays small.
const MOST: usize = 2048;
/// A completion waits an eighth of a second, as a rule.
const TARGET_MS: f64 = 125.0;

impl Pace {
    /// One for texts that are parts of chunks, so many of each.
    pub fn of_parts(parts: NonZeroUsize) -> Self {
        Self::new(TARGET_MS, LEAST_CHUNKS * parts.get())
    }

    fn new(target_ms: f64, least: usize) -> Self {
        Self { target_ms, least, batch: least }
    }

    /// Texts to embed next.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// So many texts were embedded in so many milliseconds. A slower device is followed at once, a faster
    /// one by doubling at most: a first batch pays for what is prepared once, and a batch of short texts
    /// says little about long ones.
    pub fn took(&mut self, texts: usize, ms: f64) {
        // The last batch before the end says little.
        if texts == 0 || (texts < self.batch && ms < self.target_ms) {
            return;
        }
        let fitting = texts as f64 * self.target_ms / ms.max(0.001);
        self.batch = (fitting as usize).min(MOST).max(self.least).min(2 * self.batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of a device that takes so long for a text, with a fixed cost for each batch.
    fn batches(pace: &mut Pace, fixed_ms: f64, text_ms: f64, count: usize) -> Vec<usize> {
        (0..count)
            .map(|_| {
                let batch = pace.batch();
                pace.took(batch, fixed_ms + text_ms * batch as f64);
                batch
            })
            .collect()
    }

    #[test]
    fn a_batch_becomes_what_the_device_does_in_the_time() {
        let mut pace = Pace::new(100.0, 8);
        let sizes = batches(&mut pace, 1.0, 1.0, 10);
        assert_eq!(&sizes[..4], [8, 16, 32, 64]);
        assert!((95..=100).contains(&sizes[9]), "{sizes:?}");
        let sizes = batches(&mut pace, 1.0, 10.0, 3);
        assert!(sizes[1] <= 10, "a device that slows down is followed at once: {sizes:?}");
    }

    #[test]
    fn neither_a_slow_nor_a_fast_device_goes_beyond_the_limits() {
        let mut pace = Pace::new(100.0, 8);
        assert_eq!(batches(&mut pace, 0.0, 1e-6, 20).last(), Some(&MOST));
        assert_eq!(batches(&mut pace, 0.0, 1e6, 3).last(), Some(&8));
        pace.took(3, 1.0);
        assert_eq!(pace.batch(), 8, "three texts in a moment say nothing");
    }
}
