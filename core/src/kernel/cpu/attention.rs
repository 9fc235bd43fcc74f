//! Attention over the key-value cache.

use burn::tensor::Tensor;

use super::{
    tensors::{Floats, tensor},
    threads,
};
use crate::kernel::operands::{Heads, LayerCache, Span};

/// See [`super::super::attention`].
pub(in crate::kernel) fn attention(q: Tensor<2>, heads: Heads, cache: &LayerCache, span: Span) -> Tensor<2> {
    let [_, _, capacity, _] = cache.keys.dims();
    let shape = q.dims();
    let (q, keys, values) = (Floats::of(q), Floats::of(cache.keys.clone()), Floats::of(cache.values.clone()));
    let mut y = vec![0.0; q.len()];
    threads::attention(&q, heads, [&keys, &values], capacity, span, &mut y);
    tensor(y, shape)
}
