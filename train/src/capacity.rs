//! Step `capacity`: what a reader could gain from vectors of chunks, if it read them as well as can be.
//!
//! The reader completes without context; then the logits of the tokens in its chunks' [bags](crate::bags)
//! are raised, all alike. In the first case it is known exactly which tokens these are: what bags are
//! good for. In the others they are known through a superposition, the sum of one random vector of
//! length one a token, read by products with those vectors: what is left of it in so many numbers. A
//! reader's output vector has as many numbers as it is wide, and they carry everything else too.
//!
//! By how much the logits are raised is chosen for each case on the same tasks: the gains are a
//! little too high, by the freedom of one number.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use llavacode_core::{engine::Lane, tokenize::Tokenizer};

use crate::{
    bags::bag,
    frozen::EngineReader,
    nn::ops,
    prompts::{Prompts, Weights},
    random::SplitMix64,
    samples::Sample,
};

/// By how much logits are raised.
const RAISES: [f32; 10] = [0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0];

/// How a case knows the bags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// Exactly.
    Exact,
    /// Through a superposition of random vectors of so many numbers.
    Superposition(usize),
}

/// A case and what it gains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    /// How the bags are known.
    pub knowledge: Knowledge,
    /// The best chunks, so many at most.
    pub chunks: usize,
    /// Cross-entropy of the completions less than without the bags, in nats a token.
    pub nats: f64,
    /// By how much logits are raised.
    pub raise: f32,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Capacity {
    /// Cross-entropy of the completions without context, in nats a token.
    pub base: f64,
    /// The same with the chunks as text.
    pub full_rag: f64,
    /// Every case.
    pub gains: Vec<Gain>,
}

/// The completions of a task without context: logits of each of their rows, and what comes next.
struct Completion {
    logits: Vec<f32>,
    tokens: Vec<u32>,
}

/// Measures every case on some tasks. `chunk_tokens`: most tokens of a chunk that its bag is made of.
///
/// # Errors
/// If there are no tasks.
pub fn capacity(
    reader: &mut EngineReader,
    prompts: &Prompts,
    tasks: &[Sample],
    cases: &[(Knowledge, usize)],
    chunk_tokens: usize,
) -> Result<Capacity> {
    ensure!(!tasks.is_empty(), "there are no tasks: run the step `samples` first");
    let base = completions(reader, prompts, tasks, Lane::Base);
    let full_rag = completions(reader, prompts, tasks, Lane::FullRag);
    let vocabulary = reader.model.decoder.shape.vocabulary;
    let mut gains = Vec::new();
    for &(knowledge, chunks) in cases {
        let codes = Codes::new(knowledge, vocabulary);
        let mut nats = [0.0; RAISES.len()];
        for (task, completion) in tasks.iter().zip(&base) {
            let tokens = tokens_of(&prompts.tokenizer, task, chunks, chunk_tokens);
            let known = codes.known(&tokens, vocabulary);
            for (raise, nats) in RAISES.iter().zip(&mut nats) {
                *nats += completion.nats(|token| raise * known[token]);
            }
        }
        let tokens: usize = base.iter().map(|c| c.tokens.len()).sum();
        let best = RAISES.iter().zip(nats).min_by(|a, b| a.1.total_cmp(&b.1));
        let (&raise, least) = best.unwrap_or((&0.0, nats[0]));
        gains.push(Gain { knowledge, chunks, nats: (nats[0] - least) / tokens as f64, raise });
    }
    Ok(Capacity { base: mean_nats(&base), full_rag: mean_nats(&full_rag), gains })
}

fn completions(
    reader: &mut EngineReader,
    prompts: &Prompts,
    tasks: &[Sample],
    lane: Lane,
) -> Vec<Completion> {
    let sequence = |task| prompts.sequence(lane, task, Weights::COMPLETION);
    let sequences: Vec<_> = tasks.iter().map(sequence).collect();
    let logits = reader.target_logits(&sequences);
    let tokens = sequences.iter().map(|s| s.targets.iter().map(|t| t.token).collect());
    logits.into_iter().zip(tokens).map(|(logits, tokens)| Completion { logits, tokens }).collect()
}

