//! What a checkpoint's numbers are stored as, and how they become 32-bit floats.
//!
//! Safetensors files hold single numbers. GGUF files hold ggml's blocks as well: some values, stored
//! as small integers, that share a scale and perhaps a minimum.
//!
//! The kernels read other blocks ([`crate::quant`]). Some of ggml's have the same values there, only
//! packed otherwise: those are repacked, bit by bit ([`ElementType::repack`]). The rest is rounded.

use half::{bf16, f16};

use crate::quant::{Blocks, WeightFormat};

/// The element types that are read; the `Q` are ggml's, described in its `ggml-common.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    BF16,
    /// 32 values of 4 bits and a scale.
    Q4_0,
    /// 32 values of 4 bits, a scale and a minimum.
    Q4_1,
    /// 32 values of 5 bits and a scale.
    Q5_0,
    /// 32 values of 5 bits, a scale and a minimum.
    Q5_1,
    /// 32 values of 8 bits and a scale.
    Q8_0,
    /// 256 values of 4 bits; every 32 have a scale and a minimum of 6 bits.
    Q4K,
    /// 256 values of 5 bits; every 32 have a scale and a minimum of 6 bits.
    Q5K,
    /// 256 values of 6 bits; every 16 have a scale of 8 bits.
    Q6K,
}

impl ElementType {
    /// Values of a block.
    pub const fn values(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 2 + 2 + 4 + 16,
            Self::Q8_0 => 2 + 32,
            Self::Q4K => 4 + 12 + 128,
            Self::Q5K => 4 + 12 + 32 + 128,
            Self::Q6K => 128 + 64 + 16 + 2,
        }
    }

    /// The format on the device that keeps most of what this type holds at about its size: all of it
    /// from Q4_0, Q4_1 and Q8_0, up to a rounding of the scales to f16 from Q4_K.
    pub const fn device_format(self) -> WeightFormat {
        match self {
            Self::Q4_0 => WeightFormat::Q4,
            Self::Q4_1 | Self::Q4K => WeightFormat::Q4_1,
            _ => WeightFormat::Q8,
        }
    }

    /// Appends a block's values to `blocks` without computing with them, where `format` can hold them
    /// as they are; says whether it can.
    pub(super) fn repack(self, block: &[u8], format: WeightFormat, blocks: &mut Blocks) -> bool {
        let nibbles = |quants: &[u8], blocks: &mut Blocks, scales: &[f16]| {
            let halves = [0, 4].into_iter().flat_map(|shift| quants.iter().map(move |q| q >> shift & 15));
            blocks.push_nibbles(halves, scales);
        };
        match (self, format) {
            (Self::Q4_0, WeightFormat::Q4) => nibbles(&block[2..], blocks, &[stored_half(block, 0)]),
            (Self::Q4_0, WeightFormat::Q4_1) => {
                let scale = stored_half(block, 0);
                // Eight times an f16 is one, unless it leaves their range.
                let minimum = f16::from_f32(-8.0 * scale.to_f32());
                nibbles(&block[2..], blocks, &[scale, minimum]);
            }
            (Self::Q4_1, WeightFormat::Q4_1) => {
                nibbles(&block[4..], blocks, &[stored_half(block, 0), stored_half(block, 2)]);
            }
            (Self::Q8_0, WeightFormat::Q8) => {
                blocks.push_bytes(block[2..].iter().map(|&q| q as i8), stored_half(block, 0));
            }
            (Self::Q4K, WeightFormat::Q4_1) => {
                for run in 0..8 {
                    let (scale, minimum) = scale_and_minimum(block, run);
                    let quants = block[16 + run / 2 * 32..][..32].iter();
                    let scales = [f16::from_f32(scale), f16::from_f32(-minimum)];
                    blocks.push_nibbles(quants.map(|q| q >> (4 * (run % 2)) & 15), &scales);
                }
            }
            _ => return false,
        }
        true
    }

    /// Appends the values of some whole blocks.
    pub(super) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        let blocks = bytes.chunks_exact(self.bytes());
        match self {
            Self::F32 => values.extend(blocks.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            Self::F16 => values.extend(blocks.map(|b| half_at(b, 0))),
            Self::BF16 => values.extend(blocks.map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())),
            Self::Q4_0 => blocks.for_each(|block| decode_q4_0(block, values)),
            Self::Q4_1 => blocks.for_each(|block| decode_q4_1(block, values)),
            Self::Q5_0 => blocks.for_each(|block| decode_q5(block, &block[2..], -16.0, 0.0, values)),
            Self::Q5_1 => {
                blocks.for_each(|block| decode_q5(block, &block[4..], 0.0, half_at(block, 2), values));
            }
            Self::Q8_0 => blocks.for_each(|block| {
                let scale = half_at(block, 0);
                values.extend(block[2..].iter().map(|&q| f32::from(q as i8) * scale));
            }),
            Self::Q4K => blocks.for_each(|block| decode_runs(block, &[0; 32], &block[16..], values)),
            Self::Q5K => blocks.for_each(|block| decode_runs(block, &block[16..48], &block[48..], values)),
            Self::Q6K => blocks.for_each(|block| decode_q6_k(block, values)),
        }
    }
}

