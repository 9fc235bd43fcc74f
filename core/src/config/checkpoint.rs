//! A decoder's `config.json`, field by field.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A decoder's `config.json`: Qwen2 and Llama (readers) and Qwen3 (the encoder) share these fields.
/// Names are Hugging Face's, so that serde reads the checkpoint's file as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// `qwen2`, `qwen3` or `llama`.
    pub model_type: ModelType,
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads (grouped-query attention).
    pub num_key_value_heads: usize,
    /// Width of a head; without it, `hidden_size / num_attention_heads`.
    #[serde(default)]
    pub head_dim: Option<usize>,
    /// Longest sequence the checkpoint was trained for.
    pub max_position_embeddings: usize,
    /// Epsilon of every RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary embedding.
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    /// Whether the head shares the embedding's matrix.
    #[serde(default)]
    pub tie_word_embeddings: bool,
}

/// Which of the architectures a checkpoint has. They differ in what stands before attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelType {
    /// Biases on q, k and v; no QK-norm.
    Qwen2,
    /// No biases; RMSNorm over each head of q and k.
    Qwen3,
    /// No biases; no QK-norm.
    Llama,
}

impl ModelType {
    /// Its name in `config.json` and, the same, in GGUF files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Llama => "llama",
        }
    }

    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Qwen2, Self::Qwen3, Self::Llama];
}

fn default_rope_theta() -> f64 {
    10_000.0
}

impl DecoderConfig {
    /// Reads a `config.json`. `file` is named in the errors.
    ///
    /// # Errors
    /// [`Error::Format`] if it is not such a file, [`Error::UnsupportedConfig`] if its numbers
    /// cannot be right (heads that do not divide, an odd head width, a zero).
    pub fn from_json(file: &str, json: &[u8]) -> Result<Self> {
        let refuse = |e: serde_json::Error| Error::Format {
            file: file.into(),
            format: "a decoder's config.json",
            reason: e.to_string(),
        };
        let mut fields: serde_json::Value = serde_json::from_slice(json).map_err(refuse)?;
        // transformers 5 writes the base of the rotary embedding one level down.
        if let Some(theta) = fields.pointer("/rope_parameters/rope_theta").cloned() {
            fields["rope_theta"] = theta;
        }
        let config = Self::deserialize(&fields).map_err(refuse)?;
        config.check(file)?;
        config.check_variants(file, &fields)?;
        Ok(config)
    }

    /// Refuses what these architectures can have and this implementation does not do; ignoring it
    /// would give wrong numbers without a word.
    fn check_variants(&self, file: &str, fields: &serde_json::Value) -> Result<()> {
        let is = |pointer: &str, plain: &[&str]| match fields.pointer(pointer) {
            None | Some(serde_json::Value::Null) => true,
            Some(value) => value.as_str().is_some_and(|text| plain.contains(&text)),
        };
        let set = |pointer: &str| fields.pointer(pointer) == Some(&serde_json::Value::Bool(true));
        let unsupported = [
            (!is("/hidden_act", &["silu"]), "hidden_act must be silu"),
            (!is("/rope_parameters/rope_type", &["default"]), "rope_parameters: only the default type"),
            (!is("/rope_scaling", &[]), "rope_scaling must be null"),
            (set("/use_sliding_window"), "use_sliding_window must be false"),
            (
                self.model_type != ModelType::Qwen2 && set("/attention_bias"),
                "attention_bias must be false in a qwen3 or llama model",
            ),
            (set("/mlp_bias"), "mlp_bias must be false"),
        ];
        match unsupported.into_iter().find(|(found, _)| *found) {
            Some((_, reason)) => Err(Error::UnsupportedConfig { file: file.into(), reason: reason.into() }),
            None => Ok(()),
        }
    }

    /// Refuses sizes that cannot be right.
    pub(crate) fn check(&self, file: &str) -> Result<()> {
        let refuse = |reason: String| Err(Error::UnsupportedConfig { file: file.into(), reason });
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        // Bounds far above any model of this kind keep products of two sizes within 32 bits.
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 20),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 12),
            ("num_attention_heads", heads, 1 << 12),
            ("num_key_value_heads", kv_heads, 1 << 12),
            ("head_dim", self.head_dim.unwrap_or(1), 1 << 12),
        ];
        if let Some((name, size, most)) =
            sizes.into_iter().find(|(_, size, most)| !(1..=*most).contains(size))
        {
            return refuse(format!("{name} is {size}; it must lie between 1 and {most}"));
        }
        if !heads.is_multiple_of(kv_heads) {
            return refuse(format!(
                "num_attention_heads {heads} is no multiple of num_key_value_heads {kv_heads}"
            ));
        }
        if self.head_dim.is_none() && !self.hidden_size.is_multiple_of(heads) {
            return refuse(format!(
                "hidden_size {} is no multiple of num_attention_heads {heads}",
                self.hidden_size
            ));
        }
        if !self.head_dim().is_multiple_of(2) {
            return refuse(format!("head_dim {} is odd; rotary embedding needs pairs", self.head_dim()));
        }
        Ok(())
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// Width of q, k and v side by side: what the fused projection gives.
    pub fn qkv_size(&self) -> usize {
        (self.num_attention_heads + 2 * self.num_key_value_heads) * self.head_dim()
    }
}
