//! RMSNorm of every row.

use burn::tensor::Tensor;

use crate::kernel::operands::RmsNorm;

/// See [`super::super::rms_norm`].
pub fn rms_norm(x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
    normalise(x, norm)
}

/// Along the last dimension.
pub(super) fn normalise<const D: usize>(x: Tensor<D>, norm: &RmsNorm) -> Tensor<D> {
    let rms = (x.clone().powi_scalar(2).mean_dim(D - 1) + norm.eps).sqrt();
    (x / rms) * norm.weight.val().unsqueeze()
}
