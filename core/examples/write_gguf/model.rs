//! The models: published sizes, and the tensors that llama.cpp's converter makes of them, in its
//! order.

/// A model's sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    /// Its name on the command line.
    pub(crate) key: &'static str,
    /// `general.name`.
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    pub(crate) layers: usize,
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    pub(crate) key_value_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) feed_forward: usize,
    /// Rows of the embedding.
    pub(crate) vocabulary: usize,
    pub(crate) context: usize,
    pub(crate) rope_base: f32,
    pub(crate) epsilon: f32,
    /// Standard deviation of the matrices.
    pub(crate) deviation: f32,
}

/// An architecture, with the vocabulary that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// SmolLM2's kind: no biases, rows of q and k in pairs, its digits and special tokens.
    Llama,
    /// Qwen2.5-Coder's: biases of q, k and v.
    Qwen2,
    /// Qwen3-Embedding's: q and k normed, heads of a width of their own.
    Qwen3Embedding,
}

const QWEN_CODER_0_5B: Model = Model {
    key: "qwen2.5-coder-0.5b",
    name: "Qwen2.5 Coder 0.5B (random weights)",
    family: Family::Qwen2,
    layers: 24,
    hidden: 896,
    heads: 14,
    key_value_heads: 2,
    head_dim: 64,
    feed_forward: 4864,
    vocabulary: 151_936,
    context: 32_768,
    rope_base: 1e6,
    epsilon: 1e-6,
    deviation: 0.02,
};

/// Far smaller, with weights that are large enough for an error to show.
const TINY_QWEN2: Model = Model {
    key: "tiny-qwen2",
    name: "Tiny Qwen2 (random weights)",
    layers: 2,
    hidden: 64,
    heads: 4,
    key_value_heads: 2,
    head_dim: 16,
    feed_forward: 96,
    vocabulary: 384,
    context: 2048,
    deviation: 0.2,
    ..QWEN_CODER_0_5B
};

/// All that can be written.
pub(crate) const MODELS: [Model; 6] = [
    QWEN_CODER_0_5B,
    Model {
        key: "qwen2.5-coder-1.5b",
        name: "Qwen2.5 Coder 1.5B (random weights)",
        layers: 28,
        hidden: 1536,
        heads: 12,
        head_dim: 128,
        feed_forward: 8960,
        ..QWEN_CODER_0_5B
    },
    Model {
        key: "qwen3-embedding-0.6b",
        name: "Qwen3 Embedding 0.6B (random weights)",
        family: Family::Qwen3Embedding,
        layers: 28,
        hidden: 1024,
        heads: 16,
        key_value_heads: 8,
        head_dim: 128,
        feed_forward: 3072,
        vocabulary: 151_669,
        ..QWEN_CODER_0_5B
    },
    TINY_QWEN2,
    Model {
        key: "tiny-llama",
        name: "Tiny Llama (random weights)",
        family: Family::Llama,
        rope_base: 1e5,
        epsilon: 1e-5,
        ..TINY_QWEN2
    },
    Model {
        key: "tiny-qwen3-embedding",
        name: "Tiny Qwen3 Embedding (random weights)",
        family: Family::Qwen3Embedding,
        head_dim: 32,
        ..TINY_QWEN2
    },
];

/// What a tensor is for, where that decides its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Embedding,
    /// Values of a layer.
    Value(usize),
    /// The way down of a layer's feed-forward network.
    Down(usize),
    /// Another matrix.
    Other,
    /// A norm's weight: about one.
    Norm,
    Bias,
}

/// A tensor to be written.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// The innermost size first, as in the file: what goes in, then what comes out.
    pub(crate) shape: Vec<u64>,
    pub(crate) part: Part,
}

impl Model {
    /// Mean and standard deviation of a part's random weights.
    pub(crate) fn spread(&self, part: Part) -> (f32, f32) {
        match part {
            Part::Norm => (1.0, 0.1),
            Part::Bias => (0.0, 0.1),
            _ => (0.0, self.deviation),
        }
    }

    /// All tensors.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let Self { hidden, head_dim, feed_forward, .. } = *self;
        let (queries, keys) = (self.heads * head_dim, self.key_value_heads * head_dim);
        let mut tensors = Vec::new();
        let mut add = |name: String, shape: &[usize], part| {
            tensors.push(Tensor { name, shape: shape.iter().map(|&size| size as u64).collect(), part });
        };
        add("token_embd.weight".into(), &[hidden, self.vocabulary], Part::Embedding);
        for layer in 0..self.layers {
            let mut add = |part: &str, shape: &[usize], kind| add(format!("blk.{layer}.{part}"), shape, kind);
            add("attn_norm.weight", &[hidden], Part::Norm);
            add("ffn_down.weight", &[feed_forward, hidden], Part::Down(layer));
            add("ffn_gate.weight", &[hidden, feed_forward], Part::Other);
            add("ffn_up.weight", &[hidden, feed_forward], Part::Other);
            add("ffn_norm.weight", &[hidden], Part::Norm);
            for (name, rows, part) in [
                ("attn_k", keys, Part::Other),
                ("attn_q", queries, Part::Other),
                ("attn_v", keys, Part::Value(layer)),
            ] {
                match self.family {
                    Family::Qwen2 => add(&format!("{name}.bias"), &[rows], Part::Bias),
                    Family::Qwen3Embedding if name != "attn_v" => {
                        add(&format!("{name}_norm.weight"), &[head_dim], Part::Norm);
                    }
                    _ => {}
                }
                add(&format!("{name}.weight"), &[hidden, rows], part);
            }
            add("attn_output.weight", &[queries, hidden], Part::Other);
        }
        add("output_norm.weight".into(), &[hidden], Part::Norm);
        tensors
    }
}
