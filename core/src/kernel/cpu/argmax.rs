//! The index of each row's largest value.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::tensors::Floats;

/// See [`super::super::argmax`].
pub(in crate::kernel) fn argmax(logits: Tensor<2>) -> Tensor<1, Int> {
    let [rows, width] = logits.dims();
    let logits = Floats::of(logits);
    let first_largest = |row: &[f32]| {
        let mut best = (0, f32::NEG_INFINITY);
        for (i, &value) in row.iter().enumerate() {
            if value > best.1 {
                best = (i as i32, value);
            }
        }
        best.0
    };
    let ids: Vec<i32> = logits.chunks_exact(width.max(1)).map(first_largest).collect();
    Tensor::from_data(TensorData::new(ids, [rows]), &Device::flex())
}
