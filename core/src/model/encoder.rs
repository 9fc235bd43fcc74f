//! The encoder: a chunk's tokens become one embedding.
//!
//! It is a model of its own (Qwen3-Embedding's architecture and pooling, arXiv 2506.05176), or the reader's
//! first layers, whose hidden states are pooled by their mean: no second download, and mean pooling is
//! what compresses best (arXiv 2510.20797).

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};

use super::{
    decoder::{Decoder, DecoderFormats},
    ids::token_ids,
    layers::DecoderLayer,
    reader::Reader,
};
use crate::{
    Result,
    config::DecoderConfig,
    kernel::{self, Span},
    quant::Matrix,
    weights::{Plan, Tensors, Weights},
};

/// Under the norm that divides an embedding, as in PyTorch's `normalize`.
const MIN_NORM: f64 = 1e-12;

/// Under the root mean square that divides a hidden state.
const MIN_MEAN_SQUARE: f64 = 1e-12;

/// A stack of layers, and what of its hidden states is the embedding.
#[derive(Module, Debug)]
pub struct Encoder {
    /// Embedding, layers and final norm.
    pub decoder: Decoder,
    /// Which hidden states.
    #[module(skip)]
    pub pooling: Pooling,
}

/// Which hidden states become an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pooling {
    /// The last token's after the final norm, divided by its length.
    LastToken,
    /// Those after so many layers, 0 being the input vectors: each token's divided by its root mean square,
    /// the mean of all but the first, and what the depths say side by side. The first token is the
    /// attention sink, and its states say nothing of the text.
    MeanAfter(Vec<usize>),
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
        let decoder = Decoder::new(config, formats, tensors.stack())?;
        Ok(Self { decoder, pooling: Pooling::LastToken })
    }

    /// The reader's layers up to the deepest of `depths`, pooled after each of these. The weights are the
    /// reader's own, not copied.
    ///
    /// # Panics
    /// If the reader has fewer layers.
    pub fn of_reader(reader: &Reader, depths: Vec<usize>) -> Self {
        let Decoder { embedding, layers, norm, config } = &reader.decoder;
        let deepest = depths.iter().copied().max().unwrap_or(0);
        let decoder = Decoder {
            embedding: embedding.clone(),
            layers: layers[..deepest].to_vec(),
            norm: norm.clone(),
            config: DecoderConfig { num_hidden_layers: deepest, ..config.clone() },
        };
        Self { decoder, pooling: Pooling::MeanAfter(depths) }
    }

    /// Width of what [`Self::encode`] gives.
    pub fn width(&self) -> usize {
        match &self.pooling {
            Pooling::LastToken => self.config().hidden_size,
            Pooling::MeanAfter(depths) => depths.len() * self.config().hidden_size,
        }
    }

    /// Sizes.
    pub fn config(&self) -> &DecoderConfig {
        &self.decoder.config
    }

    /// Where the model lies.
    pub fn device(&self) -> Device {
        self.decoder.device()
    }

    /// Embeds token sequences, as [`Pooling`] says.
    ///
    /// Sequences are padded on the right to the longest; attention is causal, so no token sees the
    /// padding behind it. The work is that of `n` longest sequences: give it similar lengths.
    ///
    /// # Shapes
    /// - result: `[sequences, width]`; rows of length 1 where the last token is pooled
    ///
    /// # Panics
    /// If there is no sequence, or an empty one.
    pub fn encode(&self, sequences: &[Vec<u32>]) -> Tensor<2> {
        let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
        assert!(sequences.iter().all(|s| !s.is_empty()) && longest > 0, "nothing to encode");
        let span = Span { batch: sequences.len(), start: 0, len: longest };
        let mut padded = vec![0; span.batch * longest];
        for (row, sequence) in padded.chunks_exact_mut(longest).zip(sequences) {
            row[..sequence.len()].copy_from_slice(sequence);
        }
        let device = self.device();
        let x = self.decoder.embed(token_ids(&padded, &device));
        let mut cache = self.decoder.cache(span.batch, longest);
        let lengths = sequences.iter().map(Vec::len);
        match &self.pooling {
            Pooling::LastToken => {
                let last: Vec<u32> =
                    lengths.enumerate().map(|(i, len)| (i * longest + len - 1) as u32).collect();
                let last = token_ids(&last, &device);
                let pick = |rows: Tensor<2>| rows.select(0, last.clone());
                let pooled = self.decoder.forward_picked(x, &mut cache, span, pick);
                l2_normalise(kernel::rms_norm(pooled, &self.decoder.norm))
            }
            Pooling::MeanAfter(depths) => {
                let shares = Tensor::from_data(shares(lengths, longest), &device);
                let mut pooled = vec![None; depths.len()];
                self.decoder.forward_seen(x, &mut cache, span, |depth, states| {
                    for (place, _) in pooled.iter_mut().zip(depths).filter(|(_, at)| **at == depth) {
                        *place = Some(weighted_sums(states.clone(), shares.clone(), span.batch));
                    }
                });
                Tensor::cat(pooled.into_iter().flatten().collect(), 1)
            }
        }
    }

    /// Multiplications and additions that encoding a sequence of so many tokens takes, in products with
    /// weights and in attention.
    pub fn flops(&self, len: usize) -> f64 {
        let layers = &self.decoder.layers;
        let weights = |matrix: &Matrix| matrix.shape().into_iter().product::<usize>();
        let of_layer = |(number, layer): (usize, &DecoderLayer)| {
            let is_last = number + 1 == layers.len() && self.pooling == Pooling::LastToken;
            let picked = if is_last { 1 } else { len };
            // Each token is held against itself and those before it, once by keys and once by values.
            let attention = layer.heads.query * layer.heads.dim * len * (len + 1);
            let behind = weights(&layer.output) + weights(&layer.gate_up) + weights(&layer.down);
            len * weights(&layer.qkv) + attention + picked * behind
        };
        2.0 * layers.iter().enumerate().map(of_layer).sum::<usize>() as f64
    }

    /// What [`Self::encode`] gives, with rows of length 1: what texts are compared by.
    pub fn embeddings(&self, encoded: Tensor<2>) -> Tensor<2> {
        match self.pooling {
            Pooling::LastToken => encoded,
            Pooling::MeanAfter(_) => l2_normalise(encoded),
        }
    }
}

