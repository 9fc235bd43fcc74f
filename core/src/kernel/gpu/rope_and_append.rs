//! Rotary embedding, and the key-value cache's update.

use burn::tensor::Tensor;
use llavacode_shaders::rope_and_append as wgsl;

use super::launch::{
    Buffer::{Read, Update, Write},
    Kernel, empty_float, float, launch, tensor, workgroups,
};
use crate::kernel::operands::{Heads, LayerCache, RmsNorm, RopeTable, Span};

fn kernel() -> Kernel {
    Kernel::new(wgsl::SOURCE, 8)
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    vec![kernel()]
}

/// Stops at heads that this kernel, and those of attention, cannot take.
pub(super) fn assert_head_dim(dim: usize) {
    let widest = wgsl::MAX_HEAD_DIM;
    assert!(
        dim.is_multiple_of(2) && dim <= widest,
        "heads of {dim}: even widths up to {widest} are possible"
    );
}

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
    let rows = span.batch * span.len;
    let [_, _, capacity, _] = cache.keys.dims();
    let [positions, _] = rope.cos.dims();
    let end = span.start + span.len;
    assert!(
        end <= capacity && end <= positions,
        "positions up to {end}, a cache of {capacity}, a rope table of {positions}"
    );
    assert_head_dim(dim);
    let all_heads = query + 2 * key_value;
    assert_eq!(qkv.dims(), [rows, all_heads * dim], "rows of q, k and v");

    let qkv = float(qkv);
    let (cos, sin) = (float(rope.cos.clone()), float(rope.sin.clone()));
    let norms = qk_norm.map(|(q, k)| (float(q.weight.val()), float(k.weight.val())));
    // Without norms their bindings repeat the cosines, so that one kernel serves both cases.
    let (query_norm, key_norm) = norms.as_ref().map_or((&cos, &cos), |(q, k)| (q, k));
    let [query_eps, key_eps] = qk_norm.map_or([0.0, 0.0], |(q, k)| [q.eps, k.eps].map(|eps| eps as f32));
    let queries = empty_float(&qkv, [rows, query * dim]);
    let (keys, values) = (float(cache.keys), float(cache.values));
    let params = wgsl::Params {
        rows: rows as u32,
        len: span.len as u32,
        start: span.start as u32,
        query_heads: query as u32,
        kv_heads: key_value as u32,
        half_dim: (dim / 2) as u32,
        capacity: capacity as u32,
        has_norm: qk_norm.is_some().into(),
        query_eps,
        key_eps,
    };
    launch(
        kernel(),
        workgroups(rows * all_heads),
        &[
            Read(&qkv),
            Read(&cos),
            Read(&sin),
            Read(query_norm),
            Read(key_norm),
            Write(&queries),
            Update(&keys),
            Update(&values),
        ],
        &params.words(),
    );
    (tensor(queries), LayerCache { keys: tensor(keys), values: tensor(values) })
}
