//! Attention over the key-value cache.

use burn::tensor::Tensor;
use cubecl::prelude::CubeCount;
use llavacode_shaders::attention as wgsl;

use super::{
    launch::{
        Buffer::{Read, Write},
        Kernel, empty_float, float, launch, tensor,
    },
    rope_and_append::assert_head_dim,
};
use crate::kernel::operands::{Heads, LayerCache, Span};

/// For one token or many. A head's elements are taken by fours, or by twos where its width is no
/// multiple of four.
fn kernel(one_token: bool, dim: usize) -> Kernel {
    let width = if dim.is_multiple_of(4) { 4 } else { 2 };
    let source = if one_token { wgsl::query::SOURCE } else { wgsl::tile::SOURCE };
    let constants = vec![("width", width as u32), ("lanes", (dim / width) as u32)];
    Kernel { constants, ..Kernel::new(source, 4) }
}

/// Every kernel of this family, for the head widths of the published checkpoints and for odd ones.
pub(super) fn kernels() -> Vec<Kernel> {
    [2, 6, 32, 48, 64, 80, 96, 126, 128]
        .into_iter()
        .flat_map(|dim| [kernel(true, dim), kernel(false, dim)])
        .collect()
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
        let params = wgsl::query::Params { query_heads, kv_heads, capacity, end, scale };
        (CubeCount::Static(query_heads, batch as u32, 1), params.words().to_vec())
    } else {
        let tiles = len.div_ceil(wgsl::tile::TILE_ROWS) as u32;
        let [len, start] = [len, start].map(|count| count as u32);
        let params = wgsl::tile::Params { query_heads, kv_heads, capacity, len, start, scale };
        (CubeCount::Static(tiles, query_heads, batch as u32), params.words().to_vec())
    };
    let buffers = [Read(&q), Read(&keys), Read(&values), Write(&y)];
    launch(kernel(len == 1, dim), grid, &buffers, &params);
    tensor(y)
}
