//! Vectors of text without an encoder: what the reader meets of soft tokens while it is trained.
//!
//! A text's bag, a chunk's or that of a part of it, holds the tokens of its names, those that are not
//! common to all Python code. Its vector is the sum of their input vectors over the root of their
//! number, which is about as long as one of them. A reader that has met such vectors in the places of
//! chunks can tell the names in a superposition from each other; what encoder and projector have to
//! learn then is only which matter.
//!
//! The paper has no such thing: its readers are large, and taken as they are.

use std::{collections::BTreeSet, ops::Range};

use llavacode_core::{
    tokenize::Tokenizer,
    words::{is_common, word_ranges},
};

use crate::nn::{ops::add, real::Real};

/// Tokens of a bag at most: about as many as a vector of some hundred numbers can keep apart.
const MOST: usize = 24;
/// Shorter names are mostly loop variables.
const SHORTEST_NAME: usize = 3;

/// The distinct tokens of the names among a text's first `tokens`. Where they are too many the
/// rarest stay: byte-level BPE numbers its tokens as they were merged, so the rarer has the larger id.
pub fn bag(tokenizer: &Tokenizer, text: &str, tokens: usize) -> Vec<u32> {
    let is_name = |word: &Range<usize>| word.len() >= SHORTEST_NAME && !is_common(&text[word.clone()]);
    let mut names = word_ranges(text).filter(is_name).peekable();
    let (mut distinct, mut at) = (BTreeSet::new(), 0);
    for token in tokenizer.encode(text).into_iter().take(tokens) {
        let (start, end) = (at, at + tokenizer.token_bytes(token).len());
        at = end;
        while names.next_if(|name| name.end <= start).is_some() {}
        if names.peek().is_some_and(|name| name.start < end) {
            distinct.insert(token);
        }
    }
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
    fn a_bag_holds_the_tokens_of_names() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/bundle/reader/tokenizer.json");
        let json = std::fs::read(path).expect("the bundle's tokenizer");
        let tokenizer = Tokenizer::from_json(path, &json).expect("a tokenizer");
        let text = "for i in range(8):\n    tide_gauge = self.harbour(i) + naïve_level\n";
        let found = bag(&tokenizer, text, 96);
        let said: Vec<String> = found.iter().map(|&id| tokenizer.decode(&[id])).collect();
        let all = tokenizer.encode(text);
        assert!(!found.is_empty() && found.iter().all(|id| all.contains(id)), "{said:?}");
        assert!(found.is_sorted_by(|a, b| a > b), "the rarest first: {said:?}");
        let names = ["tide_gauge", "harbour", "naïve_level"];
        // Only a token that holds a part of a name, with a blank, a dot or a sign before it perhaps.
        for token in &said {
            let letters = token.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
            let letters =
                letters.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != '\u{fffd}');
            assert!(
                letters.contains('\u{fffd}') || names.iter().any(|name| name.contains(letters)),
                "{said:?}"
            );
        }
        assert!(bag(&tokenizer, "for i in range(8): pass", 96).is_empty());
    }

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
