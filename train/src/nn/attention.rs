//! Causal grouped-query attention, forward and backward, by blocks of queries.
//!
//! `softmax(q·kᵀ / √dim)·v`. Of the probabilities only the logarithm of each row's sum is kept;
//! the backward pass makes them again, block by block (Dao et al., FlashAttention, arXiv
//! 2205.14135). A block's scores stay in the cache.

use super::{
    matrix::{View, ViewMut, multiply},
    ops::{exp_minus, softmax, softmax_backward},
    real::Real,
};

/// Queries of a block.
const BLOCK: usize = 64;

/// Head counts and their width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key and value heads.
    pub key_value: usize,
    /// Width of a head.
    pub dim: usize,
}

impl Heads {
    /// Width of q, k and v side by side.
    pub fn qkv(self) -> usize {
        (self.query + 2 * self.key_value) * self.dim
    }

    fn scale<T: Real>(self) -> T {
        T::of(1.0 / (self.dim as f64).sqrt())
    }

    /// Columns of query head `head`, and of the key and value heads that serve it.
    fn columns(self, head: usize) -> (usize, usize, usize) {
        let shared = head / (self.query / self.key_value);
        (head * self.dim, (self.query + shared) * self.dim, (self.query + self.key_value + shared) * self.dim)
    }
}

/// Scores of a block, and their gradients.
#[derive(Debug, Default)]
pub struct Scratch<T> {
    scores: Vec<T>,
    gradients: Vec<T>,
}

/// Attention of one sequence.
///
/// # Shapes
/// - `qkv`: `[len, heads.qkv()]`, rotated
/// - `out`: `[len, query · dim]`
/// - `log_sums`: `[query, len]`, for the backward pass
pub fn attention<T: Real>(
    out: &mut [T],
    log_sums: &mut [T],
    qkv: &[T],
    heads: Heads,
    scratch: &mut Scratch<T>,
) {
    let (width, out_width, dim) = (heads.qkv(), heads.query * heads.dim, heads.dim);
    let len = qkv.len() / width;
    scratch.scores.resize(BLOCK * len, T::zero());
    for head in 0..heads.query {
        let (q, k, v) = heads.columns(head);
        for start in (0..len).step_by(BLOCK) {
            let rows = BLOCK.min(len - start);
            let end = start + rows;
            let scores = &mut scratch.scores[..rows * end];
            score(scores, qkv, (q, k), start, heads);
            for (row, scores) in scores.chunks_exact_mut(end).enumerate() {
                let (seen, hidden) = scores.split_at_mut(start + row + 1);
                log_sums[head * len + start + row] = softmax(seen);
                hidden.fill(T::zero());
            }
            let out = ViewMut::new(&mut out[start * out_width + head * dim..], rows, dim, out_width);
            let values = View::new(&qkv[v..], end, dim, width);
            multiply(out, View::dense(scores, rows, end), values, T::one(), false);
        }
    }
}

/// Gradients of q, k and v: overwrites `d_qkv`.
///
/// # Shapes
/// As for [`attention`]; `d_out` is like `out`, `d_qkv` like `qkv`.
pub fn attention_backward<T: Real>(
    d_qkv: &mut [T],
    d_out: &[T],
    out: &[T],
    log_sums: &[T],
    qkv: &[T],
    heads: Heads,
    scratch: &mut Scratch<T>,
) {
    let (width, out_width, dim) = (heads.qkv(), heads.query * heads.dim, heads.dim);
    let len = qkv.len() / width;
    scratch.scores.resize(BLOCK * len, T::zero());
    scratch.gradients.resize(BLOCK * len, T::zero());
    d_qkv.fill(T::zero());
    for head in 0..heads.query {
        let (q, k, v) = heads.columns(head);
        for start in (0..len).step_by(BLOCK) {
            let rows = BLOCK.min(len - start);
            let end = start + rows;
            let (p, d) = (&mut scratch.scores[..rows * end], &mut scratch.gradients[..rows * end]);
            score(p, qkv, (q, k), start, heads);
            for (row, p) in p.chunks_exact_mut(end).enumerate() {
                let (seen, hidden) = p.split_at_mut(start + row + 1);
                exp_minus(seen, log_sums[head * len + start + row]);
                hidden.fill(T::zero());
            }
            let at = start * out_width + head * dim;
            let d_rows = View::new(&d_out[at..], rows, dim, out_width);
            let values = View::new(&qkv[v..], end, dim, width);
            multiply(ViewMut::dense(d, rows, end), d_rows, values.transposed(), T::one(), false);
            let probabilities = View::dense(p, rows, end);
            let d_values = ViewMut::new(&mut d_qkv[v..], end, dim, width);
            multiply(d_values, probabilities.transposed(), d_rows, T::one(), true);

            for (row, (d, p)) in d.chunks_exact_mut(end).zip(p.chunks_exact(end)).enumerate() {
                let at = at + row * out_width;
                let dot = d_out[at..][..dim].iter().zip(&out[at..][..dim]).map(|(&a, &b)| a * b).sum();
                softmax_backward(d, p, dot);
            }
            let d = View::dense(d, rows, end);
            let keys = View::new(&qkv[k..], end, dim, width);
            let d_queries = ViewMut::new(&mut d_qkv[start * width + q..], rows, dim, width);
            multiply(d_queries, d, keys, heads.scale(), false);
            let queries = View::new(&qkv[start * width + q..], rows, dim, width);
            let d_keys = ViewMut::new(&mut d_qkv[k..], end, dim, width);
            multiply(d_keys, d.transposed(), queries, heads.scale(), true);
        }
    }
}

/// Scaled scores of a block of queries against every key up to the block's end.
fn score<T: Real>(scores: &mut [T], qkv: &[T], (q, k): (usize, usize), start: usize, heads: Heads) {
    let (width, dim) = (heads.qkv(), heads.dim);
    let rows = BLOCK.min(qkv.len() / width - start);
    let queries = View::new(&qkv[start * width + q..], rows, dim, width);
    let keys = View::new(&qkv[k..], start + rows, dim, width);
    multiply(ViewMut::dense(scores, rows, start + rows), queries, keys.transposed(), heads.scale(), false);
}
