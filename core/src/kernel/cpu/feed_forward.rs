//! The first half of a feed-forward layer, and its activation.

use burn::tensor::Tensor;
use wide::f32x4;

use super::{
    linear::norm_linear,
    tensors::{Floats, tensor},
};
use crate::{kernel::operands::RmsNorm, quant::Matrix};

/// See [`super::super::norm_gate_up`].
pub(in crate::kernel) fn norm_gate_up(x: Tensor<2>, norm: &RmsNorm, gate_up: &Matrix) -> Tensor<2> {
    swiglu(norm_linear(x, norm, gate_up, None))
}

/// See [`super::super::swiglu`].
pub(in crate::kernel) fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    let [rows, both] = gate_up.dims();
    let width = both / 2;
    let gate_up = Floats::of(gate_up);
    let mut y = vec![0.0; rows * width];
    for (row, y) in gate_up.chunks_exact(both.max(1)).zip(y.chunks_exact_mut(width.max(1))) {
        let (gate, up) = row.split_at(width);
        let (gates, gate_rest) = gate.as_chunks::<4>();
        let (ups, up_rest) = up.as_chunks::<4>();
        let (places, rest) = y.as_chunks_mut::<4>();
        for ((place, &gate), &up) in places.iter_mut().zip(gates).zip(ups) {
            let gate = f32x4::new(gate);
            *place = (gate / (f32x4::ONE + (-gate).exp()) * f32x4::new(up)).to_array();
        }
        for ((place, gate), up) in rest.iter_mut().zip(gate_rest).zip(up_rest) {
            *place = gate / (1.0 + (-gate).exp()) * up;
        }
    }
    tensor(y, [rows, width])
}
