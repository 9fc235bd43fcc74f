//! RMSNorm of every row.

use burn::tensor::Tensor;
use llavacode_shaders::rms_norm as wgsl;

use super::launch::{
    Buffer::{Read, Write},
    Kernel, empty_float, float, launch, tensor, workgroups,
};
use crate::kernel::operands::RmsNorm;

fn kernel() -> Kernel {
    Kernel::new(wgsl::SOURCE, 3)
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    vec![kernel()]
}

/// See [`super::super::rms_norm`].
pub(in crate::kernel) fn rms_norm(x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
    let [rows, width] = x.dims();
    let (x, weight) = (float(x), float(norm.weight.val()));
    let y = empty_float(&x, [rows, width]);
    let params = wgsl::Params { rows: rows as u32, width: width as u32, eps: norm.eps as f32 };
    launch(kernel(), workgroups(rows), &[Read(&x), Read(&weight), Write(&y)], &params.words());
    tensor(y)
}
