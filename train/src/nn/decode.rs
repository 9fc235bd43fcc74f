//! Decoding with a KV cache: what follows a prompt that a forward pass has read.

use super::{
    decoder::{Decoder, Tape},
    matrix::linear,
    ops::{rms_norm, softmax, swiglu},
    real::Real,
};
use crate::random::SplitMix64;

/// Keys and values of one sequence, and the last row's hidden state.
#[derive(Debug, Clone)]
pub struct Cache<T> {
    /// Rotated q, k and v of each layer, `[len, qkv]`.
    layers: Vec<Vec<T>>,
    len: usize,
}

/// How the next token is taken.
#[derive(Debug)]
pub enum Pick<'a> {
    /// The likeliest; the lowest id where several are equal.
    Greedy,
    /// Drawn at a temperature from the smallest set of likeliest tokens whose probabilities reach
    /// `top_p`.
    Sample {
        /// Divides the logits.
        temperature: f64,
        /// Mass of the set.
        top_p: f64,
        /// Where chance comes from.
        random: &'a mut SplitMix64,
    },
}

impl Pick<'_> {
    /// Takes a token.
    pub fn take<T: Real>(&mut self, logits: &mut [T]) -> u32 {
        match self {
            Pick::Greedy => best(logits) as u32,
            Pick::Sample { temperature, top_p, random } => {
                let scale = T::of(1.0 / *temperature);
                logits.iter_mut().for_each(|x| *x *= scale);
                softmax(logits);
                let mut order: Vec<usize> = (0..logits.len()).collect();
                order.sort_by(|&a, &b| logits[b].wide().total_cmp(&logits[a].wide()));
                let mut mass = 0.0;
                let reached = |&id: &usize| {
                    let before = mass;
                    mass += logits[id].wide();
                    before < *top_p
                };
                let set: Vec<usize> = order.into_iter().take_while(reached).collect();
                let total: f64 = set.iter().map(|&id| logits[id].wide()).sum();
                let mut left = random.uniform() * total;
                let drawn = set.iter().find(|&&id| {
                    left -= logits[id].wide();
                    left <= 0.0
                });
                drawn.or(set.last()).map_or(0, |&id| id as u32)
            }
        }
    }
}

fn best<T: Real>(logits: &[T]) -> usize {
    let mut best = 0;
    for (id, &x) in logits.iter().enumerate() {
        if x > logits[best] {
            best = id;
        }
    }
    best
}

impl<T: Real> Decoder<T> {
    /// The cache of one sequence of a micro-batch that [`Decoder::forward`] has read: `len` rows
    /// from row `start`.
    pub fn cache(&self, tape: &Tape<T>, start: usize, len: usize) -> Cache<T> {
        let width = self.shape.heads.qkv();
        let layers = (0..self.shape.layers)
            .map(|layer| tape.qkv(layer)[start * width..][..len * width].to_vec())
            .collect();
        Cache { layers, len }
    }

    /// Decodes at most `most` tokens after a prompt whose last row gave `logits`, until `stop`
    /// says of a token that it ends the text; that token is not kept.
    pub fn generate(
        &self,
        parameters: &[T],
        cache: &mut Cache<T>,
        mut logits: Vec<T>,
        most: usize,
        pick: &mut Pick<'_>,
        mut stop: impl FnMut(u32) -> bool,
    ) -> Vec<u32> {
        let mut tokens = Vec::new();
        for _ in 0..most.min(self.positions().saturating_sub(cache.len)) {
            let token = pick.take(&mut logits);
            if stop(token) {
                break;
            }
            tokens.push(token);
            if tokens.len() < most {
                logits = self.step(parameters, cache, token);
            }
        }
        tokens
    }

    /// Reads one token; gives the logits of the next.
    pub fn step(&self, parameters: &[T], cache: &mut Cache<T>, token: u32) -> Vec<T> {
        let (shape, heads, hidden) = (&self.shape, self.shape.heads, self.shape.hidden);
        let embedding = &parameters[self.layout.embedding.clone()];
        let mut x = embedding[token as usize * hidden..][..hidden].to_vec();
        let mut normed = vec![T::zero(); hidden];
        let mut attended = vec![T::zero(); heads.query * heads.dim];
        let mut gate_up = vec![T::zero(); 2 * shape.intermediate];
        let mut gated = vec![T::zero(); shape.intermediate];
        for (places, rows) in self.layout.layers.iter().zip(&mut cache.layers) {
            rms_norm(&mut normed, &x, &parameters[places.input_norm.clone()], self.eps());
            let start = rows.len();
            rows.resize(start + heads.qkv(), T::zero());
            self.matrix(parameters, &places.qkv).multiply(&mut rows[start..], &normed, 1, false);
            self.finish_row(parameters, places, &mut rows[start..], cache.len);
            attend(&mut attended, rows, heads);
            self.matrix(parameters, &places.output).multiply(&mut x, &attended, 1, true);
            rms_norm(&mut normed, &x, &parameters[places.post_norm.clone()], self.eps());
            self.matrix(parameters, &places.gate_up).multiply(&mut gate_up, &normed, 1, false);
            swiglu(&mut gated, &gate_up, shape.intermediate);
            self.matrix(parameters, &places.down).multiply(&mut x, &gated, 1, true);
        }
        cache.len += 1;
        rms_norm(&mut normed, &x, &parameters[self.layout.norm.clone()], self.eps());
        let mut logits = vec![T::zero(); shape.vocabulary];
        linear(&mut logits, &normed, embedding, 1, false);
        logits
    }
}

/// Attention of the last row over all rows.
fn attend<T: Real>(out: &mut [T], rows: &[T], heads: super::attention::Heads) {
    let super::attention::Heads { query, key_value, dim } = heads;
    let width = heads.qkv();
    let last = &rows[rows.len() - width..];
    let scale = T::of(1.0 / (dim as f64).sqrt());
    let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(&a, &b)| a * b).sum::<T>();
    for head in 0..query {
        let shared = head / (query / key_value);
        let (k, v) = ((query + shared) * dim, (query + key_value + shared) * dim);
        let q = &last[head * dim..][..dim];
        let mut scores: Vec<T> =
            rows.chunks_exact(width).map(|row| dot(q, &row[k..][..dim]) * scale).collect();
        softmax(&mut scores);
        let out = &mut out[head * dim..][..dim];
        out.fill(T::zero());
        for (&p, row) in scores.iter().zip(rows.chunks_exact(width)) {
            out.iter_mut().zip(&row[v..]).for_each(|(out, &v)| *out += p * v);
        }
    }
}
