//! What a checkpoint's numbers are stored as, and how they become 32-bit floats.
//!
//! Safetensors files hold single numbers. GGUF files hold ggml's blocks as well: some values, stored
//! as small integers, that share a scale and perhaps a least value. Matrices are rounded again to the
//! formats the kernels read ([`crate::quant`]). Blocks of Q4_0 and Q8_0 are the same there: from Q4_0
//! to `q4`, and from Q8_0 to `q8`, that changes nothing.

use half::{bf16, f16};

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
    /// 32 values of 5 bits and a scale.
    Q5_0,
    /// 32 values of 8 bits and a scale.
    Q8_0,
    /// 256 values of 4 bits; every 32 have a scale and a least value of 6 bits.
    Q4K,
    /// 256 values of 5 bits; every 32 have a scale and a least value of 6 bits.
    Q5K,
    /// 256 values of 6 bits; every 16 have a scale of 8 bits.
    Q6K,
}

impl ElementType {
    /// Values of a block.
    pub const fn values(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q5_0 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q8_0 => 2 + 32,
            Self::Q4K => 4 + 12 + 128,
            Self::Q5K => 4 + 12 + 32 + 128,
            Self::Q6K => 128 + 64 + 16 + 2,
        }
    }

    /// Appends the values of some whole blocks.
    fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        let blocks = bytes.chunks_exact(self.bytes());
        match self {
            Self::F32 => values.extend(blocks.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            Self::F16 => values.extend(blocks.map(|b| half_at(b, 0))),
            Self::BF16 => values.extend(blocks.map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())),
            Self::Q4_0 => blocks.for_each(|block| decode_q4_0(block, values)),
            Self::Q5_0 => blocks.for_each(|block| decode_q5_0(block, values)),
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

fn decode_q5_0(block: &[u8], values: &mut Vec<f32>) {
    let (scale, quants) = (half_at(block, 0), &block[6..]);
    let fifth = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    for (shift, first) in [(0, 0), (4, 16)] {
        values.extend(quants.iter().enumerate().map(|(i, q)| {
            let fifth = (fifth >> (first + i) & 1) as u8;
            (f32::from(q >> shift & 15 | fifth << 4) - 16.0) * scale
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
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    let packed = &block[4..16];
    for run in 0..8 {
        // Six bits each: of the last four runs the upper two lie above those of the first four.
        let (own_scale, own_least) = match run {
            0..4 => (packed[run] & 63, packed[run + 4] & 63),
            _ => (
                packed[run + 4] & 15 | packed[run - 4] >> 6 << 4,
                packed[run + 4] >> 4 | packed[run] >> 6 << 4,
            ),
        };
        let (scale, least) = (scale * f32::from(own_scale), least * f32::from(own_least));
        values.extend((0..32).map(|i| {
            let q = low[run / 2 * 32 + i] >> (4 * (run % 2)) & 15 | (fifth[i] >> run & 1) << 4;
            scale * f32::from(q) - least
        }));
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// A tensor's values, from bytes that come in pieces of any length.
#[derive(Debug)]
pub(super) struct Decoder {
    element: ElementType,
    /// The start of a block whose end the next piece brings.
    started: Vec<u8>,
    values: Vec<f32>,
}

impl Decoder {
    /// For a tensor of `values` values.
    pub(super) fn new(element: ElementType, values: usize) -> Self {
        Self { element, started: Vec::with_capacity(element.bytes()), values: Vec::with_capacity(values) }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut piece: &[u8]) {
        let bytes = self.element.bytes();
        if !self.started.is_empty() {
            let (end, rest) = piece.split_at(piece.len().min(bytes - self.started.len()));
            self.started.extend_from_slice(end);
            piece = rest;
            if self.started.len() < bytes {
                return;
            }
            self.element.decode(&self.started, &mut self.values);
            self.started.clear();
        }
        let (blocks, rest) = piece.split_at(piece.len() - piece.len() % bytes);
        self.element.decode(blocks, &mut self.values);
        self.started.extend_from_slice(rest);
    }

    /// The values of all whole blocks.
    pub(super) fn finish(self) -> Vec<f32> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ElementType; 9] = [
        ElementType::F32,
        ElementType::F16,
        ElementType::BF16,
        ElementType::Q4_0,
        ElementType::Q5_0,
        ElementType::Q8_0,
        ElementType::Q4K,
        ElementType::Q5K,
        ElementType::Q6K,
    ];

    #[test]
    fn pieces_of_any_length_give_the_same_values() {
        for element in ALL {
            // Small bytes: no scale among them is infinite or not a number.
            let bytes: Vec<u8> = (0..3 * element.bytes()).map(|i| (i * 37 % 59) as u8).collect();
            let mut whole = Decoder::new(element, 3 * element.values());
            whole.push(&bytes);
            let whole = whole.finish();
            assert_eq!(whole.len(), 3 * element.values(), "{element:?}");
            for length in [1, 2, 3, 5, 17, 100, 211] {
                let mut decoder = Decoder::new(element, 0);
                bytes.chunks(length).for_each(|piece| decoder.push(piece));
                assert_eq!(decoder.finish(), whole, "{element:?} in pieces of {length}");
            }
        }
    }
}
