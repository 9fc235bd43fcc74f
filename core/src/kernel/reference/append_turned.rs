//! Keys and values from other positions.

use burn::tensor::Tensor;

use crate::kernel::operands::{LayerCache, LayerStates, Move, RopeTable};

/// See [`super::super::append_turned`].
pub fn append_turned(states: &LayerStates, rope: &RopeTable, cache: LayerCache, moved: Move) -> LayerCache {
    let [batch, heads, len, dim] = states.keys.dims();
    let half = dim / 2;
    let angles = |table: &Tensor<2>| table.clone().narrow(0, moved.distance(), 1).unsqueeze::<4>();
    let (cos, sin) = (angles(&rope.cos), angles(&rope.sin));
    let sin = if moved.is_backwards() { -sin } else { sin };
    let part = |first: usize| states.keys.clone().narrow(3, first, half);
    let (first, second) = (part(0), part(half));
    let turned = Tensor::cat(
        vec![first.clone() * cos.clone() - second.clone() * sin.clone(), second * cos + first * sin],
        3,
    );
    let place = [0..batch, 0..heads, moved.to..moved.to + len, 0..dim];
    LayerCache {
        keys: cache.keys.slice_assign(place.clone(), turned),
        values: cache.values.slice_assign(place, states.values.clone()),
    }
}
