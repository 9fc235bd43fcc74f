//! The index of each row's largest value, and ln of its softmax.

use burn::{
    backend::Wgpu,
    tensor::{DType, Tensor},
};
use llavacode_shaders::argmax as wgsl;

use super::launch::{
    Buffer::{Read, Write},
    Kernel, empty, float, launch, workgroups,
};
use crate::kernel::Likeliest;

fn kernel() -> Kernel {
    Kernel::new(wgsl::SOURCE, 3)
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    vec![kernel()]
}

/// See [`super::super::argmax`].
pub(in crate::kernel) fn argmax(logits: Tensor<2>) -> Likeliest {
    let [rows, width] = logits.dims();
    let logits = float(logits);
    let ids = empty(&logits, [rows], DType::I32);
    let log_probabilities = empty(&logits, [rows], DType::F32);
    let params = wgsl::Params { rows: rows as u32, width: width as u32 };
    let buffers = [Read(&logits), Write(&ids), Write(&log_probabilities)];
    launch(kernel(), workgroups(rows), &buffers, &params.words());
    Likeliest {
        ids: Tensor::from_primitive::<Wgpu>(ids),
        log_probabilities: Tensor::from_primitive::<Wgpu>(log_probabilities),
    }
}
