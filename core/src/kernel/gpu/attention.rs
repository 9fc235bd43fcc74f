//! Rotary embedding, the key-value cache, and attention over it.

use burn::tensor::Tensor;
use cubecl::prelude::CubeCount;

use super::launch::{
    Buffer::{Read, Update, Write},
    Kernel, empty_float, float, launch, shader, tensor, workgroups,
};
use crate::kernel::operands::{Heads, LayerCache, RmsNorm, RopeTable, Span};

/// Widest head that the kernels' workgroup memory holds.
const MAX_HEAD_DIM: usize = 128;
/// Rows of a query head that a workgroup of `attention_tile.wgsl` owns.
const TILE_ROWS: usize = 32;

fn rope_kernel() -> Kernel {
    Kernel::new("rope_and_append", shader!("rope_and_append.wgsl"), 8)
}

/// For one token or many. A head's elements are taken by fours, or by twos where its width is no
/// multiple of four.
fn attention_kernel(one_token: bool, dim: usize) -> Kernel {
    let width = if dim.is_multiple_of(4) { 4 } else { 2 };
    let (name, text) = if one_token {
        ("attention_query", shader!("attention_query.wgsl"))
    } else {
        ("attention_tile", shader!("attention_tile.wgsl"))
    };
    let constants = vec![("width", width as u32), ("lanes", (dim / width) as u32)];
    Kernel { constants, ..Kernel::new(name, text, 4) }
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
    let eps = qk_norm.map_or([0, 0], |(q, k)| [q.eps, k.eps].map(|eps| (eps as f32).to_bits()));
    let queries = empty_float(&qkv, [rows, query * dim]);
    let (keys, values) = (float(cache.keys), float(cache.values));
    let params = [
        rows as u32,
        span.len as u32,
        span.start as u32,
        query as u32,
        key_value as u32,
        (dim / 2) as u32,
        capacity as u32,
        qk_norm.is_some().into(),
        eps[0],
        eps[1],
    ];
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
        &params,
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
    let shared = [query as u32, key_value as u32, capacity as u32];
    let (grid, rest) = if len == 1 {
        let grid = CubeCount::Static(query as u32, batch as u32, 1);
        (grid, vec![(start + 1) as u32, scale.to_bits()])
    } else {
        let grid = CubeCount::Static(len.div_ceil(TILE_ROWS) as u32, query as u32, batch as u32);
        (grid, vec![len as u32, start as u32, scale.to_bits()])
    };
    launch(
        attention_kernel(len == 1, dim),
        grid,
        &[Read(&q), Read(&keys), Read(&values), Write(&y)],
        &[&shared[..], &rest].concat(),
    );
    tensor(y)
}

fn assert_head_dim(dim: usize) {
    assert!(
        dim.is_multiple_of(2) && dim <= MAX_HEAD_DIM,
        "heads of {dim}: even widths up to {MAX_HEAD_DIM} are possible"
    );
}
