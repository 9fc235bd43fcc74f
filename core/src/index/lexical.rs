//! Ranking by shared words.
//!
//! The query is as many lines before the cursor as a chunk has. Keywords and numbers are
//! [words](crate::words) like others.
//!
//! By the Jaccard similarity of word sets, as RepoCoder and LlavaCode do it; a word counts once a text:
//!
//! ```text
//! J(Q, C) = |Q ∩ C| / |Q ∪ C| = n / (|Q| + |C| − n),  n = |Q ∩ C|
//! ```
//!
//! Or by Okapi BM25 (Robertson and Zaragoza, 2009) with its usual constants, k₁ = 1.2 and b = 0.75, over
//! all words of the query:
//!
//! ```text
//! BM25(Q, C) = Σ_w ln(1 + (N − n_w + ½) / (n_w + ½)) · f_w (k₁ + 1) / (f_w + k₁ (1 − b + b · |C| / mean |C|))
//! ```
//!
//! An inverted index gives both for all chunks at once: it visits only the chunks that share a word
//! with the query.

use std::collections::HashSet;

use rustc_hash::FxHashMap;

use super::fusion::Scored;
use crate::words::words;

/// The words of a text, each once.
pub fn word_set(text: &str) -> HashSet<&str> {
    words(text).collect()
}

/// |a ∩ b| / |a ∪ b|; 0 where both are empty.
pub fn jaccard(a: &HashSet<&str>, b: &HashSet<&str>) -> f32 {
    similarity(a.intersection(b).count(), a.len(), b.len())
}

fn similarity(shared: usize, a: usize, b: usize) -> f32 {
    if shared == 0 { 0.0 } else { shared as f32 / (a + b - shared) as f32 }
}

/// The last `count` lines of what stands before the cursor; the cursor's own line is the last
/// of them.
pub fn query_window(prefix: &str, count: usize) -> &str {
    let start = prefix.rmatch_indices('\n').nth(count.max(1) - 1).map_or(0, |(at, _)| at + 1);
    &prefix[start..]
}

/// BM25's k₁: how soon another occurrence of a word counts little.
const K1: f32 = 1.2;
/// BM25's b: how much a long text is held against its words.
const B: f32 = 0.75;

/// A text that contains a word, and how often: the slot in the upper 24 bits, the count below. Ordered by
/// slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Posting(u32);

impl Posting {
    /// Slots that fit.
    const SLOTS: u32 = 1 << 24;

    fn new(slot: u32, count: u32) -> Self {
        assert!(slot < Self::SLOTS, "more than {} chunks", Self::SLOTS);
        Self(slot << 8 | count.min(255))
    }

    fn slot(self) -> u32 {
        self.0 >> 8
    }

    /// A word that comes more than 255 times counts as if it came so often.
    fn count(self) -> u32 {
        self.0 & 255
    }
}

/// How long a text is, in words.
#[derive(Debug, Clone, Copy, Default)]
struct Length {
    words: u32,
    distinct: u32,
}

/// Which texts contain a word. Texts go by the number of their slot in the store.
#[derive(Debug, Clone, Default)]
pub struct LexicalIndex {
    /// The texts that contain the word, in the order of their slots.
    postings: FxHashMap<Box<str>, Vec<Posting>>,
    /// The length of each slot's text.
    lengths: Vec<Length>,
    /// Texts with a word.
    texts: usize,
    /// Words of all of them.
    words: u64,
}

/// A text's words with how often each comes.
fn word_counts(text: &str) -> FxHashMap<&str, u32> {
    let mut counts = FxHashMap::default();
    words(text).for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

impl LexicalIndex {
    /// Adds the text of a slot that is not in use.
    ///
    /// # Panics
    /// If the slot's number is 2²⁴ or more.
    pub fn insert(&mut self, slot: u32, text: &str) {
        let counts = word_counts(text);
        let length = Length { words: counts.values().sum(), distinct: counts.len() as u32 };
        let index = slot as usize;
        if self.lengths.len() <= index {
            self.lengths.resize(index + 1, Length::default());
        }
        self.lengths[index] = length;
        self.texts += usize::from(length.words > 0);
        self.words += u64::from(length.words);
        for (word, count) in counts {
            let posting = Posting::new(slot, count);
            // Not the entry API: it would allocate the key of every word that is there already.
            match self.postings.get_mut(word) {
                Some(postings) => match postings.last() {
                    Some(last) if last.slot() > slot => {
                        let place = postings.partition_point(|other| other.slot() < slot);
                        postings.insert(place, posting);
                    }
                    _ => postings.push(posting),
                },
                None => {
                    self.postings.insert(word.into(), vec![posting]);
                }
            }
        }
    }

    /// Takes the text of a slot out; it must be the text that was inserted.
    pub fn remove(&mut self, slot: u32, text: &str) {
        for word in word_set(text) {
            let Some(postings) = self.postings.get_mut(word) else { continue };
            if let Ok(place) = postings.binary_search_by_key(&slot, |posting| posting.slot()) {
                postings.remove(place);
            }
            if postings.is_empty() {
                self.postings.remove(word);
            }
        }
        if let Some(length) = self.lengths.get_mut(slot as usize) {
            let Length { words, .. } = std::mem::take(length);
            self.texts -= usize::from(words > 0);
            self.words -= u64::from(words);
        }
    }

    /// The Jaccard similarity of every text that shares a word with the query, in the slots' order.
    pub fn similarities(&self, query: &str) -> Vec<Scored> {
        let words = word_set(query);
        let mut shared = vec![0u32; self.lengths.len()];
        for postings in words.iter().filter_map(|&word| self.postings.get(word)) {
            for posting in postings {
                shared[posting.slot() as usize] += 1;
            }
        }
        let counted = (0..).zip(shared.iter().zip(&self.lengths));
        counted
            .filter(|&(_, (&shared, _))| shared > 0)
            .map(|(slot, (&shared, length))| Scored {
                slot,
                score: similarity(shared as usize, words.len(), length.distinct as usize),
            })
            .collect()
    }

    /// BM25 of every text that shares a word with the query, in the slots' order.
    pub fn bm25(&self, query: &str) -> Vec<Scored> {
        let texts = self.texts as f32;
        let mean_length = self.words as f32 / texts.max(1.0);
        let mut scores = vec![0.0f32; self.lengths.len()];
        for (word, repeated) in word_counts(query) {
            let Some(postings) = self.postings.get(word) else { continue };
            let holding = postings.len() as f32;
            let rarity = repeated as f32 * ((texts - holding + 0.5) / (holding + 0.5)).ln_1p();
            for posting in postings {
                let slot = posting.slot() as usize;
                let (count, length) = (posting.count() as f32, self.lengths[slot].words as f32 / mean_length);
                scores[slot] += rarity * count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length));
            }
        }
        // A word's weight is above 0, however common it is.
        (0..)
            .zip(scores)
            .filter(|&(_, score)| score > 0.0)
            .map(|(slot, score)| Scored { slot, score })
            .collect()
    }
}
