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
    weights::{Plan, Weights},
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
    /// Runs the layer on the span's rows and appends their keys and values to the cache.
    ///
    /// # Shapes
    /// - `x`, result: `[batch · len, hidden]`
    ///
    /// # Panics
    /// If the span ends beyond the cache.
    pub fn forward(
        &self,
        x: Tensor<2>,
        rope: &RopeTable,
        cache: LayerCache,
        span: Span,
    ) -> (Tensor<2>, LayerCache) {
        let bias = self.qkv_bias.as_ref().map(Param::val);
        let qkv = kernel::norm_linear(x.clone(), &self.input_norm, &self.qkv, bias);
        let qk_norm = self.q_norm.as_ref().zip(self.k_norm.as_ref());
        let (q, cache) = kernel::rope_and_append(qkv, self.heads, rope, qk_norm, cache, span);
        let attended = kernel::attention(q, self.heads, &cache, span);
        let x = kernel::linear(attended, &self.output, None, Some(x));
        let gated = kernel::norm_gate_up(x.clone(), &self.post_attention_norm, &self.gate_up);
        (kernel::linear(gated, &self.down, None, Some(x)), cache)
    }

    /// Asks for the weights of layer `index`.
    pub(super) fn plan(config: &DecoderConfig, index: usize, format: FormatChoice, plan: &mut Plan) {
        let at = |name: &str| format!("layers.{index}.{name}");
        let Heads { query, key_value, dim } = heads(config);
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let qkv = |what: &str| {
            [("q", query), ("k", key_value), ("v", key_value)]
                .map(|(name, heads)| (at(&format!("self_attn.{name}_proj.{what}")), heads * dim))
        };
        plan.matrix(at("self_attn.qkv_proj.weight"), &qkv("weight"), hidden, format);
        let mut vector = |name: &str, len| plan.vector(at(name), &[(at(name), len)], 1.0);
        vector("input_layernorm.weight", hidden);
        vector("post_attention_layernorm.weight", hidden);
        match config.model_type {
            ModelType::Qwen2 => plan.vector(at("self_attn.qkv_proj.bias"), &qkv("bias"), 0.0),
            ModelType::Qwen3 => {
                vector("self_attn.q_norm.weight", dim);
                vector("self_attn.k_norm.weight", dim);
            }
            ModelType::Llama => {}
        }
        let mut matrix = |name: &str, rows, cols| plan.matrix(at(name), &[(at(name), rows)], cols, format);
        matrix("self_attn.o_proj.weight", hidden, query * dim);
        matrix("mlp.down_proj.weight", hidden, intermediate);
        let gate_up = ["gate", "up"].map(|name| (at(&format!("mlp.{name}_proj.weight")), intermediate));
        plan.matrix(at("mlp.gate_up_proj.weight"), &gate_up, hidden, format);
    }

    /// Takes the weights that [`Self::plan`] asked for.
    pub(super) fn from_weights(config: &DecoderConfig, index: usize, weights: &mut Weights) -> Result<Self> {
        let at = |name: &str| format!("layers.{index}.{name}");
        let eps = config.rms_norm_eps;
        let norm = |weight| RmsNorm { weight: Param::from_tensor(weight), eps };
        Ok(Self {
            input_norm: norm(weights.vector(&at("input_layernorm.weight"))?),
            qkv: weights.matrix(&at("self_attn.qkv_proj.weight"))?,
            qkv_bias: weights.vector_if_present(&at("self_attn.qkv_proj.bias")).map(Param::from_tensor),
            q_norm: weights.vector_if_present(&at("self_attn.q_norm.weight")).map(norm),
            k_norm: weights.vector_if_present(&at("self_attn.k_norm.weight")).map(norm),
            output: weights.matrix(&at("self_attn.o_proj.weight"))?,
            post_attention_norm: norm(weights.vector(&at("post_attention_layernorm.weight"))?),
            gate_up: weights.matrix(&at("mlp.gate_up_proj.weight"))?,
            down: weights.matrix(&at("mlp.down_proj.weight"))?,
            heads: heads(config),
        })
    }
}

/// The config's head counts and width.
pub fn heads(config: &DecoderConfig) -> Heads {
    Heads { query: config.num_attention_heads, key_value: config.num_key_value_heads, dim: config.head_dim() }
}
