//! RMSNorm of every row.

use burn::tensor::Tensor;
use wide::f32x4;

use super::tensors::{Floats, tensor};
use crate::kernel::operands::RmsNorm;

/// See [`super::super::rms_norm`].
pub(in crate::kernel) fn rms_norm(x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
    let shape = x.dims();
    tensor(normed(&Floats::of(x), norm), shape)
}

/// The norm of every row.
pub(super) fn normed(x: &[f32], norm: &RmsNorm) -> Vec<f32> {
    let weight = Floats::of(norm.weight.val());
    let mut y = x.to_vec();
    y.chunks_exact_mut(weight.len().max(1)).for_each(|row| normalise(row, &weight, norm.eps));
    y
}

/// `row / sqrt(mean(row²) + eps) · weight`.
pub(super) fn normalise(row: &mut [f32], weight: &[f32], eps: f64) {
    let inverse = 1.0 / (dot(row, row) / row.len() as f32 + eps as f32).sqrt();
    for (value, weight) in row.iter_mut().zip(weight) {
        *value = *value * inverse * weight;
    }
}

/// The sum of two rows' products.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<4>();
    let (b, b_rest) = b.as_chunks::<4>();
    let products = a.iter().zip(b).map(|(&a, &b)| f32x4::new(a) * f32x4::new(b));
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    products.fold(f32x4::ZERO, |sum, product| sum + product).reduce_add() + rest
}
