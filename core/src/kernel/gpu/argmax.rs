//! The index of each row's largest value.

use burn::{
    backend::Wgpu,
    tensor::{DType, Int, Tensor},
};
use llavacode_shaders::argmax as wgsl;

use super::launch::{
    Buffer::{Read, Write},
    Kernel, empty, float, launch, workgroups,
};

fn kernel() -> Kernel {
    Kernel::new(wgsl::SOURCE, 2)
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    vec![kernel()]
}

/// See [`super::super::argmax`].
pub(in crate::kernel) fn argmax(logits: Tensor<2>) -> Tensor<1, Int> {
    let [rows, width] = logits.dims();
    let logits = float(logits);
    let y = empty(&logits, [rows], DType::I32);
    let params = wgsl::Params { rows: rows as u32, width: width as u32 };
    launch(kernel(), workgroups(rows), &[Read(&logits), Write(&y)], &params.words());
    Tensor::from_primitive::<Wgpu>(y)
}
