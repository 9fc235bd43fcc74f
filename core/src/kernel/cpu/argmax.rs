//! The index of each row's largest value, and ln of its softmax.

use burn::tensor::{Device, Tensor, TensorData};
use wide::f32x4;

use super::tensors::{Floats, tensor};
use crate::kernel::Likeliest;

/// See [`super::super::argmax`].
pub(in crate::kernel) fn argmax(logits: Tensor<2>) -> Likeliest {
    let [rows, width] = logits.dims();
    let logits = Floats::of(logits);
    let (mut ids, mut log_probabilities) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for row in logits.chunks_exact(width.max(1)) {
        let (id, largest) = first_largest(row);
        ids.push(id);
        log_probabilities.push(-sum_of_exponentials(row, largest).ln());
    }
    Likeliest {
        ids: Tensor::from_data(TensorData::new(ids, [rows]), &Device::flex()),
        log_probabilities: tensor(log_probabilities, [rows]),
    }
}

fn first_largest(row: &[f32]) -> (i32, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &value) in row.iter().enumerate() {
        if value > best.1 {
            best = (i as i32, value);
        }
    }
    best
}

/// `Σ exp(x − largest)`.
fn sum_of_exponentials(row: &[f32], largest: f32) -> f32 {
    let (vectors, rest) = row.as_chunks::<4>();
    let sum = |sum, &vector: &[f32; 4]| sum + (f32x4::new(vector) - f32x4::splat(largest)).exp();
    let sum = vectors.iter().fold(f32x4::ZERO, sum).reduce_add();
    sum + rest.iter().map(|value| (value - largest).exp()).sum::<f32>()
}
