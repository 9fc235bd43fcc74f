//! Attention on slices: a head at a time, and a few rows of queries.

use wide::f32x4;

use super::rms_norm::dot;
use crate::kernel::operands::{Heads, Span};

/// Query rows that a tile takes at once.
pub(super) const TILE_ROWS: usize = 4;
/// Query rows from which on it pays to lay the keys out in panels. Fewer are computed, to the bit, as each alone
/// is.
pub(super) const PANEL_ROWS: usize = 8;
/// Numbers that it takes of each: keys for the scores, elements for the values.
const PANEL: usize = 8;

/// Causal attention of a span's rows.
///
/// # Shapes
/// - `q`, `y`: `[batch · len, query · dim]`
/// - `states`, keys and values: `[batch, key_value, capacity, dim]`
pub(super) fn attend(
    q: &[f32],
    heads: Heads,
    [keys, values]: [&[f32]; 2],
    capacity: usize,
    span: Span,
    y: &mut [f32],
) {
    let Heads { query, key_value, dim } = heads;
    let Span { batch, start, len } = span;
    let (end, group) = (start + len, query / key_value);
    let mut head = Head::new(dim, end);
    for sequence in 0..batch {
        for key_value_head in 0..key_value {
            let first = (sequence * key_value + key_value_head) * capacity * dim;
            head.read(&keys[first..][..end * dim], &values[first..][..end * dim], len);
            for query_head in key_value_head * group..(key_value_head + 1) * group {
                let place = |row: usize| ((sequence * len + row) * query + query_head) * dim;
                let mut row = 0;
                while row + TILE_ROWS <= len {
                    let places: [usize; TILE_ROWS] = std::array::from_fn(|i| place(row + i));
                    head.attend(places.map(|place| &q[place..][..dim]), start + row);
                    head.write(places, y);
                    row += TILE_ROWS;
                }
                for row in row..len {
                    head.attend([&q[place(row)..][..dim]], start + row);
                    head.write([place(row)], y);
                }
            }
        }
    }
}

/// Keys and values of one head, and room for a tile's scores.
struct Head<'a> {
    dim: usize,
    /// As the cache holds them.
    keys: &'a [f32],
    /// The keys in panels: element `d` of eight keys side by side, `[keys / 8, dim, 8]`. Empty for so few
    /// rows that it does not pay.
    panels: Vec<[f32; PANEL]>,
    values: &'a [f32],
    /// A row of scores for each of the tile's rows.
    scores: [Vec<f32>; TILE_ROWS],
    /// Sums of the values, and of the weights they were multiplied by.
    sums: [Vec<f32>; TILE_ROWS],
}

impl<'a> Head<'a> {
    fn new(dim: usize, end: usize) -> Self {
        let (keys, dims) = (end.next_multiple_of(PANEL), dim.next_multiple_of(PANEL));
        Self {
            dim,
            keys: &[],
            panels: Vec::new(),
            values: &[],
            scores: std::array::from_fn(|_| vec![0.0; keys]),
            sums: std::array::from_fn(|_| vec![0.0; dims]),
        }
    }

    fn read(&mut self, keys: &'a [f32], values: &'a [f32], rows: usize) {
        (self.keys, self.values) = (keys, values);
        if rows < PANEL_ROWS {
            return;
        }
        let panels = (keys.len() / self.dim).div_ceil(PANEL);
        self.panels.resize(panels * self.dim, [0.0; PANEL]);
        for (position, key) in keys.chunks_exact(self.dim).enumerate() {
            let panel = &mut self.panels[position / PANEL * self.dim..][..self.dim];
            for (place, &element) in panel.iter_mut().zip(key) {
                place[position % PANEL] = element;
            }
        }
    }

