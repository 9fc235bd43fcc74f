//! The fused operations the models are written in.
//!
//! Each has three bodies. [`reference`](mod@reference) says what it means, in burn's own operations: it runs
//! on every backend, and autodiff differentiates it. `gpu` does it fast, with WGSL of `shaders/`, and `cpu`
//! with the processor's vectors; [`bodies`] says who is asked. [`dot_rows`] has no body in `cpu`: there the
//! index multiplies its own memory. `tests/kernels/checks/` compares both with the
//! reference on random shapes.
//!
//! Operations are of families. A family has the same name in these five rooms: `reference/`, `gpu/`, `cpu/`,
//! `tests/kernels/checks/`, and `shaders/`, where it is a file, or a folder with a file for each kernel.
//!
//! | family | operations | kernels |
//! |---|---|---|
//! | `append_turned` | [`append_turned`] | |
//! | `argmax` | [`argmax`] | |
//! | `attention` | [`attention`] | `query` for one new token, `tile` for many |
//! | `dot_rows` | [`dot_rows`] | |
//! | `feed_forward` | [`norm_gate_up`], [`swiglu`] | `gate_up_vector` for one row, `swiglu` |
//! | `gather_rows` | [`gather_rows`] | |
//! | `linear` | [`linear`], [`norm_linear`] | `vector` for one row, `tile` for many, `direct` for many on a software GPU |
//! | `rms_norm` | [`rms_norm`] | |
//! | `rope_and_append` | [`rope_and_append`] | |
//! | `ceilings` | none: it measures the device ([`ceilings`]) | `read`, `multiply_add` |
//!
//! `weights`, beside them, says how a weight matrix is read; its WGSL is in `shaders/parts/`.
//!
//! Rows are tokens: activations are `[rows, width]`. A batch of `b` sequences of `t` tokens is
//! `b · t` rows, one sequence after the other ([`Span`]).

pub mod ceilings;
mod cpu;
mod gpu;
mod operands;
pub mod reference;

use burn::tensor::{Int, Tensor};

pub use self::{
    cpu::threads,
    gpu::{Shader, check_shaders, launches, shaders},
    operands::{ByteRows, Heads, LayerCache, LayerStates, Likeliest, Move, RmsNorm, RopeTable, Span},
};
use crate::{
    device::{Bodies, bodies},
    quant::Matrix,
};

/// An operation by the body that its device has.
macro_rules! on {
    ($device:expr, $operation:ident($($argument:expr),*)) => {
        match bodies(&$device) {
            Bodies::Gpu => gpu::$operation($($argument),*),
            Bodies::Cpu => cpu::$operation($($argument),*),
            Bodies::Reference => reference::$operation($($argument),*),
        }
    };
}

/// RMSNorm of every row.
///
/// # Shapes
/// - `x`: `[rows, width]`
/// - result: `[rows, width]`
pub fn rms_norm(x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
    on!(x.device(), rms_norm(x, norm))
}

/// `x · Wᵀ + bias + residual`.
///
/// # Shapes
/// - `x`: `[rows, in_features]`
/// - `bias`: `[out_features]`
/// - `residual`, result: `[rows, out_features]`
pub fn linear(
    x: Tensor<2>,
    weight: &Matrix,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    on!(x.device(), linear(x, weight, bias, residual))
}

/// [`rms_norm`], then [`linear`]. One launch for a single row.
pub fn norm_linear(x: Tensor<2>, norm: &RmsNorm, weight: &Matrix, bias: Option<Tensor<1>>) -> Tensor<2> {
    on!(x.device(), norm_linear(x, norm, weight, bias))
}

/// [`rms_norm`], the gate and up projections, and SwiGLU: `silu(gate) · up`. One launch for a
/// single row.
///
/// # Shapes
/// - `gate_up`: `[2 · intermediate, width]`, the gate's rows first
/// - result: `[rows, intermediate]`
pub fn norm_gate_up(x: Tensor<2>, norm: &RmsNorm, gate_up: &Matrix) -> Tensor<2> {
    on!(x.device(), norm_gate_up(x, norm, gate_up))
}

/// `silu(gate) · up`, with `silu(g) = g / (1 + exp(-g))`.
///
/// # Shapes
/// - `gate_up`: `[rows, 2 · intermediate]`, the gate's columns first
/// - result: `[rows, intermediate]`
pub fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    on!(gate_up.device(), swiglu(gate_up))
}

/// Splits q, k and v, normalises q's and k's heads where the architecture does (Qwen3), rotates
/// them (halves: element `i` pairs with `i + dim/2`), and writes k and v into the cache at the
/// span's positions. On the GPU the cache is written in place.
///
/// # Shapes
/// - `qkv`: `[batch · len, (query + 2 · key_value) · dim]`
/// - `qk_norm`: weights of `[dim]`, for q and for k
/// - result: rotated q, `[batch · len, query · dim]`, and the cache
///
/// # Panics
/// If the span ends beyond the cache's capacity or the rope table.
pub fn rope_and_append(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTable,
    qk_norm: Option<(&RmsNorm, &RmsNorm)>,
    cache: LayerCache,
    span: Span,
) -> (Tensor<2>, LayerCache) {
    on!(qkv.device(), rope_and_append(qkv, heads, rope, qk_norm, cache, span))
}

/// Puts keys and values that were read at other positions into the cache: RoPE turns a key by its
/// position, so turning it once more by as many positions as it moved gives the key it would have had
/// there. On the GPU and the processor the cache is written in place.
///
/// # Panics
/// If they end beyond the cache's capacity, or moved farther than the rope table goes.
pub fn append_turned(states: &LayerStates, rope: &RopeTable, cache: LayerCache, moved: Move) -> LayerCache {
    let ([_, _, len, _], [_, _, capacity, _]) = (states.keys.dims(), cache.keys.dims());
    let ([positions, _], end) = (rope.cos.dims(), moved.to + len);
    assert!(
        end <= capacity && moved.distance() < positions,
        "positions up to {end} moved by {}, a cache of {capacity}, a rope table of {positions}",
        moved.distance()
    );
    on!(states.keys.device(), append_turned(states, rope, cache, moved))
}

/// The products of one vector with many of 8 bits a number.
///
/// # Shapes
/// - `x`: `[width]`
/// - result: `[rows]`
pub fn dot_rows(x: Tensor<1>, rows: &ByteRows) -> Tensor<1> {
    match bodies(&x.device()) {
        Bodies::Gpu => gpu::dot_rows(x, rows),
        Bodies::Cpu | Bodies::Reference => reference::dot_rows(x, rows),
    }
}

/// Causal grouped-query attention over the cache: row `i` of a sequence sees positions
/// `0..=start + i`. `softmax(q · kᵀ / sqrt(dim)) · v`.
///
/// # Shapes
/// - `q`, result: `[batch · len, query · dim]`
pub fn attention(q: Tensor<2>, heads: Heads, cache: &LayerCache, span: Span) -> Tensor<2> {
    on!(q.device(), attention(q, heads, cache, span))
}

/// Rows of a matrix by index.
///
/// # Shapes
/// - `ids`: `[rows]`
/// - result: `[rows, in_features]`
pub fn gather_rows(ids: Tensor<1, Int>, weight: &Matrix) -> Tensor<2> {
    on!(ids.device(), gather_rows(ids, weight))
}

/// Index of the largest value of each row, the lowest where several are equal, and its log-probability.
///
/// # Shapes
/// - `logits`: `[rows, width]`
/// - result: `[rows]` each
pub fn argmax(logits: Tensor<2>) -> Likeliest {
    on!(logits.device(), argmax(logits))
}
