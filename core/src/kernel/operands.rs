//! What the fused operations take and give beside activations and weight matrices.

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Int, Tensor, TensorData},
};

/// RMSNorm's weight and epsilon: `y = x / sqrt(mean(x²) + eps) · weight`.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    /// Added under the root.
    #[module(skip)]
    pub eps: f64,
}

/// Head counts and their width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key and value heads; each serves `query / key_value` query heads.
    pub key_value: usize,
    /// Width of a head.
    pub dim: usize,
}

/// Which tokens the rows are: `batch` sequences of `len` tokens each, at positions
/// `start..start + len` of their sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Sequences.
    pub batch: usize,
    /// Position of each sequence's first row.
    pub start: usize,
    /// Rows of each sequence.
    pub len: usize,
}

/// Cosines and sines of the rotary embedding, `[positions, head_dim / 2]` each, made in f64.
#[derive(Debug, Clone)]
pub struct RopeTable {
    /// `cos(position · theta^(-2i / head_dim))`.
    pub cos: Tensor<2>,
    /// `sin(position · theta^(-2i / head_dim))`.
    pub sin: Tensor<2>,
}

/// Many vectors of one width, in 8 bits a number, each with a scale.
#[derive(Debug, Clone)]
pub struct ByteRows {
    /// Their numbers, one vector after the other: four a word, the first in its lowest byte.
    pub values: Tensor<1, Int>,
    /// What a unit of a vector's numbers is worth, `[rows]`.
    pub scales: Tensor<1>,
}

impl ByteRows {
    /// Puts vectors on the device.
    ///
    /// # Shapes
    /// - `values`: `[rows, width]`, the width a multiple of 4
    /// - `scales`: `[rows]`
    pub fn new(values: &[i8], scales: &[f32], device: &Device) -> Self {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(values);
        let words = TensorData::new(words, [values.len() / 4]);
        Self {
            values: Tensor::from_data(words, (device, DType::U32)),
            scales: Tensor::from_data(TensorData::from(scales), device),
        }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.scales.dims()[0]
    }
}

/// The likeliest token of each row of logits, `[rows]` each.
#[derive(Debug, Clone)]
pub struct Likeliest {
    /// Its id.
    pub ids: Tensor<1, Int>,
    /// ln of its probability among all tokens.
    pub log_probabilities: Tensor<1>,
}

/// Keys and values of one layer, `[batch, kv_heads, capacity, head_dim]` each.
#[derive(Debug, Clone)]
pub struct LayerCache {
    /// Rotated keys.
    pub keys: Tensor<4>,
    /// Values.
    pub values: Tensor<4>,
}

/// Keys and values of some positions of one layer, `[batch, kv_heads, len, head_dim]` each: what was read
/// once, to be put into caches ([`append_turned`](super::append_turned)).
#[derive(Debug, Clone)]
pub struct LayerStates {
    /// Keys, rotated as at the positions where they were read.
    pub keys: Tensor<4>,
    /// Values.
    pub values: Tensor<4>,
}

/// From where to where positions move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Where the first of them was read.
    pub from: usize,
    /// Where it goes.
    pub to: usize,
}

impl Move {
    /// By how many positions.
    pub fn distance(self) -> usize {
        self.from.abs_diff(self.to)
    }

    /// Whether towards the beginning.
    pub fn is_backwards(self) -> bool {
        self.to < self.from
    }
}
