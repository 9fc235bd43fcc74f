//! What is done to each row by itself.

use burn::{
    backend::Wgpu,
    tensor::{DType, Int, Tensor},
};

use llavacode_shaders::{argmax as argmax_wgsl, rms_norm as rms_norm_wgsl, swiglu as swiglu_wgsl};

use super::launch::{
    Buffer::{Read, Write},
    Kernel, empty, empty_float, float, launch, tensor, workgroups,
};
use crate::kernel::operands::RmsNorm;

fn rms_norm_kernel() -> Kernel {
    Kernel::new(rms_norm_wgsl::SOURCE, 3)
}

fn swiglu_kernel() -> Kernel {
    Kernel::new(swiglu_wgsl::SOURCE, 2)
}

fn argmax_kernel() -> Kernel {
    Kernel::new(argmax_wgsl::SOURCE, 2)
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
    let params = rms_norm_wgsl::Params { rows: rows as u32, width: width as u32, eps: norm.eps as f32 };
    let buffers = [Read(&x), Read(&weight), Write(&y)];
    launch(rms_norm_kernel(), workgroups(rows), &buffers, &params.words());
    tensor(y)
}

/// See [`super::super::swiglu`].
pub(in crate::kernel) fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    let [rows, both] = gate_up.dims();
    let width = both / 2;
    let gate_up = float(gate_up);
    let y = empty_float(&gate_up, [rows, width]);
    let params = swiglu_wgsl::Params { rows: rows as u32, width: width as u32 };
    // A thread owns one element.
    let grid = workgroups((rows * width).div_ceil(swiglu_wgsl::THREADS));
    launch(swiglu_kernel(), grid, &[Read(&gate_up), Write(&y)], &params.words());
    tensor(y)
}

/// See [`super::super::argmax`].
pub(in crate::kernel) fn argmax(logits: Tensor<2>) -> Tensor<1, Int> {
    let [rows, width] = logits.dims();
    let logits = float(logits);
    let y = empty(&logits, [rows], DType::I32);
    let params = argmax_wgsl::Params { rows: rows as u32, width: width as u32 };
    launch(argmax_kernel(), workgroups(rows), &[Read(&logits), Write(&y)], &params.words());
    Tensor::from_primitive::<Wgpu>(y)
}
