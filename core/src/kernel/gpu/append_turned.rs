//! Keys and values from other positions.

use burn::tensor::Tensor;
use llavacode_shaders::append_turned as wgsl;

use super::launch::{
    Buffer::{Read, Update},
    Kernel, float, launch, tensor, workgroups,
};
use crate::kernel::operands::{LayerCache, LayerStates, Move, RopeTable};

fn kernel() -> Kernel {
    Kernel::new(wgsl::SOURCE, 6)
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    vec![kernel()]
}

/// See [`super::super::append_turned`].
pub(in crate::kernel) fn append_turned(
    states: &LayerStates,
    rope: &RopeTable,
    cache: LayerCache,
    moved: Move,
) -> LayerCache {
    let [batch, heads, len, dim] = states.keys.dims();
    let [_, _, capacity, _] = cache.keys.dims();
    let floats = |tensor: &Tensor<4>| float(tensor.clone());
    let (read_keys, read_values) = (floats(&states.keys), floats(&states.values));
    let (cos, sin) = (float(rope.cos.clone()), float(rope.sin.clone()));
    let (keys, values) = (float(cache.keys), float(cache.values));
    let params = wgsl::Params {
        heads: (batch * heads) as u32,
        len: len as u32,
        start: moved.to as u32,
        half_dim: (dim / 2) as u32,
        capacity: capacity as u32,
        distance: moved.distance() as u32,
        backwards: moved.is_backwards().into(),
    };
    // A thread owns a pair of elements.
    let grid = workgroups((batch * heads * len * dim / 2).div_ceil(wgsl::THREADS));
    let buffers =
        [Read(&read_keys), Read(&read_values), Read(&cos), Read(&sin), Update(&keys), Update(&values)];
    launch(kernel(), grid, &buffers, &params.words());
    LayerCache { keys: tensor(keys), values: tensor(values) }
}
