//! A decoder layer of Llama (arXiv 2302.13971), Qwen2 (arXiv 2407.10671) and Qwen3 (arXiv 2505.09388).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use crate::{
    Result,
    config::{DecoderConfig, FormatChoice, ModelType},
    kernel::{self, Heads, LayerCache, RmsNorm, RopeTable, Span},
    quant::Matrix,
    weights::Tensors,
};

/// Pre-norm transformer layer: `x += attention(norm(x))`, then `x += mlp(norm(x))`.
///
/// Projections that read the same input are one matrix: q over k over v, and gate over up.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Before attention.
    pub input_norm: RmsNorm,
    /// `[(query + 2 · key_value) · dim, hidden]`: q's rows, then k's, then v's.
    pub qkv: Matrix,
    /// `[(query + 2 · key_value) · dim]`; Qwen2 has it.
    pub qkv_bias: Option<Param<Tensor<1>>>,
    /// Over each head of q, before rotation; Qwen3 has it.
    pub q_norm: Option<RmsNorm>,
    /// Over each head of k, before rotation; Qwen3 has it.
    pub k_norm: Option<RmsNorm>,
    /// `[hidden, query · dim]`.
    pub output: Matrix,
    /// Before the feed-forward part.
    pub post_attention_norm: RmsNorm,
    /// `[2 · intermediate, hidden]`: the gate's rows, then up's.
    pub gate_up: Matrix,
    /// `[hidden, intermediate]`.
    pub down: Matrix,
    /// Head counts and width.
    #[module(skip)]
    pub heads: Heads,
}

impl DecoderLayer {
    /// Runs the layer on the span's rows and appends their keys and values to the cache. The result has the
    /// rows that `pick` takes out: for the others only keys, values and attention are computed.
    ///
    /// # Shapes
    /// - `x`: `[batch · len, hidden]`
    /// - result: `[rows picked, hidden]`
    ///
    /// # Panics
    /// If the span ends beyond the cache.
    pub fn forward(
        &self,
        x: Tensor<2>,
        rope: &RopeTable,
        cache: LayerCache,
        span: Span,
        pick: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> (Tensor<2>, LayerCache) {
        let bias = self.qkv_bias.as_ref().map(Param::val);
        let qkv = kernel::norm_linear(x.clone(), &self.input_norm, &self.qkv, bias);
        let qk_norm = self.q_norm.as_ref().zip(self.k_norm.as_ref());
        let (q, cache) = kernel::rope_and_append(qkv, self.heads, rope, qk_norm, cache, span);
        let attended = kernel::attention(q, self.heads, &cache, span);
        let x = kernel::linear(pick(attended), &self.output, None, Some(pick(x)));
        let gated = kernel::norm_gate_up(x.clone(), &self.post_attention_norm, &self.gate_up);
        (kernel::linear(gated, &self.down, None, Some(x)), cache)
    }

    /// The layer of these tensors.
    pub(super) fn new(
        config: &DecoderConfig,
        format: FormatChoice,
        mut tensors: Tensors<'_>,
    ) -> Result<Self> {
        let heads @ Heads { query, key_value, dim } = heads(config);
        let (hidden, intermediate, eps) = (config.hidden_size, config.intermediate_size, config.rms_norm_eps);
        let qkv_parts = |what: &str| {
            [("q", query), ("k", key_value), ("v", key_value)]
                .map(|(name, heads)| (format!("{name}_proj.{what}"), heads * dim))
        };
        let gate_up_parts = ["gate_proj.weight", "up_proj.weight"].map(|name| (name, intermediate));

        let mut attention = tensors.pp("self_attn");
        let qkv = attention.matrix_of(&qkv_parts("weight"), hidden, format)?;
        let (mut qkv_bias, mut q_norm, mut k_norm) = (None, None, None);
        match config.model_type {
            ModelType::Qwen2 => qkv_bias = Some(attention.vector_of(&qkv_parts("bias"), 0.0)?),
            ModelType::Qwen3 => {
                q_norm = Some(rms_norm(attention.pp("q_norm"), dim, eps)?);
                k_norm = Some(rms_norm(attention.pp("k_norm"), dim, eps)?);
            }
            ModelType::Llama => {}
        }
        let output = attention.matrix("o_proj.weight", [hidden, query * dim], format)?;
        let mut mlp = tensors.pp("mlp");
        let gate_up = mlp.matrix_of(&gate_up_parts, hidden, format)?;
        let down = mlp.matrix("down_proj.weight", [hidden, intermediate], format)?;
        Ok(Self {
            input_norm: rms_norm(tensors.pp("input_layernorm"), hidden, eps)?,
            qkv,
            qkv_bias,
            q_norm,
            k_norm,
            output,
            post_attention_norm: rms_norm(tensors.pp("post_attention_layernorm"), hidden, eps)?,
            gate_up,
            down,
            heads,
        })
    }
}

/// The norm of these tensors.
pub(super) fn rms_norm(mut tensors: Tensors<'_>, width: usize, eps: f64) -> Result<RmsNorm> {
    Ok(RmsNorm { weight: tensors.vector("weight", width, 1.0)?, eps })
}

/// The config's head counts and width.
pub fn heads(config: &DecoderConfig) -> Heads {
    Heads { query: config.num_attention_heads, key_value: config.num_key_value_heads, dim: config.head_dim() }
}
