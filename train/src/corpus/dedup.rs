//! Files that say the same: MinHash (Broder 1997) with banded locality-sensitive hashing.
//!
//! A file is the set of its shingles, five tokens each. For a random order of all shingles, two
//! files have the same first shingle with a probability of their Jaccard similarity J. Of
//! [`PERMUTATIONS`] orders, the share that agrees estimates J, with a standard error of 0.04 at
//! J = 0.8. Only files that agree in a whole band of [`ROWS`] orders are compared:
//!
//! ```text
//! P(compared) = 1 − (1 − J^6)^20      J = 0.8: 0.998    J = 0.6: 0.62    J = 0.3: 0.01
//! ```

use std::collections::{HashMap, HashSet};

use super::filter::Dropped;
use llavacode_core::{
    random::{SplitMix64, fnv1a},
    words::is_word,
};

/// Tokens of a shingle.
const SHINGLE: usize = 5;
/// Bands of the signature.
const BANDS: usize = 20;
/// Orders in a band.
const ROWS: usize = 6;
/// Orders in all.
pub const PERMUTATIONS: usize = BANDS * ROWS;
/// From this similarity on a file is a near-duplicate.
pub const NEAR: f32 = 0.8;

type Signature = [u32; PERMUTATIONS];

/// The files seen so far, as far as it takes to tell whether another one repeats them.
#[derive(Debug)]
pub struct Deduplicator {
    multipliers: [(u64, u64); PERMUTATIONS],
    texts: HashSet<u64>,
    signatures: Vec<Signature>,
    bands: HashMap<(usize, [u32; ROWS]), Vec<u32>>,
}

impl Default for Deduplicator {
    fn default() -> Self {
        let mut random = SplitMix64::new(0x6d69_6e68_6173_6821);
        let multipliers = std::array::from_fn(|_| (random.next_u64() | 1, random.next_u64()));
        Self { multipliers, texts: HashSet::new(), signatures: Vec::new(), bands: HashMap::new() }
    }
}

impl Deduplicator {
    /// Takes a file that repeats none of those taken before.
    ///
    /// # Errors
    /// [`Dropped::Duplicate`] or [`Dropped::NearDuplicate`] if it does; it is not taken then.
    pub fn admit(&mut self, text: &str) -> Result<(), Dropped> {
        let hash = fnv1a(text.trim_end().as_bytes());
        if self.texts.contains(&hash) {
            return Err(Dropped::Duplicate);
        }
        let signature = self.signature(text);
        let keys = || signature.as_chunks::<ROWS>().0.iter().copied().enumerate();
        let near = keys()
            .filter_map(|key| self.bands.get(&key))
            .flatten()
            .any(|&other| similarity(&signature, &self.signatures[other as usize]) >= NEAR);
        if near {
            return Err(Dropped::NearDuplicate);
        }
        let index = self.signatures.len() as u32;
        for key in keys() {
            self.bands.entry(key).or_default().push(index);
        }
        self.texts.insert(hash);
        self.signatures.push(signature);
        Ok(())
    }

    fn signature(&self, text: &str) -> Signature {
        let tokens: Vec<u64> = tokens(text).map(|token| fnv1a(token.as_bytes())).collect();
        let mut signature = [u32::MAX; PERMUTATIONS];
        for shingle in tokens.windows(SHINGLE.min(tokens.len()).max(1)) {
            let hash = shingle
                .iter()
                .fold(0u64, |hash, token| (hash.rotate_left(23) ^ token).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for (least, (a, b)) in signature.iter_mut().zip(&self.multipliers) {
                let rank = (hash.wrapping_mul(*a).wrapping_add(*b) >> 32) as u32;
                *least = rank.min(*least);
            }
        }
        signature
    }
}

fn similarity(a: &Signature, b: &Signature) -> f32 {
    a.iter().zip(b).filter(|(a, b)| a == b).count() as f32 / PERMUTATIONS as f32
}

/// Words and single symbols.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let end =
            if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (token, after) = rest.split_at(end);
        rest = after;
        Some(token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of functions named after `names`.
    fn file(names: impl Iterator<Item = usize>) -> String {
        names.map(|n| format!("def f{n}(a, b):\n    return g{n}(a) * {n} + h{n}(b)\n\n")).collect()
    }

    #[test]
    fn tokens_are_words_and_symbols() {
        assert_eq!(tokens("  a_1 += é(2)\n").collect::<Vec<_>>(), ["a_1", "+", "=", "é", "(", "2", ")"]);
    }

    #[test]
    fn finds_equal_and_nearly_equal_files() {
        let mut seen = Deduplicator::default();
        let text = file(0..60);
        assert_eq!(seen.admit(&text), Ok(()));
        assert_eq!(seen.admit(&format!("{text}\n\n")), Err(Dropped::Duplicate));
        // Other blanks and one more function.
        let reformatted = text.replace("    ", "\t");
        assert_eq!(seen.admit(&reformatted), Err(Dropped::NearDuplicate));
        assert_eq!(seen.admit(&file(0..63)), Err(Dropped::NearDuplicate));
    }

    #[test]
    fn keeps_files_that_share_a_part() {
        let mut seen = Deduplicator::default();
        assert_eq!(seen.admit(&file(0..60)), Ok(()));
        // A third of all shingles in common, and none.
        assert_eq!(seen.admit(&file(30..90)), Ok(()));
        assert_eq!(seen.admit(&file(100..160)), Ok(()));
        // What was refused is not remembered.
        assert_eq!(seen.admit(&file(0..61)), Err(Dropped::NearDuplicate));
        assert_eq!(seen.signatures.len(), 3);
    }

    #[test]
    fn the_estimate_is_close() {
        let seen = Deduplicator::default();
        let (a, b) = (file(0..200), file(50..250));
        let sets = [&a, &b].map(|text| {
            let tokens: Vec<_> = tokens(text).collect();
            tokens.windows(SHINGLE).map(|w| w.join(" ")).collect::<HashSet<_>>()
        });
        let exact = sets[0].intersection(&sets[1]).count() as f32 / sets[0].union(&sets[1]).count() as f32;
        let estimate = similarity(&seen.signature(&a), &seen.signature(&b));
        assert!((estimate - exact).abs() < 0.15, "{estimate} for {exact}");
    }
}
