//! What is done to each row by itself.

use burn::{
    backend::Wgpu,
    tensor::{DType, Int, Tensor},
};

use super::launch::{
    Buffer::{Read, Write},
    Kernel, empty, empty_float, float, launch, shader, tensor, workgroups,
};
use crate::kernel::operands::RmsNorm;

/// Elements of a workgroup of `swiglu.wgsl`.
const SWIGLU_ELEMENTS: usize = 256;

fn rms_norm_kernel() -> Kernel {
    Kernel::new("rms_norm", shader!("rms_norm.wgsl"), 3)
}

fn swiglu_kernel() -> Kernel {
    Kernel::new("swiglu", shader!("swiglu.wgsl"), 2)
}

fn argmax_kernel() -> Kernel {
    Kernel::new("argmax", shader!("argmax.wgsl"), 2)
}

/// Every kernel of this file.
pub(super) fn kernels() -> Vec<Kernel> {
    vec![rms_norm_kernel(), swiglu_kernel(), argmax_kernel()]
}

/// See [`super::super::rms_norm`].
pub(in crate::kernel) fn rms_norm(x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
    let [rows, width] = x.dims();
    let (x, weight) = (float(x), float(norm.weight.val()));
    let y = empty_float(&x, [rows, width]);
    launch(
        rms_norm_kernel(),
        workgroups(rows),
        &[Read(&x), Read(&weight), Write(&y)],
        &[rows as u32, width as u32, (norm.eps as f32).to_bits()],
    );
    tensor(y)
}

/// See [`super::super::swiglu`].
pub(in crate::kernel) fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    let [rows, both] = gate_up.dims();
    let width = both / 2;
    let gate_up = float(gate_up);
    let y = empty_float(&gate_up, [rows, width]);
    launch(
        swiglu_kernel(),
        workgroups((rows * width).div_ceil(SWIGLU_ELEMENTS)),
        &[Read(&gate_up), Write(&y)],
        &[rows as u32, width as u32],
    );
    tensor(y)
}

/// See [`super::super::argmax`].
pub(in crate::kernel) fn argmax(logits: Tensor<2>) -> Tensor<1, Int> {
    let [rows, width] = logits.dims();
    let logits = float(logits);
    let y = empty(&logits, [rows], DType::I32);
    let params = [rows as u32, width as u32];
    launch(argmax_kernel(), workgroups(rows), &[Read(&logits), Write(&y)], &params);
    Tensor::from_primitive::<Wgpu>(y)
}
