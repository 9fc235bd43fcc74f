//! Chunks as one vector each, without an encoder: what the reader meets of soft tokens while it is
//! trained.
//!
//! A chunk's bag holds the rarest tokens of its words. Its vector is the sum of their input vectors
//! over the root of their number, which is about as long as one of them. A reader that has met such
//! vectors in the places of chunks can tell the words in a superposition from each other; what
//! encoder and projector have to learn then is only which words matter.
//!
//! The paper has no such thing: its readers are large, and taken as they are.

use std::collections::BTreeSet;

use llavacode_core::tokenize::Tokenizer;

use crate::nn::{ops::add, real::Real};

/// Tokens of a bag at most: as many as a vector of some hundred numbers can keep apart.
const MOST: usize = 16;

/// The rarest of the distinct tokens, among a chunk's first `tokens`, that belong to words and
/// numbers. Byte-level BPE numbers its tokens as they were merged, so the rarer has the larger id.
pub fn bag(tokenizer: &Tokenizer, text: &str, tokens: usize) -> Vec<u32> {
    let says_something = |&token: &u32| {
        !tokenizer.is_special(token) && tokenizer.token_bytes(token).iter().any(u8::is_ascii_alphanumeric)
    };
    let read = tokenizer.encode(text).into_iter().take(tokens);
    let distinct: BTreeSet<u32> = read.filter(says_something).collect();
    distinct.into_iter().rev().take(MOST).collect()
}

/// The bags' vectors, `[bags, hidden]`; an empty bag's is zero. `embedding` is `[vocabulary, hidden]`.
pub fn bag_vectors<T: Real>(embedding: &[T], hidden: usize, bags: &[Vec<u32>]) -> Vec<T> {
    let mut vectors = vec![T::zero(); bags.len() * hidden];
    for (vector, bag) in vectors.chunks_exact_mut(hidden).zip(bags) {
        for &token in bag {
            add(vector, &embedding[token as usize * hidden..][..hidden]);
        }
        let scale = scale(bag);
        vector.iter_mut().for_each(|x| *x *= scale);
    }
    vectors
}

/// Adds to the embedding's gradient what the bags' vectors' gradients say.
pub fn bag_gradients<T: Real>(d_embedding: &mut [T], hidden: usize, bags: &[Vec<u32>], d_vectors: &[T]) {
    for (d_vector, bag) in d_vectors.chunks_exact(hidden).zip(bags) {
        let scale = scale(bag);
        let scaled: Vec<T> = d_vector.iter().map(|&d| d * scale).collect();
        for &token in bag {
            add(&mut d_embedding[token as usize * hidden..][..hidden], &scaled);
        }
    }
}

fn scale<T: Real>(bag: &[u32]) -> T {
    T::of(1.0 / (bag.len().max(1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (hidden, vocabulary) = (5, 9);
        let mut random = SplitMix64::new(31);
        let mut draw = |len: usize| (0..len).map(|_| random.normal()).collect::<Vec<f64>>();
        let bags = [vec![0, 3, 8], vec![3], vec![], vec![1, 2, 3, 4]];
        let (mut embedding, pull) = (draw(vocabulary * hidden), draw(bags.len() * hidden));
        let value = |embedding: &[f64]| -> f64 {
            bag_vectors(embedding, hidden, &bags).iter().zip(&pull).map(|(v, p)| v * p).sum()
        };
        let mut gradient = vec![0.0; embedding.len()];
        bag_gradients(&mut gradient, hidden, &bags, &pull);
        for place in 0..embedding.len() {
            let before = embedding[place];
            embedding[place] = before + 1e-6;
            let above = value(&embedding);
            embedding[place] = before - 1e-6;
            let difference = (above - value(&embedding)) / 2e-6;
            embedding[place] = before;
            assert!((difference - gradient[place]).abs() < 1e-6, "{place}");
        }
        let unused = &gradient[5 * hidden..8 * hidden];
        assert!(unused.iter().all(|&g| g == 0.0) && gradient[8 * hidden] != 0.0);
    }
}
