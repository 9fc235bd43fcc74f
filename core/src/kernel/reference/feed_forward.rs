//! The first half of a feed-forward layer, and its activation.

use burn::tensor::{Tensor, activation};

use super::linear::norm_linear;
use crate::{kernel::operands::RmsNorm, quant::Matrix};

/// See [`super::super::norm_gate_up`].
pub fn norm_gate_up(x: Tensor<2>, norm: &RmsNorm, gate_up: &Matrix) -> Tensor<2> {
    swiglu(norm_linear(x, norm, gate_up, None))
}

/// See [`super::super::swiglu`].
pub fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    let [_, width] = gate_up.dims();
    let gate = gate_up.clone().narrow(1, 0, width / 2);
    let up = gate_up.narrow(1, width / 2, width / 2);
    activation::silu(gate) * up
}
