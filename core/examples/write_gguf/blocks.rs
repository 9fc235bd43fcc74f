//! Blocks of ggml's types. In random ones the numbers are evenly spread about nought; the scales differ
//! from block to block, so that a scale read at the wrong place shows.

use half::f16;

use super::random::Random;

/// A type of ggml's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    F32,
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q8_0,
    Q4K,
    Q6K,
}

impl Type {
    /// Its number in a file.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
            Self::Q6K => 14,
        }
    }

    /// Values in a block.
    pub(crate) fn values(self) -> u64 {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }

    /// Whether blocks can be made of given values.
    pub(crate) fn is_exact(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Q8_0)
    }

    /// Writes a block of these values, rounded as llama.cpp's quantizer rounds.
    ///
    /// # Panics
    /// If the type is none of those that [`Self::is_exact`] names.
    pub(crate) fn block_of(self, values: &[f32], block: &mut [u8]) {
        match self {
            Self::F32 => block.copy_from_slice(&values[0].to_le_bytes()),
            Self::F16 => put_half(block, 0, values[0]),
            Self::Q8_0 => {
                let largest = values.iter().fold(0f32, |most, value| most.max(value.abs()));
                let scale = largest / 127.0;
                put_half(block, 0, scale);
                for (quant, value) in block[2..].iter_mut().zip(values) {
                    *quant = if scale > 0.0 { (value / scale).round() as i8 as u8 } else { 0 };
                }
            }
            _ => unreachable!("{self:?} is made of random bits alone"),
        }
    }

    /// Writes a block of values about `mean`, which only f32 keeps, of about this standard deviation.
    pub(crate) fn random_block(self, mean: f32, deviation: f32, random: &mut Random, block: &mut [u8]) {
        // Half the width of an even spread of this deviation, a little more or less in each block.
        let half_width = deviation * 3f32.sqrt() * random.between(0.8, 1.2);
        match self {
            Self::F32 => {
                let value = random.between(mean - half_width, mean + half_width);
                block.copy_from_slice(&value.to_le_bytes());
            }
            Self::F16 => put_half(block, 0, random.between(-half_width, half_width)),
            Self::Q4_0 => {
                put_half(block, 0, half_width / 7.5);
                random.fill(&mut block[2..]);
                block[2..].iter_mut().for_each(balance_nibbles);
            }
            Self::Q4_1 => {
                let scale = half_width / 7.5;
                put_half(block, 0, scale);
                put_half(block, 2, -7.5 * scale);
                random.fill(&mut block[4..]);
            }
            Self::Q5_0 => {
                put_half(block, 0, half_width / 15.5);
                random.fill(&mut block[2..]);
                block[6..].iter_mut().for_each(balance_nibbles);
            }
            Self::Q8_0 => {
                put_half(block, 0, half_width / 127.0);
                random.fill(&mut block[2..]);
                // -128, which llama.cpp does not write.
                block[2..].iter_mut().filter(|quant| **quant == 0x80).for_each(|quant| *quant = 0);
            }
            Self::Q4K => {
                // Scales of 6 bits, about 48: value = scale · own · q − least · own, q from 0 to 15.
                let scale = half_width / (48.0 * 7.5);
                put_half(block, 0, scale);
                put_half(block, 2, 7.5 * scale);
                let own: [u8; 8] = std::array::from_fn(|_| 33 + (random.next() % 31) as u8);
                pack_six_bits(&own, &mut block[4..16]);
                random.fill(&mut block[16..]);
            }
            Self::Q6K => {
                // Scales of 8 bits, of either sign: value = scale · own · (q − 32), q from 0 to 63.
                random.fill(&mut block[..192]);
                for own in &mut block[192..208] {
                    let size = 64 + (random.next() % 64) as i8;
                    *own = if random.next() & 1 == 0 { size } else { -size } as u8;
                }
                put_half(block, 208, half_width / (96.0 * 31.5));
            }
        }
    }
}

fn put_half(block: &mut [u8], at: usize, value: f32) {
    block[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
}

/// Numbers are counted from the middle of their range, so that one more lies below nought than
/// above. With 8 in place of 0 their mean is nought.
fn balance_nibbles(byte: &mut u8) {
    if *byte & 0x0f == 0 {
        *byte |= 0x08;
    }
    if *byte & 0xf0 == 0 {
        *byte |= 0x80;
    }
}

/// Q4_K's eight scales and, here, the same numbers as its eight minima: of the last four the upper
/// two bits lie above those of the first four.
fn pack_six_bits(own: &[u8; 8], packed: &mut [u8]) {
    for run in 0..4 {
        let (first, last) = (own[run], own[run + 4]);
        packed[run] = first | last >> 4 << 6;
        packed[run + 4] = first | last >> 4 << 6;
        packed[run + 8] = last & 15 | last << 4;
    }
}
