//! A weight matrix in floats.

use burn::tensor::{Int, Tensor, TensorData};

use crate::quant::{self, Blocks, Matrix, QuantizedMatrix};

/// The matrix as 32-bit floats, `[out_features, in_features]`.
///
/// # Panics
/// On wasm, if the matrix is in blocks on a GPU: unpacking reads the device.
pub fn dense(weight: &Matrix) -> Tensor<2> {
    match weight {
        Matrix::Dense(m) => m.weight.val(),
        Matrix::Quantized(m) => unpack(m),
        Matrix::Split(m) => Tensor::cat(m.parts.iter().map(dense).collect(), 0),
    }
}

fn unpack(m: &QuantizedMatrix) -> Tensor<2> {
    let words = |t: &Tensor<1, Int>| t.to_data().iter::<u32>().collect::<Vec<u32>>();
    let blocks = Blocks::from_words(words(&m.values), &words(&m.scales));
    let values = quant::unpack(&blocks, m.format);
    Tensor::from_data(TensorData::new(values, [m.rows, m.cols]), &m.values.device())
}
