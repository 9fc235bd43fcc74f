//! Ranking by shared words: the Jaccard similarity of word sets, as RepoCoder and LlavaCode use
//! it.
//!
//! The query is as many lines before the cursor as a chunk has. A [word](crate::words) is counted once
//! a text; keywords and numbers are words like others.
//!
//! ```text
//! J(Q, C) = |Q ∩ C| / |Q ∪ C| = n / (|Q| + |C| − n),  n = |Q ∩ C|
//! ```
//!
//! An inverted index gives n for all chunks at once: it visits only the chunks that share a word
//! with the query.

use std::collections::{HashMap, HashSet};

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

/// Which texts contain a word. Texts go by the number of their slot in the store.
#[derive(Debug, Clone, Default)]
pub struct LexicalIndex {
    /// Slots that contain the word, ascending.
    postings: HashMap<Box<str>, Vec<u32>>,
    /// Words in each slot's text.
    word_counts: Vec<u32>,
}

impl LexicalIndex {
    /// Adds the text of a slot that is not in use.
    pub fn insert(&mut self, slot: u32, text: &str) {
        let words = word_set(text);
        let index = slot as usize;
        if self.word_counts.len() <= index {
            self.word_counts.resize(index + 1, 0);
        }
        self.word_counts[index] = words.len() as u32;
        for word in words {
            // Not the entry API: it would allocate the key of every word that is there already.
            match self.postings.get_mut(word) {
                Some(slots) => match slots.last() {
                    Some(&last) if last > slot => {
                        if let Err(place) = slots.binary_search(&slot) {
                            slots.insert(place, slot);
                        }
                    }
                    _ => slots.push(slot),
                },
                None => {
                    self.postings.insert(word.into(), vec![slot]);
                }
            }
        }
    }

    /// Takes the text of a slot out; it must be the text that was inserted.
    pub fn remove(&mut self, slot: u32, text: &str) {
        for word in word_set(text) {
            let Some(slots) = self.postings.get_mut(word) else { continue };
            if let Ok(place) = slots.binary_search(&slot) {
                slots.remove(place);
            }
            if slots.is_empty() {
                self.postings.remove(word);
            }
        }
        if let Some(count) = self.word_counts.get_mut(slot as usize) {
            *count = 0;
        }
    }

    /// The similarity of every text that shares a word with the query, in the slots' order.
    pub fn similarities(&self, query: &str) -> Vec<Scored> {
        let words = word_set(query);
        let mut shared = vec![0u32; self.word_counts.len()];
        for slots in words.iter().filter_map(|&word| self.postings.get(word)) {
            for &slot in slots {
                shared[slot as usize] += 1;
            }
        }
        let counted = shared.iter().zip(&self.word_counts).enumerate();
        counted
            .filter(|&(_, (&shared, _))| shared > 0)
            .map(|(slot, (&shared, &count))| Scored {
                slot: slot as u32,
                score: similarity(shared as usize, words.len(), count as usize),
            })
            .collect()
    }
}
