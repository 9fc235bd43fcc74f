//! Weight matrices on the device: dense, or in blocks of 32 with a scale, and perhaps a minimum.
//!
//! # Layout
//! A matrix is `[rows, cols]` = `[out_features, in_features]`, as checkpoints hold it. A block is
//! 32 neighbouring values of one row. Values and scales lie in two separate, aligned sections:
//!
//! | section | one block | word `w` holds |
//! |---|---|---|
//! | values, [`WeightFormat::Q4`], [`WeightFormat::Q4_1`] | 4 words | elements `8w..8w+8`, element `8w+j` in bits `4j..4j+4`, unsigned |
//! | values, [`WeightFormat::Q8`] | 8 words | elements `4w..4w+4`, element `4w+j` in bits `8j..8j+8`, two's complement |
//! | scales, Q4 and Q8 | half a word | block `2w` in the low half, `2w+1` in the high half, as f16 |
//! | scales, Q4_1 | a word | the scale of block `w` in the low half, its minimum in the high half, as f16 |
//!
//! An element is `(q − 8) · scale` in Q4, `q · scale` in Q8 and `q · scale + minimum` in Q4_1. So
//! they take 4.5, 8.5 and 5 bits a weight.
//!
//! # Row parts
//! A buffer may hold no more than a device binds at once; the least that WebGPU guarantees is 128 MiB,
//! and an embedding of 150,000 tokens is larger. A matrix beyond [`part_bytes`] is a
//! [`Matrix::Split`]: some of its rows in one buffer, the next in another. The kernels run once a part.

use std::sync::Arc;

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Int, Tensor, TensorData},
};
use half::f16;

pub use crate::config::WeightFormat;
use crate::device::{binding_bytes, has_blocks};

/// Values that share one scale.
pub const BLOCK: usize = llavacode_shaders::parts::block::BLOCK;

/// A weight matrix `[out_features, in_features]` on a device.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has a few hundred; their values lie on the device")]
pub enum Matrix {
    /// 32-bit floats; what training updates.
    Dense(DenseMatrix),
    /// Blocks of 32; what the kernels read, on the GPU and on the processor.
    Quantized(QuantizedMatrix),
    /// Several, one below the other; what no single buffer holds.
    Split(SplitMatrix),
}

/// A matrix of 32-bit floats.
#[derive(Module, Debug)]
pub struct DenseMatrix {
    /// `[out_features, in_features]`.
    pub weight: Param<Tensor<2>>,
}

/// A matrix of blocks.
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
    /// Any but [`WeightFormat::F32`].
    #[module(skip)]
    pub format: WeightFormat,
    /// Which matrix this is.
    #[module(skip)]
    pub identity: Identity,
}

/// What tells a matrix from every other one, for who keeps a part of it elsewhere: copies of a matrix share
/// it.
#[derive(Debug, Clone, Default)]
pub struct Identity(pub(crate) Arc<()>);

/// A matrix in row parts of one width and format.
#[derive(Module, Debug)]
pub struct SplitMatrix {
    /// From the first rows to the last, two at least, none of them split.
    pub parts: Vec<Matrix>,
}

/// Bytes of values that one buffer holds at most, whatever the device would bind: what is on its way
/// from a file to the device is in memory, and a part at a time is.
const MAX_PART: u64 = 64 << 20;

