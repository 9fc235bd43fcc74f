//! Rotary embedding, and the key-value cache's update.

use burn::tensor::Tensor;

use super::{
    rms_norm::normalise,
    tensors::{Floats, tensor, update},
};
use crate::kernel::operands::{Heads, LayerCache, RmsNorm, RopeTable, Span};

/// See [`super::super::rope_and_append`].
pub(in crate::kernel) fn rope_and_append(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTable,
    qk_norm: Option<(&RmsNorm, &RmsNorm)>,
    cache: LayerCache,
    span: Span,
) -> (Tensor<2>, LayerCache) {
    let Heads { query, key_value, dim } = heads;
    let Span { batch, start, len } = span;
    let [_, _, capacity, _] = cache.keys.dims();
    assert!(start + len <= capacity, "the span ends at {}, the cache holds {capacity}", start + len);
    let (cos, sin) = (Floats::of(rope.cos.clone()), Floats::of(rope.sin.clone()));
    let norms = qk_norm.map(|(q, k)| [q, k].map(|norm| (Floats::of(norm.weight.val()), norm.eps)));
    let (q_norm, k_norm) = norms.as_ref().map(|[q, k]| (q, k)).unzip();
    let turn = |head: &mut [f32], position: usize, norm: Option<&(Floats, f64)>| {
        if let Some((weight, eps)) = norm {
            normalise(head, weight, *eps);
        }
        let half = dim / 2;
        let angles = cos[position * half..][..half].iter().zip(&sin[position * half..][..half]);
        let (first, second) = head.split_at_mut(half);
        for ((first, second), (cos, sin)) in first.iter_mut().zip(second).zip(angles) {
            (*first, *second) = (*first * cos - *second * sin, *second * cos + *first * sin);
        }
    };

    let qkv = Floats::of(qkv);
    let rows = || qkv.chunks_exact((query + 2 * key_value) * dim).enumerate();
    let mut q = Vec::with_capacity(batch * len * query * dim);
    for (row, values) in rows() {
        let place = q.len();
        q.extend_from_slice(&values[..query * dim]);
        q[place..].chunks_exact_mut(dim).for_each(|head| turn(head, start + row % len, q_norm));
    }
    // Heads `first..first + key_value` of every row to their places in one of the cache's sections.
    let append = |section: &mut [f32], first: usize, then: &dyn Fn(&mut [f32], usize)| {
        for (row, values) in rows() {
            let (sequence, position) = (row / len, start + row % len);
            for head in 0..key_value {
                let place = ((sequence * key_value + head) * capacity + position) * dim;
                let place = &mut section[place..][..dim];
                place.copy_from_slice(&values[(first + head) * dim..][..dim]);
                then(place, position);
            }
        }
    };
    let keys = update(cache.keys, |keys| append(keys, query, &|head, position| turn(head, position, k_norm)));
    let values = update(cache.values, |values| append(values, query + key_value, &|_, _| ()));
    (tensor(q, [batch * len, query * dim]), LayerCache { keys, values })
}
