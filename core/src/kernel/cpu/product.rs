//! Products of activations with one matrix of blocks.

use std::ops::Range;

use bytemuck::{cast, cast_ref, cast_slice};
use wide::{f32x4, i16x8, i32x4, u32x4};

use super::{
    format::{BLOCK, Format, VECTORS},
    rms_norm::dot,
    rows::{Row, Rows},
};

/// Outputs whose dot products with a row are made at once.
const OUTS: usize = 4;

/// Rows that the tile takes at once; fewer go one by one.
const TILE_ROWS: usize = 4;
/// Outputs of a panel: two vectors of 32-bit sums.
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

/// `y[r, first + o] = Σ x[r, i] · w[o, i]`, with `y` `[rows, width]`.
pub(super) fn product<F: Format>(x: &Rows, weights: Blocks<'_>, y: &mut [f32], width: usize, first: usize) {
    if x.len() < TILE_ROWS {
        vectors::<F>(x, weights, y, width, first);
    } else {
        panels::<F>(x, weights, y, width, first);
    }
}

/// Dot products, of a few outputs at a time: they share the loads of the rows, and fewer rows than a tile
/// share the outputs' unpacked weights. A row's sums do not depend on how many rows there are.
fn vectors<F: Format>(x: &Rows, weights: Blocks<'_>, y: &mut [f32], width: usize, first: usize) {
    match x.len() {
        0 => {}
        1 => rows::<F, 1>(x, weights, y, width, first),
        2 => rows::<F, 2>(x, weights, y, width, first),
        _ => rows::<F, 3>(x, weights, y, width, first),
    }
}

fn rows<F: Format, const ROWS: usize>(
    x: &Rows,
    weights: Blocks<'_>,
    y: &mut [f32],
    width: usize,
    first: usize,
) {
    let x: [Row<'_>; ROWS] = std::array::from_fn(|row| x.row(row));
    let blocks = x[0].values.len();
    let mut scales = Scales { scales: vec![[0.0; OUTS]; blocks], row: vec![0.0; blocks], minima: Vec::new() };
    scales.minima.resize_with(OUTS, || vec![0.0; blocks]);
    let whole = weights.rows - weights.rows % OUTS;
    for out in (0..whole).step_by(OUTS) {
        for (row, sums) in dots::<F, OUTS, ROWS>(x, weights, out, &mut scales).into_iter().enumerate() {
            y[row * width + first + out..][..OUTS].copy_from_slice(&sums);
        }
    }
    for out in whole..weights.rows {
        for (row, [sum]) in dots::<F, 1, ROWS>(x, weights, out, &mut scales).into_iter().enumerate() {
            y[row * width + first + out] = sum;
        }
    }
}

/// Scales and minima of the outputs at hand.
struct Scales {
    /// Of each block, an output's beside the next one's.
    scales: Vec<[f32; OUTS]>,
    /// Of one output.
    row: Vec<f32>,
    /// A row an output.
    minima: Vec<Vec<f32>>,
}

fn dots<F: Format, const COUNT: usize, const ROWS: usize>(
    x: [Row<'_>; ROWS],
    weights: Blocks<'_>,
    from: usize,
    scales: &mut Scales,
) -> [[f32; COUNT]; ROWS] {
    let blocks = x[0].values.len();
    let outs: [&[F::Words]; COUNT] = std::array::from_fn(|out| {
        let (words, halves) = weights.row::<F>(from + out, blocks);
        F::scales(halves, &mut scales.row, &mut scales.minima[out]);
        for (place, scale) in scales.scales.iter_mut().zip(&scales.row) {
            place[out] = *scale;
        }
        words
    });
    let mut sums = [[f32x4::ZERO; COUNT]; ROWS];
    for (block, of_outs) in scales.scales.iter().enumerate() {
        let values: [[i16x8; VECTORS]; ROWS] = std::array::from_fn(|row| {
            let values: &[[i16; 8]; VECTORS] = cast_ref(&x[row].values[block]);
            values.map(i16x8::new)
        });
        let scales = x.map(|row| (f32x4::new(*of_outs) * f32x4::splat(row.scales[block])).to_array());
        for out in 0..COUNT {
            let weights = F::unpack(&outs[out][block]);
            for row in 0..ROWS {
                let values = values[row];
                let integers = (weights[0].dot(values[0]) + weights[1].dot(values[1]))
                    + (weights[2].dot(values[2]) + weights[3].dot(values[3]));
                sums[row][out] += f32x4::from_i32x4(integers) * f32x4::splat(scales[row][out]);
            }
        }
    }
    let least = |row: usize, out: usize| match F::HAS_MINIMUM {
        true => dot(&scales.minima[out], x[row].sums),
        false => 0.0,
    };
    std::array::from_fn(|row| std::array::from_fn(|out| sums[row][out].reduce_add() + least(row, out)))
}

/// Eight output features, unpacked: pair `p` of block `b` of each of them, side by side.
struct Panel {
    pairs: Vec<[[u32; PANEL]; PAIRS]>,
    scales: Vec<[f32; PANEL]>,
    minima: Vec<[f32; PANEL]>,
}

impl Panel {
    fn new(blocks: usize) -> Self {
        Self {
            pairs: vec![[[0; PANEL]; PAIRS]; blocks],
            scales: vec![[0.0; PANEL]; blocks],
            minima: vec![[0.0; PANEL]; blocks],
        }
    }

    /// Takes in output features `from..from + PANEL`, as many of them as there are.
    fn unpack<F: Format>(&mut self, weights: Blocks<'_>, from: usize) {
        let blocks = self.pairs.len();
        let (mut scales, mut minima) = (vec![0.0; blocks], vec![0.0; blocks]);
        for out in 0..PANEL.min(weights.rows - from) {
            let (words, halves) = weights.row::<F>(from + out, blocks);
            F::scales(halves, &mut scales, &mut minima);
            for (block, words) in words.iter().enumerate() {
                let pairs: [u32; PAIRS] = cast(F::unpack(words));
                for (place, pair) in self.pairs[block].iter_mut().zip(pairs) {
                    place[out] = pair;
                }
                self.scales[block][out] = scales[block];
                self.minima[block][out] = minima[block];
            }
        }
    }
}

fn panels<F: Format>(x: &Rows, weights: Blocks<'_>, y: &mut [f32], width: usize, first: usize) {
    let mut panel = Panel::new(x.blocks);
    for from in (0..weights.rows).step_by(PANEL) {
        panel.unpack::<F>(weights, from);
        let outs = PANEL.min(weights.rows - from);
        let mut write = |row: usize, sums: [f32x4; 2]| {
            let sums: [f32; PANEL] = cast(sums);
            y[row * width + first + from..][..outs].copy_from_slice(&sums[..outs]);
        };
        let mut row = 0;
        while row + TILE_ROWS <= x.len() {
            let sums = tile::<F, TILE_ROWS>(&panel, std::array::from_fn(|i| x.row(row + i)));
            for (i, sums) in sums.into_iter().enumerate() {
                write(row + i, sums);
            }
            row += TILE_ROWS;
        }
        for row in row..x.len() {
            let [sums] = tile::<F, 1>(&panel, [x.row(row)]);
            write(row, sums);
        }
    }
}

/// The products of a few rows with a panel. Each pair of a row is held against the same pair of all
/// outputs at once, so no sum runs across a vector.
#[inline(always)]
fn tile<F: Format, const ROWS: usize>(panel: &Panel, x: [Row<'_>; ROWS]) -> [[f32x4; 2]; ROWS] {
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
