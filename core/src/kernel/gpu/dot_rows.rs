//! Products of one vector with many of 8 bits a number.

use burn::tensor::Tensor;
use llavacode_shaders::dot_rows as wgsl;

use super::launch::{
    Buffer::{Read, Write},
    Kernel, empty_float, float, int, launch, tensor, workgroups,
};
use crate::kernel::ByteRows;

fn kernel() -> Kernel {
    Kernel::new(wgsl::SOURCE, 4)
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    vec![kernel()]
}

/// See [`super::super::dot_rows`].
pub(in crate::kernel) fn dot_rows(x: Tensor<1>, rows: &ByteRows) -> Tensor<1> {
    let ([width], count) = (x.dims(), rows.count());
    let (x, values, scales) = (float(x), int(rows.values.clone()), float(rows.scales.clone()));
    let y = empty_float(&x, [count]);
    let params = wgsl::Params { rows: count as u32, words: (width / 4) as u32 };
    let buffers = [Read(&x), Read(&values), Read(&scales), Write(&y)];
    launch(kernel(), workgroups(count.div_ceil(wgsl::ROWS)), &buffers, &params.words());
    tensor(y)
}
