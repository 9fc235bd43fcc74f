//! A decoder's sizes out of a GGUF file's metadata.

use super::{Header, gguf};
use crate::{
    Error, Result,
    config::{DecoderConfig, ModelType},
};

/// llama.cpp's converter leaves it out where it is the model's own default.
const DEFAULT_ROPE_THETA: f64 = 10_000.0;

impl ModelType {
    /// Bytes by which a GGUF file tells its architecture: converters write it first.
    pub const FIRST_BYTES: usize = 64 << 10;

    /// The architecture of a GGUF file by its first bytes, [`Self::FIRST_BYTES`] or the whole file, so
    /// that a wrong file is refused before it is fetched. `None` where they do not tell.
    ///
    /// # Errors
    /// [`Error::Format`] if it is no GGUF file, [`Error::UnsupportedConfig`] if its architecture is none
    /// of [`Self::ALL`].
    pub async fn of_first_bytes(file: &str, first: &[u8]) -> Result<Option<Self>> {
        let name = gguf::architecture(file, first).await?;
        name.map(|name| Self::named(file, &name)).transpose()
    }

    fn named(file: &str, name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|model_type| model_type.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            let reason = format!("its architecture is {name}; {known} can be run");
            Error::UnsupportedConfig { file: file.into(), reason }
        })
    }
}

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
        let model_type = ModelType::named(header.file(), name)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with these pairs of texts.
    fn header(pairs: &[(&str, &str)]) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let mut file = [&b"GGUF"[..], &3u32.to_le_bytes(), &9u64.to_le_bytes()].concat();
        file.extend((pairs.len() as u64).to_le_bytes());
        for (key, value) in pairs {
            file.extend([text(key), 8u32.to_le_bytes().to_vec(), text(value)].concat());
        }
        file
    }

    fn told(first: &[u8]) -> Result<Option<ModelType>> {
        pollster::block_on(ModelType::of_first_bytes("m.gguf", first))
    }

    #[test]
    fn the_first_bytes_tell_the_architecture_or_that_they_do_not() {
        let pairs = [("general.name", "A model"), ("general.architecture", "qwen2")];
        let whole = header(&pairs);
        assert_eq!(told(&whole), Ok(Some(ModelType::Qwen2)));
        assert_eq!(told(&whole[..whole.len() - 1]), Ok(None), "it goes on behind them");
        assert_eq!(told(&header(&pairs[..1])), Ok(None));
        let other = told(&header(&[("general.architecture", "mamba")]));
        assert!(other.is_err_and(|error| error.to_string().contains("its architecture is mamba")));
        for nonsense in [&b""[..], b"GG", b"<!doctype html><title>Log in</title>"] {
            assert!(told(nonsense).is_err());
        }
    }
}
