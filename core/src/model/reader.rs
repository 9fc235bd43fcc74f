//! The reader: a causal language model (of Qwen2.5-Coder's or Llama's architecture) that reads tokens
//! and soft vectors and predicts the next token.

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};

use super::decoder::Decoder;
pub use super::decoder::{Cache, DecoderFormats, States};
use crate::{
    Result,
    config::DecoderConfig,
    kernel::{self, Span},
    quant::Matrix,
    weights::{Plan, Tensors, Weights},
};

/// A causal language model.
#[derive(Module, Debug)]
pub struct Reader {
    /// Embedding, layers and final norm.
    pub decoder: Decoder,
    /// `[vocabulary, hidden]`; none where the embedding is the head (a tied head).
    pub head: Option<Matrix>,
}

impl Reader {
    /// A fresh model: normal weights of standard deviation 0.02, norms of one, biases of zero.
    ///
    /// # Errors
    /// None for a valid config.
    pub fn init(config: &DecoderConfig, device: &Device) -> Result<Self> {
        Self::new(config, DecoderFormats::DENSE, Tensors::fresh(device))
    }

    /// What a checkpoint must have whose stack's names start with `prefix`
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
        let decoder = Decoder::new(config, formats, tensors.stack())?;
        let shape = [config.vocab_size, config.hidden_size];
        // Outside the stack, so its name has no prefix.
        let mut head = || tensors.matrix("lm_head.weight", shape, formats.embedding);
        let head = if config.tie_word_embeddings { None } else { Some(head()?) };
        Ok(Self { decoder, head })
    }

    /// Sizes.
    pub fn config(&self) -> &DecoderConfig {
        &self.decoder.config
    }

    /// Where the model lies.
    pub fn device(&self) -> Device {
        self.decoder.device()
    }

    /// An empty cache for `batch` sequences of at most `capacity` positions.
    pub fn cache(&self, batch: usize, capacity: usize) -> Cache {
        self.decoder.cache(batch, capacity)
    }

    /// Input vectors of tokens, `[rows, hidden]`: what soft vectors stand among.
    pub fn embed(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        self.decoder.embed(ids)
    }

    /// Reads input vectors at the span's positions; the cache then ends where the span does.
    ///
    /// # Shapes
    /// - `x`, result: `[batch · len, hidden]`; the result is not normed yet, see [`Self::logits`]
    ///
    /// # Panics
    /// If the span ends beyond the cache's capacity.
    pub fn forward(&self, x: Tensor<2>, cache: &mut Cache, span: Span) -> Tensor<2> {
        self.decoder.forward(x, cache, span)
    }

    /// The same, of the last of the rows: what the last layer does behind its attention it does for no other.
    ///
    /// # Shapes
    /// - `x`: `[len, hidden]`, of one sequence
    /// - result: `[1, hidden]`
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_last(&self, x: Tensor<2>, cache: &mut Cache, span: Span) -> Tensor<2> {
        self.decoder.forward_picked(x, cache, span, |rows| rows.narrow(0, span.len - 1, 1))
    }

    /// Final norm and head. Give it only the rows whose next token matters: it is the widest
    /// product of all.
    ///
    /// # Shapes
    /// - `hidden`: `[rows, hidden]`, of [`Self::forward`]
    /// - result: `[rows, vocabulary]`
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let head = self.head.as_ref().unwrap_or(&self.decoder.embedding);
        kernel::norm_linear(hidden, &self.decoder.norm, head, None)
    }
}
