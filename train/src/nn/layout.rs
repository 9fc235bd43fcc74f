//! Where each tensor lies in the flat vector that holds all parameters of a model.
//!
//! Gradients and the optimiser's state are vectors of the same layout. Tensors that are used as
//! one matrix (q over k over v, gate over up) lie next to each other.

use std::ops::Range;

use super::{attention::Heads, real::Real};

/// Sizes of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Rows of the embedding, which is the head too.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Head counts and width.
    pub heads: Heads,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// RMSNorm over each head of q and k: Qwen3.
    pub qk_norm: bool,
    /// Biases on q, k and v: Qwen2. Llama has neither.
    pub qkv_bias: bool,
    /// Under the root of every norm.
    pub eps: f64,
    /// Base of the rotary angles.
    pub rope_theta: f64,
}

/// How a tensor starts and which rule updates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Normal of standard deviation 0.02; AdamW.
    Embedding,
    /// Normal of standard deviation 0.02, `out` matrices smaller by √(2·layers); Muon.
    Matrix {
        /// Adds to the residual stream.
        out: bool,
    },
    /// Ones; AdamW without decay.
    Norm,
    /// Zeros; AdamW without decay.
    Bias,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Hugging Face's name, without the `model.` before it.
    pub name: String,
    /// Rows and columns; one row for a vector.
    pub rows: usize,
    /// See `rows`.
    pub cols: usize,
    /// Where it begins.
    pub start: usize,
    /// How it starts and is updated.
    pub kind: Kind,
}

impl Tensor {
    /// Its place.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.rows * self.cols
    }

    /// Its shape in a checkpoint.
    pub fn shape(&self) -> Vec<usize> {
        match self.kind {
            Kind::Norm | Kind::Bias => vec![self.cols],
            Kind::Embedding | Kind::Matrix { .. } => vec![self.rows, self.cols],
        }
    }
}

/// Places of a layer's parts.
#[derive(Debug, Clone)]
pub struct LayerRanges {
    /// `[hidden]`
    pub input_norm: Range<usize>,
    /// `[heads.qkv(), hidden]`
    pub qkv: Range<usize>,
    /// `[heads.qkv()]`, empty but for Qwen2.
    pub qkv_bias: Range<usize>,
    /// `[dim]`, empty but for Qwen3.
    pub q_norm: Range<usize>,
    /// `[dim]`, empty but for Qwen3.
    pub k_norm: Range<usize>,
    /// `[hidden, query · dim]`
    pub output: Range<usize>,
    /// `[hidden]`
    pub post_norm: Range<usize>,
    /// `[2 · intermediate, hidden]`
    pub gate_up: Range<usize>,
    /// `[hidden, intermediate]`
    pub down: Range<usize>,
}

/// All tensors of a model.
#[derive(Debug, Clone)]
pub struct Layout {
    /// In their order in the vector.
    pub tensors: Vec<Tensor>,
    /// By layer.
    pub layers: Vec<LayerRanges>,
    /// `[vocabulary, hidden]`
    pub embedding: Range<usize>,
    /// `[hidden]`
    pub norm: Range<usize>,
    /// Elements altogether.
    pub len: usize,
}

impl Layout {
    /// Lays a model out.
    pub fn new(shape: &Shape) -> Self {
        let mut all = Tensors::default();
        let (hidden, Heads { query, key_value, dim }) = (shape.hidden, shape.heads);
        let embedding = all.push("embed_tokens.weight".into(), shape.vocabulary, hidden, Kind::Embedding);
        let mut layers = Vec::new();
        for index in 0..shape.layers {
            let at = |name: &str| format!("layers.{index}.{name}");
            let vector = |all: &mut Tensors, name: &str, len: usize, kind| all.push(at(name), 1, len, kind);
            let matrix = |all: &mut Tensors, name: &str, rows, cols, out| {
                all.push(at(name), rows, cols, Kind::Matrix { out })
            };
            let all = &mut all;
            let input_norm = vector(all, "input_layernorm.weight", hidden, Kind::Norm);
            let q = matrix(all, "self_attn.q_proj.weight", query * dim, hidden, false);
            matrix(all, "self_attn.k_proj.weight", key_value * dim, hidden, false);
            let v = matrix(all, "self_attn.v_proj.weight", key_value * dim, hidden, false);
            let (mut qkv_bias, mut q_norm, mut k_norm) = (0..0, 0..0, 0..0);
            if shape.qk_norm {
                q_norm = vector(all, "self_attn.q_norm.weight", dim, Kind::Norm);
                k_norm = vector(all, "self_attn.k_norm.weight", dim, Kind::Norm);
            }
            if shape.qkv_bias {
                let q = vector(all, "self_attn.q_proj.bias", query * dim, Kind::Bias);
                vector(all, "self_attn.k_proj.bias", key_value * dim, Kind::Bias);
                let v = vector(all, "self_attn.v_proj.bias", key_value * dim, Kind::Bias);
                qkv_bias = q.start..v.end;
            }
            let output = matrix(all, "self_attn.o_proj.weight", hidden, query * dim, true);
            let post_norm = vector(all, "post_attention_layernorm.weight", hidden, Kind::Norm);
            let gate = matrix(all, "mlp.gate_proj.weight", shape.intermediate, hidden, false);
            let up = matrix(all, "mlp.up_proj.weight", shape.intermediate, hidden, false);
            let down = matrix(all, "mlp.down_proj.weight", hidden, shape.intermediate, true);
            layers.push(LayerRanges {
                input_norm,
                qkv: q.start..v.end,
                qkv_bias,
                q_norm,
                k_norm,
                output,
                post_norm,
                gate_up: gate.start..up.end,
                down,
            });
        }
        let norm = all.push("norm.weight".into(), 1, hidden, Kind::Norm);
        Self { tensors: all.0, layers, embedding, len: norm.end, norm }
    }

    /// A fresh model.
    pub fn init<T: Real>(&self, layers: usize, random: &mut crate::random::SplitMix64) -> Vec<T> {
        let mut values = vec![T::zero(); self.len];
        for tensor in &self.tensors {
            let place = &mut values[tensor.range()];
            let deviation = match tensor.kind {
                Kind::Embedding | Kind::Matrix { out: false } => 0.02,
                Kind::Matrix { out: true } => 0.02 / (2.0 * layers as f64).sqrt(),
                Kind::Bias => continue,
                Kind::Norm => {
                    place.fill(T::one());
                    continue;
                }
            };
            place.iter_mut().for_each(|value| *value = T::of(deviation * random.normal()));
        }
        values
    }
}

#[derive(Default)]
struct Tensors(Vec<Tensor>);

impl Tensors {
    fn push(&mut self, name: String, rows: usize, cols: usize, kind: Kind) -> Range<usize> {
        let start = self.0.last().map_or(0, |last| last.range().end);
        self.0.push(Tensor { name, rows, cols, start, kind });
        start..start + rows * cols
    }
}