/// How much each row counts in its sequence's mean, `[sequences · longest, 1]`: the first token does not,
/// unless it is the only one, and padding never does.
fn shares(lengths: impl Iterator<Item = usize>, longest: usize) -> TensorData {
    let mut shares = Vec::new();
    for len in lengths {
        let counted = if len > 1 { 1..len } else { 0..1 };
        let share = 1.0 / counted.len() as f32;
        shares.extend((0..longest).map(|row| if counted.contains(&row) { share } else { 0.0 }));
    }
    let rows = shares.len();
    TensorData::new(shares, [rows, 1])
}

/// Of each sequence the sum of its rows, each divided by its root mean square and multiplied by its share.
///
/// # Shapes
/// - `states`: `[sequences · longest, hidden]`
/// - `shares`: `[sequences · longest, 1]`
/// - result: `[sequences, hidden]`
fn weighted_sums(states: Tensor<2>, shares: Tensor<2>, sequences: usize) -> Tensor<2> {
    let [rows, hidden] = states.dims();
    let mean_square = states.clone().powi_scalar(2).mean_dim(1);
    let scaled = states * (shares / (mean_square + MIN_MEAN_SQUARE).sqrt());
    scaled.reshape([sequences, rows / sequences, hidden]).sum_dim(1).squeeze_dim(1)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decoder::tests::small;

    fn floats(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    /// The mean of rows divided by their root mean square, in f64.
    fn mean_of(rows: &[f32], width: usize) -> Vec<f64> {
        let (mut mean, count) = (vec![0.0; width], (rows.len() / width) as f64);
        for row in rows.chunks_exact(width) {
            let square = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / width as f64;
            mean.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x) / square.sqrt() / count);
        }
        mean
    }

    #[test]
    fn what_encoding_takes_is_counted_by_the_last_layers_rows_too() {
        let reader = Reader::init(&small(), &Device::flex()).expect("it is valid");
        let DecoderConfig { hidden_size: hidden, intermediate_size: intermediate, .. } = small();
        let config = small();
        let queries = config.num_attention_heads * config.head_dim();
        let keys = config.num_key_value_heads * config.head_dim();
        let layers = config.num_hidden_layers;
        let pooled = Encoder::of_reader(&reader, vec![layers]);
        let behind = hidden * queries + 3 * hidden * intermediate;
        let mut expected = 0;
        for token in 1..=5 {
            // Four products of a query's and a key's width: multiply and add, keys and values.
            expected += layers * (2 * hidden * (queries + 2 * keys) + 2 * behind + 4 * queries * token);
        }
        assert_eq!(pooled.flops(5), expected as f64);
        let last = Encoder { pooling: Pooling::LastToken, ..pooled };
        assert_eq!(last.flops(5), (expected - 4 * 2 * behind) as f64);
    }

    #[test]
    fn the_readers_states_are_pooled_text_by_text() {
        let reader = Reader::init(&small(), &Device::flex()).expect("it is valid");
        let width = small().hidden_size;
        let encoder = Encoder::of_reader(&reader, vec![0, 2]);
        assert_eq!((encoder.width(), encoder.config().num_hidden_layers), (2 * width, 2));
        let texts: [Vec<u32>; 3] = [vec![9, 1, 2, 3, 4, 5], vec![9, 7], vec![9]];
        let found = floats(encoder.encode(&texts));
        for (text, found) in texts.iter().zip(found.chunks_exact(2 * width)) {
            let ids = token_ids(text, &Device::flex());
            let inputs = reader.embed(ids);
            let mut cache = reader.cache(1, text.len());
            let span = cache.next(1, text.len());
            let mut after_two = None;
            reader.decoder.forward_seen(inputs.clone(), &mut cache, span, |depth, states| {
                if depth == 2 {
                    after_two = Some(states.clone());
                }
            });
            // Without the first, unless it is all there is.
            let skipped = usize::from(text.len() > 1) * width;
            let expected = [inputs, after_two.expect("two layers")]
                .map(|states| mean_of(&floats(states)[skipped..], width))
                .concat();
            let off = found
                .iter()
                .zip(&expected)
                .fold(0.0, |most, (a, b)| f64::max(most, (f64::from(*a) - b).abs()));
            assert!(off < 1e-4, "{text:?}: {off}");
        }
        let lengths = floats(encoder.embeddings(encoder.encode(&texts)));
        for row in lengths.chunks_exact(2 * width) {
            assert!((row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
}
