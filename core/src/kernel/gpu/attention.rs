//! Rotary embedding, the key-value cache, and attention over it.

use burn::tensor::Tensor;
use cubecl::prelude::CubeCount;
use llavacode_shaders::{attention_query, attention_tile, rope_and_append as rope_append};

use super::launch::{
    Buffer::{Read, Update, Write},
    Kernel, empty_float, float, launch, tensor, workgroups,
};
use crate::kernel::operands::{Heads, LayerCache, RmsNorm, RopeTable, Span};

/// Widest head that the kernels' workgroup memory holds.
const MAX_HEAD_DIM: usize = 128;

fn rope_kernel() -> Kernel {
    Kernel::new(rope_append::SOURCE, 8)
}

/// For one token or many. A head's elements are taken by fours, or by twos where its width is no
/// multiple of four.
fn attention_kernel(one_token: bool, dim: usize) -> Kernel {
    let width = if dim.is_multiple_of(4) { 4 } else { 2 };
    let source = if one_token { attention_query::SOURCE } else { attention_tile::SOURCE };
    let constants = vec![("width", width as u32), ("lanes", (dim / width) as u32)];
    Kernel { constants, ..Kernel::new(source, 4) }
}

/// Every kernel of this file, for the head widths of the published checkpoints and for odd ones.
pub(super) fn kernels() -> Vec<Kernel> {
    [2, 6, 32, 48, 64, 80, 96, 126, 128]
        .into_iter()
        .flat_map(|dim| [attention_kernel(true, dim), attention_kernel(false, dim)])
        .chain([rope_kernel()])
        .collect()
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
    let params = rope_append::Params {
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
        rope_kernel(),
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

/// See [`super::super::attention`].
pub(in crate::kernel) fn attention(q: Tensor<2>, heads: Heads, cache: &LayerCache, span: Span) -> Tensor<2> {
    let Heads { query, key_value, dim } = heads;
    let Span { batch, start, len } = span;
    let [_, _, capacity, _] = cache.keys.dims();
    assert!(start + len <= capacity, "positions up to {}, a cache of {capacity}", start + len);
    assert_head_dim(dim);

    let q = float(q);
    let (keys, values) = (float(cache.keys.clone()), float(cache.values.clone()));
    let y = empty_float(&q, [batch * len, query * dim]);
    let scale = (1.0 / (dim as f64).sqrt()) as f32;
    let [query_heads, kv_heads, capacity] = [query, key_value, capacity].map(|count| count as u32);
    let (grid, params) = if len == 1 {
        let end = (start + 1) as u32;
        let params = attention_query::Params { query_heads, kv_heads, capacity, end, scale };
        (CubeCount::Static(query_heads, batch as u32, 1), params.words().to_vec())
    } else {
        let tiles = len.div_ceil(attention_tile::TILE_ROWS) as u32;
        let [len, start] = [len, start].map(|count| count as u32);
        let params = attention_tile::Params { query_heads, kv_heads, capacity, len, start, scale };
        (CubeCount::Static(tiles, query_heads, batch as u32), params.words().to_vec())
    };
    let buffers = [Read(&q), Read(&keys), Read(&values), Write(&y)];
    launch(attention_kernel(len == 1, dim), grid, &buffers, &params);
    tensor(y)
}

fn assert_head_dim(dim: usize) {
    assert!(
        dim.is_multiple_of(2) && dim <= MAX_HEAD_DIM,
        "heads of {dim}: even widths up to {MAX_HEAD_DIM} are possible"
    );
}
