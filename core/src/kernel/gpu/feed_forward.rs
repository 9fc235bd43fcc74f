//! The first half of a feed-forward layer, and its activation.

use burn::tensor::Tensor;
use llavacode_shaders::feed_forward::{gate_up_vector, swiglu as swiglu_wgsl};

use super::{
    launch::{
        Buffer::{Read, Write},
        Kernel, empty_float, float, launch, tensor, workgroups,
    },
    linear::norm_linear,
    vector_shape::VectorShape,
    weights::{Weight, WeightLoader},
};
use crate::{kernel::operands::RmsNorm, quant::Matrix};

fn gate_up_kernel(loader: WeightLoader, shape: VectorShape) -> Kernel {
    let kernel = Kernel::new(gate_up_vector::SOURCE, 3 + loader.buffers());
    Kernel { constants: shape.constants(), ..kernel.with_parts(loader.weights()) }
}

fn swiglu_kernel() -> Kernel {
    Kernel::new(swiglu_wgsl::SOURCE, 2)
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    let vectors = WeightLoader::ALL.into_iter().filter(|loader| loader.has_vector_kernels());
    let vectors = vectors.flat_map(|loader| VectorShape::ALL.map(|shape| gate_up_kernel(loader, shape)));
    vectors.chain([swiglu_kernel()]).collect()
}

/// See [`super::super::norm_gate_up`].
pub(in crate::kernel) fn norm_gate_up(x: Tensor<2>, norm: &RmsNorm, gate_up: &Matrix) -> Tensor<2> {
    let weight = Weight::new(gate_up);
    let [rows, cols] = x.dims();
    // A gate and its up lie in different parts of a split matrix.
    let whole = match weight.parts.as_slice() {
        [part] if rows == 1 && weight.loader.has_vector_kernels() => part,
        _ => return swiglu(norm_linear(x, norm, gate_up, None)),
    };
    assert_eq!(cols, weight.cols, "x is [{rows}, {cols}], the matrix [{}, {}]", weight.rows, weight.cols);
    let shape = VectorShape::of(&x.device());
    let (x, norm_weight) = (float(x), float(norm.weight.val()));
    let intermediate = weight.rows / 2;
    let y = empty_float(&x, [1, intermediate]);
    let params =
        gate_up_vector::Params { cols: cols as u32, rows: intermediate as u32, norm_eps: norm.eps as f32 };
    whole.launch(
        gate_up_kernel(weight.loader, shape),
        workgroups(intermediate.div_ceil(shape.rows_per_workgroup())),
        [Read(&x), Read(&norm_weight), Write(&y)],
        &params.words(),
    );
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
