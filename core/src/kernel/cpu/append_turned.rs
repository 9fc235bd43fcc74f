//! Keys and values from other positions.

use super::tensors::{Floats, update};
use crate::kernel::operands::{LayerCache, LayerStates, Move, RopeTable};

/// See [`super::super::append_turned`].
pub(in crate::kernel) fn append_turned(
    states: &LayerStates,
    rope: &RopeTable,
    cache: LayerCache,
    moved: Move,
) -> LayerCache {
    let [_, _, len, dim] = states.keys.dims();
    let [_, _, capacity, _] = cache.keys.dims();
    let half = dim / 2;
    let (cos, sin) = (Floats::of(rope.cos.clone()), Floats::of(rope.sin.clone()));
    let row = moved.distance() * half..(moved.distance() + 1) * half;
    let sign = if moved.is_backwards() { -1.0 } else { 1.0 };
    let angles: Vec<(f32, f32)> =
        cos[row.clone()].iter().zip(&sin[row]).map(|(&cos, &sin)| (cos, sign * sin)).collect();
    // A head's positions lie one after the other, here and there.
    let places =
        move |head: usize| (head * capacity + moved.to) * dim..(head * capacity + moved.to + len) * dim;
    let (read_keys, read_values) = (Floats::of(states.keys.clone()), Floats::of(states.values.clone()));
    let keys = update(cache.keys, |keys| {
        for (head, read) in read_keys.chunks_exact(len * dim).enumerate() {
            let turned = keys[places(head)].chunks_exact_mut(dim).zip(read.chunks_exact(dim));
            for (to, from) in turned {
                let ((first, second), (to_first, to_second)) = (from.split_at(half), to.split_at_mut(half));
                for (i, &(cos, sin)) in angles.iter().enumerate() {
                    to_first[i] = first[i] * cos - second[i] * sin;
                    to_second[i] = second[i] * cos + first[i] * sin;
                }
            }
        }
    });
    let values = update(cache.values, |values| {
        for (head, read) in read_values.chunks_exact(len * dim).enumerate() {
            values[places(head)].copy_from_slice(read);
        }
    });
    LayerCache { keys, values }
}