/// Bytes of values that one buffer of this device holds at most.
pub fn part_bytes(device: &Device) -> usize {
    let bytes = binding_bytes(device).map_or(u64::MAX, |limit| limit.min(MAX_PART));
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Rows of `cols` values that `bytes` hold in this format, one at least. Many rows are whole tiles of
/// the kernels.
pub fn part_rows(bytes: usize, cols: usize, format: WeightFormat) -> usize {
    let row = match format.has_blocks(cols) {
        true => cols / BLOCK * format.words() * size_of::<u32>(),
        false => cols * size_of::<f32>(),
    };
    let rows = bytes / row.max(1);
    if rows > TILE { rows - rows % TILE } else { rows.max(1) }
}

/// Rows that a kernel's workgroup takes at once, at most.
const TILE: usize = llavacode_shaders::linear::tile::TILE_OUT;

impl Matrix {
    /// A dense matrix on the tensor's own device. Shape `[out_features, in_features]`.
    pub fn dense(weight: Tensor<2>) -> Self {
        Self::Dense(DenseMatrix { weight: Param::from_tensor(weight) })
    }

    /// Puts row-major values `[rows, cols]` on the device in the format asked for.
    ///
    /// A matrix whose rows are no multiple of [`BLOCK`] stays dense.
    pub fn from_values(
        values: Vec<f32>,
        rows: usize,
        cols: usize,
        format: WeightFormat,
        device: &Device,
    ) -> Self {
        Self::in_parts(values, [rows, cols], format, part_bytes(device), device)
    }

    /// The same, in parts of no more than so many bytes of values.
    pub fn in_parts(
        mut values: Vec<f32>,
        [rows, cols]: [usize; 2],
        format: WeightFormat,
        bytes: usize,
        device: &Device,
    ) -> Self {
        assert_eq!(values.len(), rows * cols, "values of a [{rows}, {cols}] matrix");
        if format.has_blocks(cols) {
            return Self::blocks_in_parts(pack(&values, format), [rows, cols], format, bytes, device);
        }
        Self::parts(rows, part_rows(bytes, cols, WeightFormat::F32), |rows| {
            let below = values.split_off(rows * cols);
            let part = std::mem::replace(&mut values, below);
            Self::dense(Tensor::from_data(TensorData::new(part, [rows, cols]), device))
        })
    }

    /// One matrix of several that stand one below the other.
    pub fn stack(parts: Vec<Self>) -> Self {
        let flat = |part| match part {
            Self::Split(split) => split.parts,
            whole => vec![whole],
        };
        let mut parts: Vec<Self> = parts.into_iter().flat_map(flat).collect();
        if parts.len() == 1 { parts.remove(0) } else { Self::Split(SplitMatrix { parts }) }
    }

    /// Puts packed blocks on the device. Under autodiff they are unpacked, so that training computes with
    /// the same weights.
    pub fn from_blocks(
        blocks: Blocks,
        rows: usize,
        cols: usize,
        format: WeightFormat,
        device: &Device,
    ) -> Self {
        Self::blocks_in_parts(blocks, [rows, cols], format, part_bytes(device), device)
    }

    fn blocks_in_parts(
        mut blocks: Blocks,
        [rows, cols]: [usize; 2],
        format: WeightFormat,
        bytes: usize,
        device: &Device,
    ) -> Self {
        if !has_blocks(device) {
            let values = unpack(&blocks, format);
            return Self::dense(Tensor::from_data(TensorData::new(values, [rows, cols]), device));
        }
        Self::parts(rows, part_rows(bytes, cols, format), |rows| {
            let part = blocks.take_rows(rows, cols, format);
            Self::Quantized(QuantizedMatrix::from_blocks(part, rows, cols, format, device))
        })
    }

    /// Puts `rows` rows on the device, `most` at a time, from the first on.
    fn parts(rows: usize, most: usize, mut put: impl FnMut(usize) -> Self) -> Self {
        let starts = (0..rows.max(1)).step_by(most);
        Self::stack(starts.map(|first| put(most.min(rows - first))).collect())
    }

    /// `[out_features, in_features]`.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Dense(m) => m.weight.val().dims(),
            Self::Quantized(m) => [m.rows, m.cols],
            Self::Split(m) => {
                let shapes = m.parts.iter().map(Self::shape);
                shapes.fold([0, 0], |[above, _], [rows, cols]| [above + rows, cols])
            }
        }
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> usize {
        let [rows, cols] = self.shape();
        match self {
            Self::Dense(_) => rows * cols * 4,
            Self::Quantized(m) => (m.values.dims()[0] + m.scales.dims()[0]) * 4,
            Self::Split(m) => m.parts.iter().map(Self::bytes).sum(),
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
        let scales = words(blocks.scale_words());
        Self { values: words(blocks.values), scales, rows, cols, format, identity: Identity::default() }
    }
}

/// The two sections of a packed matrix, as in the module's table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Blocks {
    /// Packed values.
    pub values: Vec<u32>,
    /// Scales, [`WeightFormat::scales`] a block.
    pub scales: Vec<f16>,
}

impl WeightFormat {
    /// 32-bit words of a block's values.
    ///
    /// # Panics
    /// In debug builds, for [`WeightFormat::F32`], which has no blocks.
    pub fn words(self) -> usize {
        debug_assert!(self != Self::F32, "f32 has no blocks");
        if self == Self::Q8 { 8 } else { 4 }
    }

    /// Whether rows of `cols` values are blocks in this format.
    pub fn has_blocks(self, cols: usize) -> bool {
        self != Self::F32 && cols.is_multiple_of(BLOCK)
    }

    /// Numbers beside a block's values: its scale, and in Q4_1 its minimum.
    pub fn scales(self) -> usize {
        if self == Self::Q4_1 { 2 } else { 1 }
    }
}

impl Blocks {
    /// None yet, with room for so many.
    pub(crate) fn with_room(blocks: usize, format: WeightFormat) -> Self {
        let values = Vec::with_capacity(blocks * format.words());
        Self { values, scales: Vec::with_capacity(blocks * format.scales()) }
    }

    /// The scales, two a word.
    pub fn scale_words(&self) -> Vec<u32> {
        let half = |pair: &[f16], i: usize| pair.get(i).map_or(0, |scale: &f16| u32::from(scale.to_bits()));
        self.scales.chunks(2).map(|pair| half(pair, 0) | half(pair, 1) << 16).collect()
    }

    /// From the words of the two sections; a scale too many in the last word does no harm.
    pub fn from_words(values: Vec<u32>, scales: &[u32]) -> Self {
        let halves = scales.iter().flat_map(|&word| [word as u16, (word >> 16) as u16]);
        Self { values, scales: halves.map(f16::from_bits).collect() }
    }

    /// Appends what another matrix of the same width and format holds below.
    pub fn append(&mut self, mut below: Self) {
        self.values.append(&mut below.values);
        self.scales.append(&mut below.scales);
    }

