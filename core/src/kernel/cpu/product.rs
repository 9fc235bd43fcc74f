//! Products of activations with one matrix of blocks.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use std::ops::Range;

use bytemuck::{cast, cast_ref, cast_slice};
use wide::{f32x4, i16x8, i32x4, u32x4};

use super::{
    format::{BLOCK, Format, VECTORS},
    rows::{Row, Rows},
};

/// Outputs whose products with one row are made at once: as many as a vector has pairs of integers.
const OUTS: usize = 4;

/// Rows that a tile takes at once.
const TILE_ROWS: usize = 4;
/// Outputs of a panel: two vectors of 32-bit sums. Where vectors are wider a panel has twice as many.
pub(super) const PANEL: usize = 8;
/// Pairs of neighbouring integers in a block.
const PAIRS: usize = BLOCK / 2;

/// A matrix of blocks, as [`QuantizedMatrix`](crate::quant::QuantizedMatrix) holds it.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a> {
    /// Packed values.
    pub(super) words: &'a [u32],
    /// Scales, and minima where the format has them, as f16.
    pub(super) halves: &'a [u16],
    /// Output features.
    pub(super) rows: usize,
}

impl<'a> Blocks<'a> {
    /// Some of the rows, each of so many blocks.
    pub(super) fn part<F: Format>(self, rows: Range<usize>, blocks: usize) -> Self {
        let words = size_of::<F::Words>() / size_of::<u32>() * blocks;
        let halves = F::SCALES * blocks;
        Self {
            words: &self.words[rows.start * words..rows.end * words],
            halves: &self.halves[rows.start * halves..rows.end * halves],
            rows: rows.len(),
        }
    }

    /// The words and halves of one output feature.
    fn row<F: Format>(self, row: usize, blocks: usize) -> (&'a [F::Words], &'a [u16]) {
        let halves = blocks * F::SCALES;
        (&cast_slice(self.words)[row * blocks..][..blocks], &self.halves[row * halves..][..halves])
    }
}

/// `y[r, first + o] = Σ x[r, i] · w[o, i]`, with `y` `[rows, width]`. An output's blocks are added up one after
/// the other whatever the number of rows, so a row's products are the same, to the bit, alone and among others.
pub(super) fn product<F: Format>(x: &Rows, weights: Blocks<'_>, y: &mut [f32], width: usize, first: usize) {
    match x.len() {
        1 => vector::<F>(x.row(0), weights, &mut y[first..][..weights.rows]),
        #[cfg(target_arch = "x86_64")]
        _ if avx512::is_supported() => {
            panels::<F, { avx512::PANEL }>(x, weights, y, width, first, avx512::tile::<F>);
        }
        _ => panels::<F, PANEL>(x, weights, y, width, first, tile::<F>),
    }
}

/// Products with one row, a few outputs at a time: they share the loads of the row.
fn vector<F: Format>(x: Row<'_>, weights: Blocks<'_>, y: &mut [f32]) {
    let blocks = x.values.len();
    let mut scales = vec![Scales::default(); blocks];
    let (mut of_out, mut minima) = (vec![0.0; blocks], vec![0.0; blocks]);
    for (from, y) in (0..).step_by(OUTS).zip(y.chunks_mut(OUTS)) {
        let outs: [&[F::Words]; OUTS] = std::array::from_fn(|out| {
            // The last one stands in for those that are missing.
            let (words, halves) = weights.row::<F>(from + out.min(y.len() - 1), blocks);
            F::scales(halves, &mut of_out, &mut minima);
            for ((place, &scale), &minimum) in scales.iter_mut().zip(&of_out).zip(&minima) {
                (place.scales[out], place.minima[out]) = (scale, minimum);
            }
            words
        });
        y.copy_from_slice(&dots::<F>(x, outs, &scales)[..y.len()]);
    }
}

/// A block's scales and minima, an output's beside the next one's.
#[derive(Clone, Copy, Default)]
struct Scales {
    scales: [f32; OUTS],
    minima: [f32; OUTS],
}

fn dots<F: Format>(x: Row<'_>, outs: [&[F::Words]; OUTS], scales: &[Scales]) -> [f32; OUTS] {
    let mut sums = f32x4::ZERO;
    for (block, of_outs) in scales.iter().enumerate() {
        let values: &[[i16; 8]; VECTORS] = cast_ref(&x.values[block]);
        let values = values.map(i16x8::new);
        let integers = outs.map(|words| {
            let weights = F::unpack(&words[block]);
            (weights[0].dot(values[0]) + weights[1].dot(values[1]))
                + (weights[2].dot(values[2]) + weights[3].dot(values[3]))
        });
        let scale = f32x4::new(of_outs.scales) * f32x4::splat(x.scales[block]);
        sums += f32x4::from_i32x4(sums_of(integers)) * scale;
        if F::HAS_MINIMUM {
            sums += f32x4::new(of_outs.minima) * f32x4::splat(x.sums[block]);
        }
    }
    sums.to_array()
}

/// The sum of each vector's elements.
#[inline(always)]
fn sums_of(vectors: [i32x4; OUTS]) -> i32x4 {
    // There is a transposition of floats only; it moves bits.
    let [a, b, c, d] = f32x4::transpose(vectors.map(cast)).map(cast::<f32x4, i32x4>);
    (a + b) + (c + d)
}

/// Some output features, unpacked: pair `p` of block `b` of each of them, side by side.
struct Panel<const OUTS: usize> {
    pairs: Vec<[[u32; OUTS]; PAIRS]>,
    scales: Vec<[f32; OUTS]>,
    minima: Vec<[f32; OUTS]>,
}

