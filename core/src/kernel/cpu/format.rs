//! How blocks of weights become vectors of 16-bit integers.

use bytemuck::{Pod, cast};
use wide::{i16x8, u32x4};

pub(super) use crate::quant::BLOCK;
use crate::quant::WeightFormat;

/// Vectors of a block.
pub(super) const VECTORS: usize = BLOCK / 8;

/// A weight format: of `crate::quant`'s table, with its packed order.
pub(super) trait Format {
    /// The words of a block's values.
    type Words: Pod;
    /// Whether an integer stands for `q · scale + minimum` and not for `q · scale`.
    const HAS_MINIMUM: bool;
    /// Which format it is.
    const FORMAT: WeightFormat;
    /// 16-bit numbers beside a block's values.
    const SCALES: usize;

    /// A block's integers, in vectors, in the order of [`element`](Self::element).
    fn unpack(words: &Self::Words) -> [i16x8; VECTORS];

    /// Which of the block's elements stands at a position of the unpacked vectors.
    fn element(position: usize) -> usize;

    /// Scale and minimum of each block of a row, from the halves beside its values.
    fn scales(halves: &[u16], scales: &mut [f32], minima: &mut [f32]);
}

/// 4 bits, with so many 16-bit numbers a block.
pub(super) struct Nibbles<const SCALES: usize>;
/// [`WeightFormat::Q4`](crate::quant::WeightFormat::Q4): `(q − 8) · scale`, taken as a minimum of
/// `−8 · scale`.
pub(super) type Q4 = Nibbles<1>;
/// [`WeightFormat::Q4_1`](crate::quant::WeightFormat::Q4_1).
pub(super) type Q4_1 = Nibbles<2>;
/// [`WeightFormat::Q8`](crate::quant::WeightFormat::Q8).
pub(super) struct Q8;

impl<const SCALES: usize> Format for Nibbles<SCALES> {
    type Words = [u32; 4];

    const HAS_MINIMUM: bool = true;
    const FORMAT: WeightFormat = if SCALES == 2 { WeightFormat::Q4_1 } else { WeightFormat::Q4 };
    const SCALES: usize = SCALES;

    /// Words `w`, shifted by `j` nibbles, have elements `8w + j` and `8w + j + 4` as the halves of a word.
    #[inline(always)]
    fn unpack(words: &[u32; 4]) -> [i16x8; VECTORS] {
        let words = u32x4::new(*words);
        let mask = u32x4::splat(0x000f_000f);
        [cast(words & mask), cast(words >> 4 & mask), cast(words >> 8 & mask), cast(words >> 12 & mask)]
    }

    fn element(position: usize) -> usize {
        let (shift, word, half) = (position / 8, position / 2 % 4, position % 2);
        8 * word + shift + 4 * half
    }

    #[inline(always)]
    fn scales(halves: &[u16], scales: &mut [f32], minima: &mut [f32]) {
        for ((halves, scale), minimum) in halves.as_chunks::<SCALES>().0.iter().zip(scales).zip(minima) {
            *scale = float(halves[0]);
            *minimum = if SCALES == 2 { float(halves[SCALES - 1]) } else { -8.0 * *scale };
        }
    }
}

impl Format for Q8 {
    type Words = [u32; 8];

    const HAS_MINIMUM: bool = false;
    const FORMAT: WeightFormat = WeightFormat::Q8;
    const SCALES: usize = 1;

    /// The low and the high byte of each half of a word, with their signs.
    #[inline(always)]
    fn unpack(words: &Self::Words) -> [i16x8; VECTORS] {
        let [first, second]: [i16x8; 2] = cast(*words);
        [first << 8 >> 8, first >> 8, second << 8 >> 8, second >> 8]
    }

    fn element(position: usize) -> usize {
        let (vector, word, half) = (position / 8, position / 2 % 4, position % 2);
        16 * (vector / 2) + 4 * word + vector % 2 + 2 * half
    }

    #[inline(always)]
    fn scales(halves: &[u16], scales: &mut [f32], _: &mut [f32]) {
        for (&half, scale) in halves.iter().zip(scales) {
            *scale = float(half);
        }
    }
}

/// An f16 that is finite: its exponent and mantissa, moved to an f32's places, are 2¹¹² times too small.
#[inline(always)]
fn float(half: u16) -> f32 {
    let magnitude = f32::from_bits(u32::from(half & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    f32::from_bits(magnitude.to_bits() | u32::from(half & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::quant::pack;

    #[test]
    fn every_finite_half_is_its_float() {
        for bits in (0..=u16::MAX).filter(|&bits| f16::from_bits(bits).is_finite()) {
            assert_eq!(float(bits).to_bits(), f16::from_bits(bits).to_f32().to_bits(), "{bits:#06x}");
        }
    }

    fn unpacks<F: Format>(format: WeightFormat, zero: i16) {
        // Every element another integer, as far as the format has them.
        let values: Vec<f32> = (0..BLOCK).map(|i| ((i * 7 + 3) % 16) as f32 - 8.0).collect();
        let blocks = pack(&values, format);
        let whole = crate::quant::unpack(&blocks, format);
        let vectors: [i16; BLOCK] =
            cast(F::unpack(bytemuck::cast_slice(&blocks.values).first().expect("a block")));
        let halves: Vec<u16> = blocks.scales.iter().map(|half| half.to_bits()).collect();
        let (mut scale, mut minimum) = ([0.0], [0.0]);
        F::scales(&halves, &mut scale, &mut minimum);
        let mut seen: Vec<usize> = (0..BLOCK).map(F::element).collect();
        for (position, &integer) in vectors.iter().enumerate() {
            let value = f32::from(integer) * scale[0] + minimum[0];
            assert!(
                (value - whole[F::element(position)]).abs() < 1e-5,
                "{format:?} at {position}, zero {zero}"
            );
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..BLOCK).collect::<Vec<_>>(), "{format:?}: every element once");
    }

    #[test]
    fn a_block_unpacks_to_its_integers() {
        unpacks::<Q4>(WeightFormat::Q4, 8);
        unpacks::<Q4_1>(WeightFormat::Q4_1, 0);
        unpacks::<Q8>(WeightFormat::Q8, 0);
    }
}