fn decode_q4_0(block: &[u8], values: &mut Vec<f32>) {
    let (scale, quants) = (half_at(block, 0), &block[2..]);
    for shift in [0, 4] {
        values.extend(quants.iter().map(|q| (f32::from(q >> shift & 15) - 8.0) * scale));
    }
}

fn decode_q4_1(block: &[u8], values: &mut Vec<f32>) {
    let (scale, minimum, quants) = (half_at(block, 0), half_at(block, 2), &block[4..]);
    for shift in [0, 4] {
        values.extend(quants.iter().map(|q| f32::from(q >> shift & 15) * scale + minimum));
    }
}

/// Q5_0 and Q5_1: the fifth bits in four bytes, then the lower four of each value.
fn decode_q5(block: &[u8], bits: &[u8], zero_point: f32, minimum: f32, values: &mut Vec<f32>) {
    let (scale, quants) = (half_at(block, 0), &bits[4..]);
    let fifth = u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
    for (shift, first) in [(0, 0), (4, 16)] {
        values.extend(quants.iter().enumerate().map(|(i, q)| {
            let fifth = (fifth >> (first + i) & 1) as u8;
            (f32::from(q >> shift & 15 | fifth << 4) + zero_point) * scale + minimum
        }));
    }
}

fn decode_q6_k(block: &[u8], values: &mut Vec<f32>) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half_at(block, 208);
    for (half, quarter) in (0..2).flat_map(|half| (0..4).map(move |quarter| (half, quarter))) {
        values.extend((0..32).map(|i| {
            let low = low[64 * half + 32 * (quarter % 2) + i] >> (4 * (quarter / 2)) & 15;
            let high = high[32 * half + i] >> (2 * quarter) & 3;
            let own = scales[8 * half + 2 * quarter + i / 16] as i8;
            scale * f32::from(own) * (f32::from(low | high << 4) - 32.0)
        }));
    }
}

/// Q4_K and Q5_K: eight runs of 32 values. Two runs share 32 bytes of `low`, a nibble each; the
/// fifth bits of run `r` are the bits `r` of `fifth`.
fn decode_runs(block: &[u8], fifth: &[u8], low: &[u8], values: &mut Vec<f32>) {
    for run in 0..8 {
        let (scale, minimum) = scale_and_minimum(block, run);
        values.extend((0..32).map(|i| {
            let q = low[run / 2 * 32 + i] >> (4 * (run % 2)) & 15 | (fifth[i] >> run & 1) << 4;
            scale * f32::from(q) - minimum
        }));
    }
}

/// Scale of a run of Q4_K or Q5_K, and what is taken off its values. Six bits each: of the last four
/// runs the upper two lie above those of the first four.
fn scale_and_minimum(block: &[u8], run: usize) -> (f32, f32) {
    let packed = &block[4..16];
    let (scale, minimum) = match run {
        0..4 => (packed[run] & 63, packed[run + 4] & 63),
        _ => (packed[run + 4] & 15 | packed[run - 4] >> 6 << 4, packed[run + 4] >> 4 | packed[run] >> 6 << 4),
    };
    (half_at(block, 0) * f32::from(scale), half_at(block, 2) * f32::from(minimum))
}

fn stored_half(block: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([block[at], block[at + 1]])
}

fn half_at(block: &[u8], at: usize) -> f32 {
    stored_half(block, at).to_f32()
}
