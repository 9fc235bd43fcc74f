//! Weight matrices on the device: dense, or in blocks of 32 with one scale.
//!
//! # Layout
//! A matrix is `[rows, cols]` = `[out_features, in_features]`, as checkpoints hold it. A block is
//! 32 neighbouring values of one row. Values and scales lie in two separate, aligned sections:
//!
//! | section | one block | word `w` holds |
//! |---|---|---|
//! | values, [`WeightFormat::Q4`] | 4 words | elements `8w..8w+8`, element `8w+j` in bits `4j..4j+4`, as `q + 8` |
//! | values, [`WeightFormat::Q8`] | 8 words | elements `4w..4w+4`, element `4w+j` in bits `8j..8j+8`, two's complement |
//! | scales, both | half a word | block `2w` in the low half, `2w+1` in the high half, as f16 |
//!
//! An element is `q · scale`. So Q4 takes 4.5 and Q8 8.5 bits a weight.

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Int, Tensor, TensorData},
};
use half::f16;

pub use crate::config::WeightFormat;

/// Values that share one scale.
pub const BLOCK: usize = 32;

/// A weight matrix `[out_features, in_features]` on a device.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has a few hundred; their values lie on the device")]
pub enum Matrix {
    /// 32-bit floats; what training updates and the CPU fallback computes with.
    Dense(DenseMatrix),
    /// Blocks of 32; what the GPU kernels read.
    Quantized(QuantizedMatrix),
}

/// A matrix of 32-bit floats.
#[derive(Module, Debug)]
pub struct DenseMatrix {
    /// `[out_features, in_features]`.
    pub weight: Param<Tensor<2>>,
}

/// A matrix of 4-bit or 8-bit blocks.
#[derive(Module, Debug)]
pub struct QuantizedMatrix {
    /// Packed values, u32 words.
    pub values: Tensor<1, Int>,
    /// Packed f16 scales, u32 words.
    pub scales: Tensor<1, Int>,
    /// Output features.
    #[module(skip)]
    pub rows: usize,
    /// Input features, a multiple of [`BLOCK`].
    #[module(skip)]
    pub cols: usize,
    /// [`WeightFormat::Q4`] or [`WeightFormat::Q8`].
    #[module(skip)]
    pub format: WeightFormat,
}

impl Matrix {
    /// A dense matrix on the tensor's own device. Shape `[out_features, in_features]`.
    pub fn dense(weight: Tensor<2>) -> Self {
        Self::Dense(DenseMatrix { weight: Param::from_tensor(weight) })
    }

    /// Puts row-major values `[rows, cols]` on the device in the format asked for.
    ///
    /// A matrix whose rows are no multiple of [`BLOCK`] stays dense. On a device without our
    /// kernels the blocks are unpacked again, so that both compute with the same weights.
    pub fn from_values(
        values: Vec<f32>,
        rows: usize,
        cols: usize,
        format: WeightFormat,
        device: &Device,
    ) -> Self {
        assert_eq!(values.len(), rows * cols, "values of a [{rows}, {cols}] matrix");
        if format == WeightFormat::F32 || !cols.is_multiple_of(BLOCK) {
            return Self::dense(Tensor::from_data(TensorData::new(values, [rows, cols]), device));
        }
        let blocks = pack(&values, format);
        if !crate::kernel::has_kernels(device) {
            let values = unpack(&blocks, format);
            return Self::dense(Tensor::from_data(TensorData::new(values, [rows, cols]), device));
        }
        Self::Quantized(QuantizedMatrix::from_blocks(blocks, rows, cols, format, device))
    }

    /// `[out_features, in_features]`.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Dense(m) => m.weight.val().dims(),
            Self::Quantized(m) => [m.rows, m.cols],
        }
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> usize {
        let [rows, cols] = self.shape();
        match self {
            Self::Dense(_) => rows * cols * 4,
            Self::Quantized(m) => (m.values.dims()[0] + m.scales.dims()[0]) * 4,
        }
    }
}

impl QuantizedMatrix {
    /// Puts packed blocks on the device.
    pub fn from_blocks(
        blocks: Blocks,
        rows: usize,
        cols: usize,
        format: WeightFormat,
        device: &Device,
    ) -> Self {
        let words = |words: Vec<u32>| {
            let len = words.len();
            Tensor::<1, Int>::from_data(TensorData::new(words, [len]), (device, DType::U32))
        };
        Self { values: words(blocks.values), scales: words(blocks.scales), rows, cols, format }
    }
}

/// The two sections of a packed matrix, as in the module's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// Packed values.
    pub values: Vec<u32>,
    /// Packed scales.
    pub scales: Vec<u32>,
}

/// Packs values, a multiple of [`BLOCK`] of them, into blocks.
///
/// Q8 scales by the largest magnitude; Q4 maps the value of largest magnitude, sign included, to
/// −8, which uses all sixteen levels (as ggml's Q4_0 does).
pub fn pack(values: &[f32], format: WeightFormat) -> Blocks {
    assert!(values.len().is_multiple_of(BLOCK), "{} values are no whole blocks", values.len());
    let mut blocks = Blocks { values: Vec::new(), scales: vec![0; values.len().div_ceil(2 * BLOCK)] };
    for (index, block) in values.chunks_exact(BLOCK).enumerate() {
        let extreme = block.iter().copied().fold(0f32, |a, v| if v.abs() > a.abs() { v } else { a });
        let scale = f16::from_f32(match format {
            WeightFormat::Q4 => extreme / -8.0,
            _ => extreme.abs() / 127.0,
        });
        blocks.scales[index / 2] |= u32::from(scale.to_bits()) << (16 * (index % 2));
        let inverse = if scale == f16::ZERO { 0.0 } else { 1.0 / scale.to_f32() };
        match format {
            WeightFormat::Q4 => blocks.values.extend(block.chunks_exact(8).map(|eight| {
                eight.iter().enumerate().fold(0, |word, (j, v)| {
                    let q = (v * inverse).round().clamp(-8.0, 7.0) as i32 + 8;
                    word | (q as u32) << (4 * j)
                })
            })),
            _ => blocks.values.extend(block.chunks_exact(4).map(|four| {
                four.iter().enumerate().fold(0, |word, (j, v)| {
                    let q = (v * inverse).round().clamp(-127.0, 127.0) as i8;
                    word | u32::from(q as u8) << (8 * j)
                })
            })),
        }
    }
    blocks
}

/// The values that packed blocks stand for.
pub fn unpack(blocks: &Blocks, format: WeightFormat) -> Vec<f32> {
    let scale =
        |block: usize| f16::from_bits((blocks.scales[block / 2] >> (16 * (block % 2))) as u16).to_f32();
    let per_word = if format == WeightFormat::Q4 { 8 } else { 4 };
    let words_per_block = BLOCK / per_word;
    let mut values = Vec::with_capacity(blocks.values.len() * per_word);
    for (index, word) in blocks.values.iter().enumerate() {
        let scale = scale(index / words_per_block);
        values.extend((0..per_word).map(|j| match format {
            WeightFormat::Q4 => ((word >> (4 * j) & 15) as i32 - 8) as f32 * scale,
            _ => f32::from((word >> (8 * j)) as u8 as i8) * scale,
        }));
    }
    values
}
