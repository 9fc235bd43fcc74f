//! Ranking by embeddings: exact search, one dot product a chunk.
//!
//! Embeddings are L2-normalised, so the dot product is the cosine. 10,000 chunks of 1,024
//! numbers are 10 M multiply-adds, a few milliseconds: an approximate index would not pay.

use super::fusion::Scored;

/// Sums of partial products kept apart, so that the compiler can use SIMD lanes.
const LANES: usize = 16;

/// The dot product of two vectors of the same width.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The similarity of every text that has an embedding of the query's width.
pub fn similarities<'a>(query: &[f32], embeddings: impl Iterator<Item = (u32, &'a [f32])>) -> Vec<Scored> {
    embeddings
        .filter(|(_, embedding)| embedding.len() == query.len())
        .map(|(slot, embedding)| Scored { slot, score: dot(query, embedding) })
        .collect()
}
