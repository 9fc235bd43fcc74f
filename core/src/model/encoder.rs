//! The encoder: a chunk's tokens become one embedding (Qwen3-Embedding's architecture and
//! pooling, arXiv 2506.05176).

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    decoder::{Decoder, DecoderFormats},
    ids::token_ids,
};
use crate::{
    Result,
    config::DecoderConfig,
    kernel::{self, Span},
    weights::{Plan, Tensors, Weights},
};

/// Under the norm that divides an embedding, as in PyTorch's `normalize`.
const MIN_NORM: f64 = 1e-12;

/// A Qwen3 stack whose last token's hidden state is the embedding.
#[derive(Module, Debug)]
pub struct Encoder {
    /// Embedding, layers and final norm.
    pub decoder: Decoder,
}

impl Encoder {
    /// A fresh model: normal weights of standard deviation 0.02, norms of one.
    ///
    /// # Errors
    /// None for a valid config.
    pub fn init(config: &DecoderConfig, device: &Device) -> Result<Self> {
        Self::new(config, DecoderFormats::DENSE, Tensors::fresh(device))
    }

    /// What a checkpoint must have whose names start with `prefix`
    /// ([`super::decoder::name_prefix`]).
    pub fn plan(config: &DecoderConfig, formats: DecoderFormats, prefix: &str) -> Plan {
        Tensors::plan(prefix, |tensors| Self::new(config, formats, tensors))
    }

    /// Takes the weights that [`Self::plan`] asked for.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] if they were planned for another config.
    pub fn from_weights(config: &DecoderConfig, weights: &mut Weights) -> Result<Self> {
        // The weights have their formats.
        Self::new(config, DecoderFormats::AS_STORED, Tensors::of(weights))
    }

    fn new(config: &DecoderConfig, formats: DecoderFormats, mut tensors: Tensors<'_>) -> Result<Self> {
        Ok(Self { decoder: Decoder::new(config, formats, tensors.stack())? })
    }

    /// Sizes.
    pub fn config(&self) -> &DecoderConfig {
        &self.decoder.config
    }

    /// Where the model lies.
    pub fn device(&self) -> Device {
        self.decoder.device()
    }

    /// Embeds token sequences: the hidden state of each one's last token after the final norm,
    /// divided by its length.
    ///
    /// Sequences are padded on the right to the longest; attention is causal, so no token sees the
    /// padding behind it. The work is that of `n` longest sequences: give it similar lengths.
    ///
    /// # Shapes
    /// - result: `[sequences, hidden]`, rows of length 1
    ///
    /// # Panics
    /// If there is no sequence, or an empty one.
    pub fn encode(&self, sequences: &[Vec<u32>]) -> Tensor<2> {
        let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
        assert!(sequences.iter().all(|s| !s.is_empty()) && longest > 0, "nothing to encode");
        let span = Span { batch: sequences.len(), start: 0, len: longest };
        let mut padded = vec![0; span.batch * longest];
        let mut last = Vec::with_capacity(span.batch);
        for (i, sequence) in sequences.iter().enumerate() {
            padded[i * longest..][..sequence.len()].copy_from_slice(sequence);
            last.push((i * longest + sequence.len() - 1) as u32);
        }
        let device = self.device();
        let x = self.decoder.embed(token_ids(&padded, &device));
        let mut cache = self.decoder.cache(span.batch, longest);
        let hidden = self.decoder.forward(x, &mut cache, span);
        let pooled = hidden.select(0, token_ids(&last, &device));
        l2_normalise(kernel::rms_norm(pooled, &self.decoder.norm))
    }
}

/// A text's embedding from those of its `parts`: their mean, of length one.
///
/// # Shapes
/// - `embeddings`: `[texts · parts, width]`, each text's parts one after the other
/// - result: `[texts, width]`
pub fn mean_of_parts(embeddings: Tensor<2>, parts: usize) -> Tensor<2> {
    let [rows, width] = embeddings.dims();
    let by_text = embeddings.reshape([rows / parts, parts, width]);
    l2_normalise(by_text.mean_dim(1).squeeze_dim(1))
}

/// Divides every row by its length.
///
/// # Shapes
/// - `x`, result: `[rows, width]`
pub fn l2_normalise(x: Tensor<2>) -> Tensor<2> {
    let length = x.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(MIN_NORM);
    x / length
}
