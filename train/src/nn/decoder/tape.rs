//! What a forward pass leaves for the backward pass.

use super::super::{attention::Scratch, real::Real};

/// What a forward pass leaves for the backward pass, and its scratch memory. Kept between
/// micro-batches, so that nothing is allocated.
#[derive(Debug)]
pub struct Tape<T> {
    pub(super) layers: Vec<LayerTape<T>>,
    /// After the last layer, before the final norm: `[rows, hidden]`.
    pub hidden: Vec<T>,
    /// Gradient of [`Self::hidden`]; the caller of [`Decoder::backward`] fills it, see
    /// [`Decoder::clear_gradient`].
    pub d_hidden: Vec<T>,
    pub(super) normed: Vec<T>,
    pub(super) wide: Vec<T>,
    pub(super) d_wide: Vec<T>,
    pub(super) head: HeadScratch<T>,
    pub(super) scratch: Scratch<T>,
}

#[derive(Debug, Default)]
pub(super) struct LayerTape<T> {
    /// Input of the layer, `[rows, hidden]`.
    pub(super) input: Vec<T>,
    /// Before the norms of q and k; empty for Qwen2.
    pub(super) raw_qkv: Vec<T>,
    /// Rotated, `[rows, qkv]`.
    pub(super) qkv: Vec<T>,
    /// `[query, len]` of each sequence, one after the other.
    pub(super) log_sums: Vec<T>,
    /// Attention's result, `[rows, query · dim]`.
    pub(super) attended: Vec<T>,
    /// Input of the feed-forward part, `[rows, hidden]`.
    pub(super) middle: Vec<T>,
    /// `[rows, 2 · intermediate]`.
    pub(super) gate_up: Vec<T>,
}

#[derive(Debug, Default)]
pub(super) struct HeadScratch<T> {
    pub(super) rows: Vec<T>,
    pub(super) normed: Vec<T>,
    pub(super) logits: Vec<T>,
    pub(super) d_normed: Vec<T>,
    pub(super) d_rows: Vec<T>,
}

impl<T: Real> Default for Tape<T> {
    fn default() -> Self {
        Self {
            layers: Vec::new(),
            hidden: Vec::new(),
            d_hidden: Vec::new(),
            normed: Vec::new(),
            wide: Vec::new(),
            d_wide: Vec::new(),
            head: HeadScratch::default(),
            scratch: Scratch::default(),
        }
    }
}

impl<T: Real> Tape<T> {
    /// The residual stream after so many layers, `[rows, hidden]`; after none, the input vectors.
    pub fn after(&self, layers: usize) -> &[T] {
        self.layers.get(layers).map_or(&self.hidden, |layer| &layer.input)
    }

    /// Rotated q, k and v of a layer, `[rows, qkv]`: the keys and values decoding starts from.
    pub fn qkv(&self, layer: usize) -> &[T] {
        &self.layers[layer].qkv
    }
}