fn mean_nats(completions: &[Completion]) -> f64 {
    let tokens: usize = completions.iter().map(|c| c.tokens.len()).sum();
    completions.iter().map(|c| c.nats(|_| 0.0)).sum::<f64>() / tokens as f64
}

impl Completion {
    /// Its cross-entropy, summed, with `more` added to each logit.
    fn nats(&self, more: impl Fn(usize) -> f32) -> f64 {
        let vocabulary = self.logits.len() / self.tokens.len().max(1);
        let rows = self.logits.chunks_exact(vocabulary).zip(&self.tokens);
        rows.map(|(row, &token)| {
            let mut raised: Vec<f32> = row.iter().enumerate().map(|(i, logit)| logit + more(i)).collect();
            f64::from(ops::cross_entropy(&mut raised, token as usize, 1.0))
        })
        .sum()
    }
}

/// The tokens in a task's bags, each once.
fn tokens_of(tokenizer: &Tokenizer, task: &Sample, chunks: usize, chunk_tokens: usize) -> BTreeSet<u32> {
    let bags = task.chunks.iter().take(chunks).map(|chunk| bag(tokenizer, &chunk.text, chunk_tokens));
    bags.flatten().collect()
}

/// A random vector for every token; none where tokens are known exactly.
struct Codes {
    width: usize,
    vectors: Vec<f32>,
}

impl Codes {
    fn new(knowledge: Knowledge, vocabulary: usize) -> Self {
        let Knowledge::Superposition(width) = knowledge else {
            return Self { width: 0, vectors: Vec::new() };
        };
        let mut random = SplitMix64::named(width as u64, "codes");
        let scale = 1.0 / (width as f64).sqrt();
        Self { width, vectors: (0..vocabulary * width).map(|_| (scale * random.normal()) as f32).collect() }
    }

    /// How much each token seems to be among `tokens`: about 1 for those that are.
    fn known(&self, tokens: &BTreeSet<u32>, vocabulary: usize) -> Vec<f32> {
        if self.width == 0 {
            return (0..vocabulary as u32)
                .map(|token| if tokens.contains(&token) { 1.0 } else { 0.0 })
                .collect();
        }
        let mut sum = vec![0.0; self.width];
        for &token in tokens {
            ops::add(&mut sum, &self.vectors[token as usize * self.width..][..self.width]);
        }
        let seems = |code: &[f32]| code.iter().zip(&sum).map(|(c, s)| c * s).sum();
        self.vectors.chunks_exact(self.width).map(seems).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_superposition_tells_tokens_apart() {
        let tokens: BTreeSet<u32> = [3, 50, 51, 200, 900].into();
        let spread = |width| {
            let known = Codes::new(Knowledge::Superposition(width), 1000).known(&tokens, 1000);
            let truth = Codes::new(Knowledge::Exact, 1000).known(&tokens, 1000);
            let errors = known.iter().zip(&truth).map(|(k, t)| f64::from(k - t).powi(2));
            (errors.sum::<f64>() / 1000.0).sqrt()
        };
        // √(tokens / width), by the law of large numbers.
        assert!((spread(64) - (5f64 / 64.0).sqrt()).abs() < 0.05, "{}", spread(64));
        assert!((spread(1024) - (5f64 / 1024.0).sqrt()).abs() < 0.02, "{}", spread(1024));
    }

    #[test]
    fn raising_the_right_token_gains() {
        let completion = Completion { logits: vec![0.0, 1.0, 2.0, 0.0, 0.0, 0.0], tokens: vec![1, 0] };
        let [none, right, wrong] =
            [9, 1, 2].map(|raised| completion.nats(|t| if t == raised { 1.0 } else { 0.0 }));
        let expected = (1f64.exp() + 2f64.exp() + 1.0).ln() - 1.0 + 3f64.ln();
        assert!((none - expected).abs() < 1e-5, "{none} {expected}");
        assert!(right < none && none < wrong);
    }
}