    /// Attention of neighbouring rows, the first of which sees positions `0..=last`.
    fn attend<const ROWS: usize>(&mut self, q: [&[f32]; ROWS], last: usize) {
        let seen = last + ROWS;
        if self.panels.is_empty() {
            for (q, scores) in q.iter().zip(&mut self.scores) {
                for (score, key) in scores.iter_mut().zip(self.keys.chunks_exact(self.dim)).take(seen) {
                    *score = dot(q, key);
                }
            }
        } else {
            for (panel, keys) in self.panels.chunks_exact(self.dim).take(seen.div_ceil(PANEL)).enumerate() {
                let scores = products(q, keys);
                for (row, scores) in scores.into_iter().enumerate() {
                    self.scores[row][panel * PANEL..][..PANEL].copy_from_slice(&scores);
                }
            }
        }
        let scale = 1.0 / (self.dim as f32).sqrt();
        let mut totals = [0.0; ROWS];
        for (row, total) in totals.iter_mut().enumerate() {
            let scores = &mut self.scores[row][..seen.next_multiple_of(4)];
            *total = softmax(scores, last + row + 1, scale);
        }
        let weights: [&[f32]; ROWS] = std::array::from_fn(|row| &self.scores[row][..seen]);
        for first in (0..self.dim).step_by(PANEL) {
            let sums = weighted(weights, self.values, self.dim, first);
            for (row, sums) in sums.into_iter().enumerate() {
                let sums = sums.map(|sum| sum / totals[row]);
                self.sums[row][first..][..PANEL].copy_from_slice(&sums);
            }
        }
    }

    fn write<const ROWS: usize>(&self, places: [usize; ROWS], y: &mut [f32]) {
        for (place, sums) in places.into_iter().zip(&self.sums) {
            y[place..][..self.dim].copy_from_slice(&sums[..self.dim]);
        }
    }
}

fn vectors(v: &[f32; PANEL]) -> [f32x4; 2] {
    [f32x4::new([v[0], v[1], v[2], v[3]]), f32x4::new([v[4], v[5], v[6], v[7]])]
}

/// The dot products of a few rows with eight keys, `keys` being `[dim, 8]`.
fn products<const ROWS: usize>(q: [&[f32]; ROWS], keys: &[[f32; PANEL]]) -> [[f32; PANEL]; ROWS] {
    let mut sums = [[f32x4::ZERO; 2]; ROWS];
    for (d, keys) in keys.iter().enumerate() {
        let keys = vectors(keys);
        for (sums, q) in sums.iter_mut().zip(q) {
            let q = f32x4::splat(q[d]);
            sums[0] += q * keys[0];
            sums[1] += q * keys[1];
        }
    }
    sums.map(bytemuck::cast)
}

/// `exp(scale · (score − largest))` of the first `seen` scores, and nought for the rest.
///
/// # Returns
/// Their sum.
fn softmax(scores: &mut [f32], seen: usize, scale: f32) -> f32 {
    let largest = scores[..seen].iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (vectors, _) = scores.as_chunks_mut::<4>();
    for vector in vectors {
        let score = f32x4::new(*vector) - f32x4::splat(largest);
        *vector = (score * f32x4::splat(scale)).exp().to_array();
    }
    scores[seen..].fill(0.0);
    let (vectors, _) = scores.as_chunks::<4>();
    vectors.iter().fold(f32x4::ZERO, |sum, &vector| sum + f32x4::new(vector)).reduce_add()
}

/// Eight elements, from `first` on, of the sums of `values` by a few rows of weights.
fn weighted<const ROWS: usize>(
    weights: [&[f32]; ROWS],
    values: &[f32],
    dim: usize,
    first: usize,
) -> [[f32; PANEL]; ROWS] {
    let mut sums = [[f32x4::ZERO; 2]; ROWS];
    for (position, value) in values.chunks_exact(dim).take(weights[0].len()).enumerate() {
        let value = match value[first..].first_chunk() {
            Some(whole) => vectors(whole),
            None => {
                let mut padded = [0.0; PANEL];
                padded[..dim - first].copy_from_slice(&value[first..]);
                vectors(&padded)
            }
        };
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let weight = f32x4::splat(weights[position]);
            sums[0] += weight * value[0];
            sums[1] += weight * value[1];
        }
    }
    sums.map(bytemuck::cast)
}