impl<const OUTS: usize> Panel<OUTS> {
    fn new(blocks: usize) -> Self {
        Self {
            pairs: vec![[[0; OUTS]; PAIRS]; blocks],
            scales: vec![[0.0; OUTS]; blocks],
            minima: vec![[0.0; OUTS]; blocks],
        }
    }

    /// Takes in output features `from..from + OUTS`; the last one stands in for those that are missing.
    fn unpack<F: Format>(&mut self, weights: Blocks<'_>, from: usize) {
        /// Outputs whose pairs are turned at once: as many as a vector has pairs.
        const FOUR: usize = 4;
        let blocks = self.pairs.len();
        let (mut scales, mut minima) = (vec![0.0; blocks], vec![0.0; blocks]);
        let outs: [&[F::Words]; OUTS] = std::array::from_fn(|out| {
            let (words, halves) = weights.row::<F>((from + out).min(weights.rows - 1), blocks);
            F::scales(halves, &mut scales, &mut minima);
            for block in 0..blocks {
                self.scales[block][out] = scales[block];
                self.minima[block][out] = minima[block];
            }
            words
        });
        for (block, pairs) in self.pairs.iter_mut().enumerate() {
            for (place, outs) in (0..).step_by(FOUR).zip(outs.as_chunks::<FOUR>().0) {
                let weights = outs.map(|words| F::unpack(&words[block]));
                for (vector, pairs) in pairs.as_chunks_mut::<FOUR>().0.iter_mut().enumerate() {
                    // Four pairs of each output become the same pair of four outputs.
                    let turned = f32x4::transpose(weights.map(|of_out| cast(of_out[vector])));
                    for (pair, of_outs) in pairs.iter_mut().zip(turned) {
                        pair[place..][..FOUR].copy_from_slice(&cast::<f32x4, [u32; FOUR]>(of_outs));
                    }
                }
            }
        }
    }
}

/// Takes a row and its products with a panel.
type Write<'a, const OUTS: usize> = dyn FnMut(usize, [f32; OUTS]) + 'a;

/// `tile` gives the products of a few rows with a panel, from a row on, and says of how many.
fn panels<F: Format, const OUTS: usize>(
    x: &Rows,
    weights: Blocks<'_>,
    y: &mut [f32],
    width: usize,
    first: usize,
    tile: impl Fn(&Panel<OUTS>, &Rows, usize, &mut Write<'_, OUTS>) -> usize,
) {
    let mut panel = Panel::new(x.blocks);
    for from in (0..weights.rows).step_by(OUTS) {
        panel.unpack::<F>(weights, from);
        let outs = OUTS.min(weights.rows - from);
        let mut write = |row: usize, sums: [f32; OUTS]| {
            y[row * width + first + from..][..outs].copy_from_slice(&sums[..outs]);
        };
        let mut row = 0;
        while row < x.len() {
            row += tile(&panel, x, row, &mut write);
        }
    }
}

fn tile<F: Format>(panel: &Panel<PANEL>, x: &Rows, first: usize, write: &mut Write<'_, PANEL>) -> usize {
    match x.len() - first {
        1 => tile_of::<F, 1>(panel, x, first, write),
        2 => tile_of::<F, 2>(panel, x, first, write),
        3 => tile_of::<F, 3>(panel, x, first, write),
        _ => tile_of::<F, TILE_ROWS>(panel, x, first, write),
    }
}

fn tile_of<F: Format, const ROWS: usize>(
    panel: &Panel<PANEL>,
    x: &Rows,
    first: usize,
    write: &mut Write<'_, PANEL>,
) -> usize {
    let sums = products::<F, ROWS>(panel, std::array::from_fn(|row| x.row(first + row)));
    for (row, sums) in sums.into_iter().enumerate() {
        write(first + row, cast(sums));
    }
    ROWS
}

/// The products of a few rows with a panel. Each pair of a row is held against the same pair of all
/// outputs at once, so no sum runs across a vector.
#[inline(always)]
fn products<F: Format, const ROWS: usize>(panel: &Panel<PANEL>, x: [Row<'_>; ROWS]) -> [[f32x4; 2]; ROWS] {
    let mut sums = [[f32x4::ZERO; 2]; ROWS];
    let halves = |v: &[f32; PANEL]| -> [f32x4; 2] {
        [f32x4::new([v[0], v[1], v[2], v[3]]), f32x4::new([v[4], v[5], v[6], v[7]])]
    };
    for (block, pairs) in panel.pairs.iter().enumerate() {
        let mut integers = [[i32x4::ZERO; 2]; ROWS];
        let values: [&[[i16; 2]; PAIRS]; ROWS] = std::array::from_fn(|r| cast_ref(&x[r].values[block]));
        for (pair, weights) in pairs.iter().enumerate() {
            let [low, high] = [0, 4].map(|i| -> i16x8 {
                cast(u32x4::new([weights[i], weights[i + 1], weights[i + 2], weights[i + 3]]))
            });
            for r in 0..ROWS {
                let value: i16x8 = cast(u32x4::splat(cast(values[r][pair])));
                integers[r][0] += low.dot(value);
                integers[r][1] += high.dot(value);
            }
        }
        let (scales, minima) = (halves(&panel.scales[block]), halves(&panel.minima[block]));
        for r in 0..ROWS {
            let (scale, sum) = (f32x4::splat(x[r].scales[block]), f32x4::splat(x[r].sums[block]));
            for half in 0..2 {
                sums[r][half] += f32x4::from_i32x4(integers[r][half]) * (scales[half] * scale);
                if F::HAS_MINIMUM {
                    sums[r][half] += minima[half] * sum;
                }
            }
        }
    }
    sums
}
