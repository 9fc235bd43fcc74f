//! Products of one vector with many of 8 bits a number.

use burn::tensor::{Tensor, TensorData};

use crate::kernel::ByteRows;

/// See [`super::super::dot_rows`].
///
/// # Panics
/// On wasm, if the rows are on a GPU: unpacking reads the device.
pub fn dot_rows(x: Tensor<1>, rows: &ByteRows) -> Tensor<1> {
    let ([width], count) = (x.dims(), rows.count());
    let words: Vec<u32> = rows.values.to_data().iter::<u32>().collect();
    let values: Vec<f32> = bytemuck::cast_slice(&words).iter().map(|&value: &i8| f32::from(value)).collect();
    let values = Tensor::<2>::from_data(TensorData::new(values, [count, width]), &x.device());
    values.matmul(x.reshape([width, 1])).reshape([count]) * rows.scales.clone()
}
