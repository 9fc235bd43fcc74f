//! Rotary embedding, and the key-value cache's update.

use burn::tensor::Tensor;

use super::rms_norm::normalise;
use crate::kernel::operands::{Heads, LayerCache, RmsNorm, RopeTable, Span};

/// See [`super::super::rope_and_append`].
pub fn rope_and_append(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTable,
    qk_norm: Option<(&RmsNorm, &RmsNorm)>,
    cache: LayerCache,
    span: Span,
) -> (Tensor<2>, LayerCache) {
    let Heads { query, key_value, dim } = heads;
    let Span { batch, start, len } = span;
    let part = |first: usize, count: usize| {
        qkv.clone().narrow(1, first * dim, count * dim).reshape([batch, len, count, dim]).swap_dims(1, 2)
    };
    let mut q = part(0, query);
    let mut k = part(query, key_value);
    let v = part(query + key_value, key_value);
    if let Some((q_norm, k_norm)) = qk_norm {
        q = normalise(q, q_norm);
        k = normalise(k, k_norm);
    }
    let (q, k) = (rotate(q, rope, start), rotate(k, rope, start));
    let place = [0..batch, 0..key_value, start..start + len, 0..dim];
    let cache = LayerCache {
        keys: cache.keys.slice_assign(place.clone(), k),
        values: cache.values.slice_assign(place, v),
    };
    (q.swap_dims(1, 2).reshape([batch * len, query * dim]), cache)
}

/// Rotates halves of `[batch, heads, len, dim]` by the positions `start..start + len`.
fn rotate(x: Tensor<4>, rope: &RopeTable, start: usize) -> Tensor<4> {
    let [_, _, len, dim] = x.dims();
    let cos = rope.cos.clone().narrow(0, start, len).unsqueeze::<4>();
    let sin = rope.sin.clone().narrow(0, start, len).unsqueeze::<4>();
    let first = x.clone().narrow(3, 0, dim / 2);
    let second = x.narrow(3, dim / 2, dim / 2);
    Tensor::cat(
        vec![first.clone() * cos.clone() - second.clone() * sin.clone(), second * cos + first * sin],
        3,
    )
}
