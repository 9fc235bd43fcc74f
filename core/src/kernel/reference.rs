//! What each kernel means, in burn's own operations.

use burn::tensor::{Bool, Int, Tensor, activation};

use super::operands::{Heads, LayerCache, RmsNorm, RopeTable, Span};
use crate::quant::{Blocks, Matrix, QuantizedMatrix};

/// See [`super::rms_norm`].
pub fn rms_norm(x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
    normalise(x, norm)
}

fn normalise<const D: usize>(x: Tensor<D>, norm: &RmsNorm) -> Tensor<D> {
    let rms = (x.clone().powi_scalar(2).mean_dim(D - 1) + norm.eps).sqrt();
    (x / rms) * norm.weight.val().unsqueeze()
}

/// See [`super::linear`].
pub fn linear(
    x: Tensor<2>,
    weight: &Matrix,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let mut y = x.matmul(dense(weight).transpose());
    if let Some(bias) = bias {
        y = y + bias.unsqueeze();
    }
    match residual {
        Some(residual) => y + residual,
        None => y,
    }
}

/// The matrix as 32-bit floats, `[out_features, in_features]`.
///
/// # Panics
/// On wasm, if the matrix is quantized: unpacking reads the device. Models on a device
/// without kernels are dense.
pub fn dense(weight: &Matrix) -> Tensor<2> {
    match weight {
        Matrix::Dense(m) => m.weight.val(),
        Matrix::Quantized(m) => unpack(m),
        Matrix::Split(m) => Tensor::cat(m.parts.iter().map(dense).collect(), 0),
    }
}

fn unpack(m: &QuantizedMatrix) -> Tensor<2> {
    let words = |t: &Tensor<1, Int>| t.to_data().iter::<u32>().collect::<Vec<u32>>();
    let blocks = Blocks::from_words(words(&m.values), &words(&m.scales));
    let values = crate::quant::unpack(&blocks, m.format);
    Tensor::from_data(burn::tensor::TensorData::new(values, [m.rows, m.cols]), &m.values.device())
}

/// See [`super::swiglu`].
pub fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    let [_, width] = gate_up.dims();
    let gate = gate_up.clone().narrow(1, 0, width / 2);
    let up = gate_up.narrow(1, width / 2, width / 2);
    activation::silu(gate) * up
}

/// See [`super::rope_and_append`].
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

/// See [`super::attention`].
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

/// See [`super::gather_rows`].
pub fn gather_rows(ids: Tensor<1, Int>, weight: &Matrix) -> Tensor<2> {
    dense(weight).select(0, ids)
}

/// See [`super::argmax`].
pub fn argmax(logits: Tensor<2>) -> Tensor<1, Int> {
    logits.argmax(1).squeeze_dim(1)
}
