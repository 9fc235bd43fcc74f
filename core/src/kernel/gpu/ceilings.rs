//! The two kernels that only measure.

use burn::tensor::Tensor;
use cubecl::prelude::CubeCount;
use llavacode_shaders::ceilings as wgsl;

use super::launch::{
    Buffer::{Read, Write},
    Kernel, empty_float, float, launch, tensor,
};

/// Workgroups of a launch: enough to fill a large GPU several times over.
const WORKGROUPS: usize = 1024;
/// Steps of each of a thread's chains in a launch.
const STEPS: usize = 256;
/// Chains of four a thread has, two operations a step.
const OPERATIONS_A_STEP: usize = 4 * 4 * 2;

/// Floating-point operations of one [`multiply_add`].
pub(in crate::kernel) const MULTIPLY_ADD_FLOPS: usize =
    WORKGROUPS * wgsl::multiply_add::THREADS * STEPS * OPERATIONS_A_STEP;

fn read_kernel() -> Kernel {
    Kernel::new(wgsl::read::SOURCE, 2)
}

fn multiply_add_kernel() -> Kernel {
    Kernel::new(wgsl::multiply_add::SOURCE, 1)
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    vec![read_kernel(), multiply_add_kernel()]
}

/// Reads all of `x`, whose length is a multiple of 4. The result sums parts of it.
pub(in crate::kernel) fn read(x: &Tensor<1>) -> Tensor<1> {
    let [len] = x.dims();
    let x = float(x.clone());
    let y = empty_float(&x, [WORKGROUPS * wgsl::read::THREADS]);
    let grid = CubeCount::Static(WORKGROUPS as u32, 1, 1);
    let params = wgsl::read::Params { count: (len / 4) as u32 };
    launch(read_kernel(), grid, &[Read(&x), Write(&y)], &params.words());
    tensor(y)
}

/// Multiplies and adds [`MULTIPLY_ADD_FLOPS`] times on the device of `beside`.
pub(in crate::kernel) fn multiply_add(beside: &Tensor<1>) -> Tensor<1> {
    let y = empty_float(&float(beside.clone()), [WORKGROUPS * wgsl::multiply_add::THREADS]);
    // 0.5 x + 1 goes to 2: no chain leaves the range of fast numbers.
    let params = wgsl::multiply_add::Params { steps: STEPS as u32, factor: 0.5, term: 1.0 };
    let grid = CubeCount::Static(WORKGROUPS as u32, 1, 1);
    launch(multiply_add_kernel(), grid, &[Write(&y)], &params.words());
    tensor(y)
}