    /// Appends one block of values.
    ///
    /// Q8 scales by the largest magnitude; Q4 maps the value of largest magnitude, sign included, to
    /// −8, which uses all sixteen levels (as ggml's Q4_0 does); Q4_1 maps the least to 0 and the
    /// largest to 15.
    pub fn push(&mut self, block: &[f32], format: WeightFormat) {
        match format {
            WeightFormat::F32 | WeightFormat::Q8 => {
                let extreme = block.iter().fold(0f32, |a, v| a.max(v.abs()));
                let (scale, inverse) = scale_of(extreme / 127.0);
                let quantize = |v: &f32| (v * inverse).round().clamp(-127.0, 127.0) as i8;
                self.push_bytes(block.iter().map(quantize), scale);
            }
            WeightFormat::Q4 => {
                let extreme = block.iter().copied().fold(0f32, |a, v| if v.abs() > a.abs() { v } else { a });
                let (scale, inverse) = scale_of(extreme / -8.0);
                let quantize = |v: &f32| ((v * inverse).round().clamp(-8.0, 7.0) as i32 + 8) as u8;
                self.push_nibbles(block.iter().map(quantize), &[scale]);
            }
            WeightFormat::Q4_1 => {
                let least = f16::from_f32(block.iter().copied().fold(f32::INFINITY, f32::min));
                let largest = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let (scale, inverse) = scale_of((largest - least.to_f32()) / 15.0);
                let quantize = |v: &f32| ((v - least.to_f32()) * inverse).round().clamp(0.0, 15.0) as u8;
                self.push_nibbles(block.iter().map(quantize), &[scale, least]);
            }
        }
    }

    /// Appends a block of 4-bit values, in the order of its elements.
    pub(crate) fn push_nibbles(&mut self, values: impl Iterator<Item = u8>, scales: &[f16]) {
        let mut words = [0; BLOCK / 8];
        for (i, value) in values.take(BLOCK).enumerate() {
            words[i / 8] |= u32::from(value & 15) << (4 * (i % 8));
        }
        self.values.extend(words);
        self.scales.extend(scales);
    }

    /// Appends a block of 8-bit values, in the order of its elements.
    pub(crate) fn push_bytes(&mut self, values: impl Iterator<Item = i8>, scale: f16) {
        let mut words = [0; BLOCK / 4];
        for (i, value) in values.take(BLOCK).enumerate() {
            words[i / 4] |= u32::from(value as u8) << (8 * (i % 4));
        }
        self.values.extend(words);
        self.scales.push(scale);
    }

    /// Takes the first rows away, which are `cols` values wide.
    fn take_rows(&mut self, rows: usize, cols: usize, format: WeightFormat) -> Self {
        let blocks = rows * cols / BLOCK;
        let values = self.values.split_off(blocks * format.words());
        let scales = self.scales.split_off(blocks * format.scales());
        std::mem::replace(self, Self { values, scales })
    }

    /// Row `r` of the result is row `order[r]`; rows are `cols` values wide.
    pub(crate) fn reorder_rows(&self, order: &[usize], cols: usize, format: WeightFormat) -> Self {
        let (words, scales) = (cols / BLOCK * format.words(), cols / BLOCK * format.scales());
        let mut reordered = Self::default();
        for &row in order {
            reordered.values.extend_from_slice(&self.values[row * words..][..words]);
            reordered.scales.extend_from_slice(&self.scales[row * scales..][..scales]);
        }
        reordered
    }
}

/// A scale as it is stored, and what to multiply by to divide by it.
fn scale_of(scale: f32) -> (f16, f32) {
    let scale = f16::from_f32(scale);
    (scale, if scale == f16::ZERO { 0.0 } else { 1.0 / scale.to_f32() })
}

/// Packs values, a multiple of [`BLOCK`] of them, into blocks ([`Blocks::push`]).
pub fn pack(values: &[f32], format: WeightFormat) -> Blocks {
    assert!(values.len().is_multiple_of(BLOCK), "{} values are no whole blocks", values.len());
    let mut blocks = Blocks::default();
    values.chunks_exact(BLOCK).for_each(|block| blocks.push(block, format));
    blocks
}

/// The values that packed blocks stand for.
pub fn unpack(blocks: &Blocks, format: WeightFormat) -> Vec<f32> {
    let words = blocks.values.chunks_exact(format.words());
    let scales = blocks.scales.chunks_exact(format.scales());
    let mut values = Vec::with_capacity(words.len() * BLOCK);
    for (words, scales) in words.zip(scales) {
        let scale = scales[0].to_f32();
        let nibbles = words.iter().flat_map(|word| (0..8).map(move |j| (word >> (4 * j) & 15) as f32));
        match format {
            WeightFormat::Q4 => values.extend(nibbles.map(|q| (q - 8.0) * scale)),
            WeightFormat::Q4_1 => values.extend(nibbles.map(|q| q * scale + scales[1].to_f32())),
            WeightFormat::F32 | WeightFormat::Q8 => values
                .extend(words.iter().flat_map(|word| word.to_le_bytes()).map(|q| f32::from(q as i8) * scale)),
        }
    }
    values
}
