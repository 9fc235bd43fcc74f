//! Products with weight matrices.

use burn::tensor::Tensor;

use super::{rms_norm::rms_norm, weights::dense};
use crate::{kernel::operands::RmsNorm, quant::Matrix};

/// See [`super::super::linear`].
pub fn linear(
    x: Tensor<2>,
    weight: &Matrix,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let mut y = x.matmul(dense(weight).transpose());
    if let Some(bias) = bias {
        y = y + bias.unsqueeze();
    }
    match residual {
        Some(residual) => y + residual,
        None => y,
    }
}

/// See [`super::super::norm_linear`].
pub fn norm_linear(x: Tensor<2>, norm: &RmsNorm, weight: &Matrix, bias: Option<Tensor<1>>) -> Tensor<2> {
    linear(rms_norm(x, norm), weight, bias, None)
}
