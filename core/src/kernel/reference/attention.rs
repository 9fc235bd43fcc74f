//! Attention over the key-value cache.

use burn::tensor::{Bool, Tensor, activation};

use crate::kernel::operands::{Heads, LayerCache, Span};

/// See [`super::super::attention`].
pub fn attention(q: Tensor<2>, heads: Heads, cache: &LayerCache, span: Span) -> Tensor<2> {
    let Heads { query, key_value, dim } = heads;
    let Span { batch, start, len } = span;
    let end = start + len;
    // A key-value head serves a group of query heads: the group becomes part of the rows.
    let group = query / key_value;
    let q = q.reshape([batch, len, key_value, group, dim]).permute([0, 2, 3, 1, 4]).reshape([
        batch,
        key_value,
        group * len,
        dim,
    ]);
    let seen = [0..batch, 0..key_value, 0..end, 0..dim];
    let (k, v) = (cache.keys.clone().slice(seen.clone()), cache.values.clone().slice(seen));
    let scores = q.matmul(k.swap_dims(2, 3)) / (dim as f64).sqrt();
    let hidden = Tensor::<2, Bool>::tril_mask([len, end], start as i64, &scores.device())
        .unsqueeze::<3>()
        .repeat_dim(0, group)
        .reshape([1, 1, group * len, end]);
    let weights = activation::softmax(scores.mask_fill(hidden, f32::MIN), 3);
    weights
        .matmul(v)
        .reshape([batch, key_value, group, len, dim])
        .permute([0, 3, 1, 2, 4])
        .reshape([batch * len, query * dim])
}
