//! Products of embeddings: exact search, one dot product a text.
//!
//! Embeddings are of length 1, so the dot product is the cosine.

/// Sums of partial products kept apart, so that the compiler can use SIMD lanes.
const LANES: usize = 16;

/// The dot product of two vectors of the same width, of which the second may be kept in fewer bits.
pub fn dot<T: Copy + Into<f32>>(a: &[f32], b: &[T]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * (*b).into();
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * (*b).into()).sum();
    sums.iter().sum::<f32>() + rest
}
