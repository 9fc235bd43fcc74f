//! Activations as the products take them: 16-bit integers in blocks of 32 with a scale.

use wide::f32x4;

use super::format::{BLOCK, Format};

/// The largest integer: a block of 32 products with 8-bit weights then fits 32 bits.
const LARGEST: f32 = i16::MAX as f32;

/// Rows of activations, each block scaled by its largest magnitude. The rounding is a 65,534th of that,
/// a hundredth of what 8-bit weights round.
pub(super) struct Rows {
    /// Blocks of a row.
    pub(super) blocks: usize,
    /// `[rows, blocks, 32]`, a block's elements in the order of the weights' format.
    values: Vec<i16>,
    /// What an integer of the block stands for: `[rows, blocks]`.
    scales: Vec<f32>,
    /// The sums of the blocks, in floats: `[rows, blocks]`.
    sums: Vec<f32>,
}

/// One of the rows.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) values: &'a [[i16; BLOCK]],
    pub(super) scales: &'a [f32],
    pub(super) sums: &'a [f32],
}

impl Rows {
    /// Rows of `cols` floats, for weights of a format.
    pub(super) fn new<F: Format>(x: &[f32], cols: usize) -> Self {
        let count = x.len() / BLOCK;
        let mut rows = Self {
            blocks: cols / BLOCK,
            values: vec![0; x.len()],
            scales: Vec::with_capacity(count),
            sums: Vec::with_capacity(count),
        };
        let (blocks, _) = x.as_chunks::<BLOCK>();
        let (places, _) = rows.values.as_chunks_mut::<BLOCK>();
        for (block, places) in blocks.iter().zip(places) {
            let (vectors, _) = block.as_chunks::<4>();
            let vectors: [f32x4; BLOCK / 4] = std::array::from_fn(|i| f32x4::new(vectors[i]));
            let largest = vectors.iter().fold(f32x4::ZERO, |most, v| most.fast_max(v.abs()));
            let largest = largest.to_array().into_iter().fold(0f32, f32::max);
            let inverse = f32x4::splat(if largest > 0.0 { LARGEST / largest } else { 0.0 });
            let mut integers = [0i32; BLOCK];
            for (place, vector) in integers.as_chunks_mut::<4>().0.iter_mut().zip(vectors) {
                *place = (vector * inverse).fast_round_int().to_array();
            }
            for (position, place) in places.iter_mut().enumerate() {
                *place = integers[F::element(position)] as i16;
            }
            // Nought, or no number where one of the block is none: what is wrong stays to be seen.
            let wrong = vectors.iter().fold(f32x4::ZERO, |sum, &v| sum + v * f32x4::ZERO).reduce_add();
            let scale = largest / LARGEST + wrong;
            rows.scales.push(scale);
            // Of what was stored, which cannot overflow, whatever activations that are no numbers became.
            rows.sums.push(places.iter().map(|&v| i32::from(v)).sum::<i32>() as f32 * scale);
        }
        rows
    }

    /// From what [`parts`](Self::parts) gives, and the blocks of a row.
    pub(super) fn from_parts(blocks: usize, values: Vec<i16>, scales: Vec<f32>, sums: Vec<f32>) -> Self {
        Self { blocks, values, scales, sums }
    }

    /// Integers, scales and sums.
    pub(super) fn parts(&self) -> (&[i16], &[f32], &[f32]) {
        (&self.values, &self.scales, &self.sums)
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.scales.len() / self.blocks.max(1)
    }

    pub(super) fn row(&self, row: usize) -> Row<'_> {
        let (first, blocks) = (row * self.blocks, self.blocks);
        Row {
            values: &self.values.as_chunks().0[first..][..blocks],
            scales: &self.scales[first..][..blocks],
            sums: &self.sums[first..][..blocks],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::cpu::format::{Q4, Q8};

    #[test]
    fn a_block_of_noughts_has_none_but_noughts() {
        let rows = Rows::new::<Q4>(&[0.0; 64], 32);
        assert_eq!((rows.len(), rows.blocks), (2, 1));
        assert_eq!(
            (rows.row(1).values[0], rows.row(1).scales[0], rows.row(1).sums[0]),
            ([0; BLOCK], 0.0, 0.0)
        );
    }

    #[test]
    fn what_is_no_number_is_no_number_after() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let rows = Rows::new::<Q8>(&[wrong; 32], 32);
            let row = rows.row(0);
            let value = f32::from(row.values[0][0]) * row.scales[0];
            assert!(!value.is_finite(), "{wrong} became {value}");
        }
    }
}
