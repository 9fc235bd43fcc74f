//! Ids on a device: of tokens, or of rows.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Token ids on a device.
pub fn token_ids(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let len = ids.len();
    Tensor::from_data(TensorData::new(ids, [len]), device)
}
