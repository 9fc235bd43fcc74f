//! The stack that reader and encoder share: embedding, layers, final norm, and the KV cache.

use std::ops::Range;

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};

use super::layers::{DecoderLayer, heads, rms_norm};
use crate::{
    Result,
    config::{DecoderConfig, FormatChoice, WeightFormat},
    kernel::{self, LayerCache, LayerStates, Move, RmsNorm, RopeTable, Span},
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
    pub fn forward(&self, x: Tensor<2>, cache: &mut Cache, span: Span) -> Tensor<2> {
        self.forward_picked(x, cache, span, |rows| rows)
    }

    /// The same, of the rows that `pick` takes out of as many: what the last layer computes behind its
    /// attention it computes for them alone.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_picked(
        &self,
        x: Tensor<2>,
        cache: &mut Cache,
        span: Span,
        pick: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        self.run(x, cache, span, |_, _| (), pick)
    }

    /// As [`Self::forward`]; `see` gets the rows after so many layers, from 0 on.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_seen(
        &self,
        x: Tensor<2>,
        cache: &mut Cache,
        span: Span,
        see: impl FnMut(usize, &Tensor<2>),
    ) -> Tensor<2> {
        self.run(x, cache, span, see, |rows| rows)
    }

    fn run(
        &self,
        mut x: Tensor<2>,
        cache: &mut Cache,
        span: Span,
        mut see: impl FnMut(usize, &Tensor<2>),
        pick: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let end = span.start + span.len;
        assert!(end <= cache.capacity, "span ends at {end}, the cache holds {}", cache.capacity);
        // Taken out so that each layer owns its cache and may write in place.
        let layers = std::mem::take(&mut cache.layers);
        see(0, &x);
        for (number, (layer, layer_cache)) in self.layers.iter().zip(layers).enumerate() {
            let is_last = number + 1 == self.layers.len();
            let pick = |rows| if is_last { pick(rows) } else { rows };
            let (y, layer_cache) = layer.forward(x, &cache.rope, layer_cache, span, pick);
            cache.layers.push(layer_cache);
            see(number + 1, &y);
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

    /// Copies of the keys and values of some positions.
    ///
    /// # Panics
    /// If the cache does not hold them.
    pub fn states(&self, positions: Range<usize>) -> States {
        assert!(positions.end <= self.len, "positions {positions:?} of {}", self.len);
        let part = |section: &Tensor<4>| section.clone().narrow(2, positions.start, positions.len());
        let layers = self.layers.iter();
        let layers = layers
            .map(|layer| LayerStates { keys: part(&layer.keys), values: part(&layer.values) })
            .collect();
        States { layers, positions }
    }

    /// Puts keys and values behind those it holds, turned to where they then are
    /// ([`kernel::append_turned`]).
    ///
    /// # Panics
    /// If they end beyond the cache's capacity.
    pub fn append(&mut self, states: &States) {
        let moved = Move { from: states.positions.start, to: self.len };
        let layers = std::mem::take(&mut self.layers);
        let appended = layers.into_iter().zip(&states.layers);
        self.layers =
            appended.map(|(cache, states)| kernel::append_turned(states, &self.rope, cache, moved)).collect();
        self.len += states.len();
    }

    /// Where the next `len` tokens of each of `batch` sequences stand.
    pub fn next(&self, batch: usize, len: usize) -> Span {
        Span { batch, start: self.len, len }
    }
}

/// Keys and values of consecutive positions in every layer, taken out of one [`Cache`] to be put into
/// others.
#[derive(Debug, Clone)]
pub struct States {
    layers: Vec<LayerStates>,
    /// Where they were read.
    positions: Range<usize>,
}

impl States {
    /// How many positions they are.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether they are none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Without the first `count` of them.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn skip(&self, count: usize) -> Self {
        let left = self.len() - count;
        let part = |section: &Tensor<4>| section.clone().narrow(2, count, left);
        let layers = self.layers.iter();
        let layers = layers
            .map(|layer| LayerStates { keys: part(&layer.keys), values: part(&layer.values) })
            .collect();
        Self { layers, positions: self.positions.start + count..self.positions.end }
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> usize {
        let bytes = |states: &LayerStates| 2 * states.keys.shape().num_elements() * size_of::<f32>();
        self.layers.iter().map(bytes).sum()
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        config::{DecoderConfig, ModelType},
        model::{reader::Reader, token_ids},
    };

    fn floats(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn rows_that_are_picked_are_those_of_all() {
        let reader = Reader::init(&small(), &Device::flex()).expect("it is valid");
        let ids = token_ids(&[5, 6, 7, 8, 1, 2, 3, 4], &reader.device());
        let read = |forward: &dyn Fn(Tensor<2>, &mut Cache, Span) -> Tensor<2>| {
            let mut cache = reader.cache(2, 4);
            let span = cache.next(2, 4);
            let rows = forward(reader.embed(ids.clone()), &mut cache, span).into_data();
            (rows.iter::<f32>().collect::<Vec<_>>(), floats(cache.layers[1].keys.clone()), cache.len)
        };
        let picked = token_ids(&[3, 5], &reader.device());
        let (some, some_keys, len) = read(&|x, cache, span| {
            reader.decoder.forward_picked(x, cache, span, |rows| rows.select(0, picked.clone()))
        });
        let (all, all_keys, _) = read(&|x, cache, span| reader.decoder.forward(x, cache, span));
        let width = small().hidden_size;
        let expected = [&all[3 * width..][..width], &all[5 * width..][..width]].concat();
        assert_eq!((some.len(), len), (2 * width, 4));
        assert!(some.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5));
        assert_eq!(some_keys, all_keys, "every row's keys are kept");
    }

    /// A key of the first layer depends on its token and its position alone.
    #[test]
    fn keys_read_elsewhere_are_those_of_their_new_place() {
        let reader = Reader::init(&small(), &Device::flex()).expect("it is valid");
        let read = |ids: &[u32]| {
            let mut cache = reader.cache(1, 64);
            let span = cache.next(1, ids.len());
            reader.forward(reader.embed(token_ids(ids, &reader.device())), &mut cache, span);
            cache
        };
        let (chunk, before) = ([5, 6, 7, 8], [1, 2, 3, 4, 1, 2, 3, 4, 9]);
        let whole = read(&[&before[..], &chunk].concat());
        let mut put = read(&before);
        // Read behind one other token, the first of them left out.
        let alone = read(&[&[9][..], &[0], &chunk].concat()).states(1..6).skip(1);
        assert_eq!((alone.len(), alone.is_empty(), alone.bytes()), (4, false, 2 * 4 * 2 * 16 * 2 * 4));
        put.append(&alone);
        assert_eq!(put.len, whole.len);
        let first =
            |cache: &Cache| [cache.layers[0].keys.clone(), cache.layers[0].values.clone()].map(floats);
        for (put, whole) in first(&put).into_iter().zip(first(&whole)) {
            assert!(put.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }

    pub(in crate::model) fn small() -> DecoderConfig {
        DecoderConfig {
            model_type: ModelType::Llama,
            vocab_size: 16,
            hidden_size: 64,
            intermediate_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: None,
            max_position_embeddings: 64,
            rms_norm_eps: 1e-5,
            rope_theta: 1e4,
            tie_word_embeddings: true,
        }
    }
}
