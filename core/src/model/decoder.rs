//! The stack that reader and encoder share: embedding, layers, final norm, and the KV cache.

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};

use super::layers::{DecoderLayer, heads, rms_norm};
use crate::{
    Result,
    config::{DecoderConfig, FormatChoice, WeightFormat},
    kernel::{self, LayerCache, RmsNorm, RopeTable, Span},
    quant::Matrix,
    weights::{Header, Tensors},
};

/// Embedding, decoder layers and final norm of a Qwen2, Qwen3 or Llama model.
#[derive(Module, Debug)]
pub struct Decoder {
    /// `[vocabulary, hidden]`.
    pub embedding: Matrix,
    /// In order.
    pub layers: Vec<DecoderLayer>,
    /// After the last layer.
    pub norm: RmsNorm,
    /// Sizes.
    #[module(skip)]
    pub config: DecoderConfig,
}

/// Formats of a decoder's matrices on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderFormats {
    /// The layers' projections.
    pub linear: FormatChoice,
    /// The embedding, and the head where there is one.
    pub embedding: FormatChoice,
}

impl DecoderFormats {
    /// 32-bit floats throughout.
    pub const DENSE: Self = Self {
        linear: FormatChoice::Fixed(WeightFormat::F32),
        embedding: FormatChoice::Fixed(WeightFormat::F32),
    };
    /// As the file stores them.
    pub const AS_STORED: Self = Self { linear: FormatChoice::AsStored, embedding: FormatChoice::AsStored };
}

impl Decoder {
    /// The stack of these tensors.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] if they were loaded for another config.
    pub fn new(config: &DecoderConfig, formats: DecoderFormats, mut tensors: Tensors<'_>) -> Result<Self> {
        let (rows, hidden) = (config.vocab_size, config.hidden_size);
        let embedding = tensors.matrix("embed_tokens.weight", [rows, hidden], formats.embedding)?;
        let mut layers = tensors.pp("layers");
        let layer = |index| DecoderLayer::new(config, formats.linear, layers.pp(index));
        let layers = (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?;
        let norm = rms_norm(tensors.pp("norm"), hidden, config.rms_norm_eps)?;
        Ok(Self { embedding, layers, norm, config: config.clone() })
    }

    /// Where the model lies.
    pub fn device(&self) -> Device {
        self.norm.weight.val().device()
    }

    /// Input vectors of tokens, `[rows, hidden]`.
    pub fn embed(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        kernel::gather_rows(ids, &self.embedding)
    }

    /// Runs the layers on the span's rows. The final norm is left to the caller, who may need it
    /// on few rows only.
    ///
    /// # Shapes
    /// - `x`, result: `[batch · len, hidden]`
    ///
    /// # Panics
    /// If the span ends beyond the cache's capacity.
    pub fn forward(&self, mut x: Tensor<2>, cache: &mut Cache, span: Span) -> Tensor<2> {
        let end = span.start + span.len;
        assert!(end <= cache.capacity, "span ends at {end}, the cache holds {}", cache.capacity);
        // Taken out so that each layer owns its cache and may write in place.
        let layers = std::mem::take(&mut cache.layers);
        for (layer, layer_cache) in self.layers.iter().zip(layers) {
            let (y, layer_cache) = layer.forward(x, &cache.rope, layer_cache, span);
            cache.layers.push(layer_cache);
            x = y;
        }
        cache.len = end;
        x
    }

    /// An empty cache for `batch` sequences of at most `capacity` tokens.
    pub fn cache(&self, batch: usize, capacity: usize) -> Cache {
        let device = self.device();
        let heads = heads(&self.config);
        let empty = || Tensor::zeros([batch, heads.key_value, capacity, heads.dim], &device);
        let layers = self.layers.iter().map(|_| LayerCache { keys: empty(), values: empty() }).collect();
        let rope = rope_table(heads.dim, self.config.rope_theta, capacity, &device);
        Cache { layers, rope, len: 0, capacity }
    }
}

/// What the stack's tensor names start with: checkpoints of a whole language model say `model.`,
/// those of a bare stack (Qwen3-Embedding) nothing.
pub fn name_prefix(header: &Header) -> &'static str {
    if header.contains("embed_tokens.weight") { "" } else { "model." }
}

/// Keys and values of the tokens read so far, and the rotary angles of every position.
///
/// Not `Clone`: on the GPU the layers' caches are written in place.
#[derive(Debug)]
pub struct Cache {
    /// One a layer.
    pub layers: Vec<LayerCache>,
    /// `capacity` positions.
    pub rope: RopeTable,
    /// Tokens of each sequence held.
    pub len: usize,
    /// Most tokens of each sequence.
    pub capacity: usize,
}

impl Cache {
    /// Forgets what comes after the first `len` tokens. Nothing is cleared: attention never looks
    /// beyond the span's end, and what is appended next overwrites it.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Bytes of keys and values on the device.
    pub fn bytes(&self) -> usize {
        let bytes = |cache: &LayerCache| {
            let [batch, heads, capacity, dim] = cache.keys.dims();
            2 * batch * heads * capacity * dim * size_of::<f32>()
        };
        self.layers.iter().map(bytes).sum()
    }

    /// Where the next `len` tokens of each of `batch` sequences stand.
    pub fn next(&self, batch: usize, len: usize) -> Span {
        Span { batch, start: self.len, len }
    }
}

/// Angles `position · theta^(-2i / dim)`, reckoned in f64: at position 30,000 an f32 product is
/// off by a thousandth of a turn.
fn rope_table(dim: usize, theta: f64, positions: usize, device: &Device) -> RopeTable {
    let half = dim / 2;
    let angle = |position: usize, i: usize| position as f64 * theta.powf(-2.0 * i as f64 / dim as f64);
    let table = |value: fn(f64) -> f64| {
        let values = (0..positions * half).map(|n| value(angle(n / half, n % half)) as f32).collect();
        Tensor::from_data(TensorData::new(values, [positions, half]), device)
    };
    RopeTable { cos: table(f64::cos), sin: table(f64::sin) }
}
