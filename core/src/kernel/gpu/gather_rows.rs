//! Rows of a weight matrix by index.

use burn::tensor::{Int, Tensor};
use llavacode_shaders::gather_rows as wgsl;

use super::{
    launch::{Buffer::Read, Kernel, empty_float, int, tensor, workgroups},
    weights::{Weight, WeightLoader},
};
use crate::quant::Matrix;

fn kernel(loader: WeightLoader) -> Kernel {
    Kernel::new(wgsl::SOURCE, 2 + loader.buffers()).with_parts(loader.weights())
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    WeightLoader::ALL.map(kernel).into()
}

/// See [`super::super::gather_rows`].
pub(in crate::kernel) fn gather_rows(ids: Tensor<1, Int>, weight: &Matrix) -> Tensor<2> {
    let weight = Weight::new(weight);
    let [count] = ids.dims();
    let ids = int(ids);
    let y = empty_float(&ids, [count, weight.cols]);
    // A thread takes four elements of a row.
    let threads = count * weight.cols.div_ceil(4);
    for part in &weight.parts {
        let params = wgsl::Params {
            count: count as u32,
            all: weight.rows as u32,
            first: part.first as u32,
            rows: part.rows as u32,
            cols: weight.cols as u32,
        };
        part.launch(
            kernel(weight.loader),
            workgroups(threads.div_ceil(wgsl::THREADS)),
            [Read(&ids), weight.result(&y)],
            &params.words(),
        );
    }
    tensor(y)
}
