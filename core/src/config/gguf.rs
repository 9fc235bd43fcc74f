//! A decoder's sizes out of a GGUF file's metadata.

use super::{DecoderConfig, ModelType};
use crate::{Error, Result, weights::Header};

/// llama.cpp's converter leaves it out where it is the model's own default.
const DEFAULT_ROPE_THETA: f64 = 10_000.0;

impl DecoderConfig {
    /// The sizes that a GGUF file's metadata and tensors say.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is no GGUF file or lacks a size, [`Error::UnsupportedConfig`] if
    /// its architecture is none of [`ModelType::ALL`], it scales its rotary embedding, or its numbers
    /// cannot be right.
    pub fn from_gguf(header: &Header) -> Result<Self> {
        let refuse = |reason: String| Error::UnsupportedConfig { file: header.file().into(), reason };
        let Some(metadata) = header.metadata() else {
            return Err(refuse(
                "it has no config.json beside it, and is no GGUF file, which needs none".into(),
            ));
        };
        let name = metadata.architecture()?;
        let Some(model_type) = ModelType::ALL.into_iter().find(|model_type| model_type.name() == name) else {
            let known = ModelType::ALL.map(ModelType::name).join(", ");
            return Err(refuse(format!("its architecture is {name}; {known} can be run")));
        };
        let key = |key: &str| format!("{name}.{key}");
        let size = |part: &str| {
            let missing = || metadata.refuse(format!("it does not say its {name}.{part}"));
            metadata.count(&key(part)).ok_or_else(missing)
        };
        let scaled = [key("rope.scaling.type"), key("rope.scaling.factor")]
            .iter()
            .any(|key| metadata.contains(key) && metadata.text(key) != Some("none"));
        if scaled || header.contains("rope_freqs.weight") {
            return Err(refuse("it scales its rotary embedding, which is not done here".into()));
        }
        let rows = header.shape("model.embed_tokens.weight").and_then(|shape| shape.first().copied());
        let heads = size("attention.head_count")?;
        let config = Self {
            model_type,
            vocab_size: rows.ok_or_else(|| metadata.refuse("it has no tensor token_embd.weight"))?,
            hidden_size: size("embedding_length")?,
            intermediate_size: size("feed_forward_length")?,
            num_hidden_layers: size("block_count")?,
            num_attention_heads: heads,
            num_key_value_heads: metadata.count(&key("attention.head_count_kv")).unwrap_or(heads),
            head_dim: metadata
                .count(&key("attention.key_length"))
                .or_else(|| metadata.count(&key("rope.dimension_count"))),
            max_position_embeddings: size("context_length")?,
            rms_norm_eps: metadata
                .number(&key("attention.layer_norm_rms_epsilon"))
                .ok_or_else(|| metadata.refuse(format!("it does not say the epsilon of its {name} norms")))?,
            rope_theta: metadata.number(&key("rope.freq_base")).unwrap_or(DEFAULT_ROPE_THETA),
            tie_word_embeddings: !header.contains("lm_head.weight"),
        };
        config.check(header.file())?;
        Ok(config)
    }
}
