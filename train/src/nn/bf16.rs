//! Products with weights that stay: bf16 numbers, summed in f32.
//!
//! Processors with AVX512-BF16 multiply twice as many bf16 numbers a cycle as f32 ones
//! (`vdpbf16ps`: two products added to an f32 sum). A frozen model's matrices are rounded and laid
//! out for that once, each of them twice: as they are for the forward pass, transposed for the
//! backward pass.
//!
//! # Layout
//! A panel is [`WIDTH`] outputs. It holds, for each pair of neighbouring inputs, one 32-bit word an
//! output: the pair's two weights. So a panel is read from its first word to its last.

use std::cell::RefCell;

use multiversion::multiversion;

/// Outputs of a panel: two registers of 16 sums.
const WIDTH: usize = 32;
/// Rows whose sums are kept in registers at once.
const ROWS: usize = 12;
/// Pairs of inputs gone through before the next rows: so much of a panel stays in the cache.
const PAIRS: usize = 1024;

/// A matrix `[outputs, inputs]`, ready to be multiplied.
#[derive(Debug, Clone)]
pub struct Packed {
    words: Vec<u32>,
    outputs: usize,
    inputs: usize,
}

/// Whether this processor has the instruction.
pub fn is_supported() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

impl Packed {
    /// A matrix `[rows, cols]` as it is: rows are outputs. `None` where this processor or these
    /// sizes are not made for it.
    pub fn new(weight: &[f32], rows: usize, cols: usize) -> Option<Self> {
        Self::pack(rows, cols, |output, input| weight[output * cols + input])
    }

    /// The same matrix transposed: its columns are outputs.
    pub fn transposed(weight: &[f32], rows: usize, cols: usize) -> Option<Self> {
        Self::pack(cols, rows, |output, input| weight[input * cols + output])
    }

    fn pack(outputs: usize, inputs: usize, at: impl Fn(usize, usize) -> f32) -> Option<Self> {
        if !is_supported() || !outputs.is_multiple_of(WIDTH) || !inputs.is_multiple_of(2) {
            return None;
        }
        let mut words = Vec::with_capacity(outputs * inputs / 2);
        for panel in (0..outputs).step_by(WIDTH) {
            for input in (0..inputs).step_by(2) {
                for output in panel..panel + WIDTH {
                    words.push(pair(at(output, input), at(output, input + 1)));
                }
            }
        }
        Some(Self { words, outputs, inputs })
    }

    /// `y = x · Wᵀ`, or `y += x · Wᵀ`.
    ///
    /// # Shapes
    /// - `x`: `[rows, inputs]`
    /// - `y`: `[rows, outputs]`
    ///
    /// # Panics
    /// If they are not.
    pub fn multiply(&self, y: &mut [f32], x: &[f32], rows: usize, accumulate: bool) {
        assert!(
            x.len() == rows * self.inputs && y.len() == rows * self.outputs,
            "{} and {} numbers are no {rows} rows for a {}×{} matrix",
            x.len(),
            y.len(),
            self.outputs,
            self.inputs
        );
        thread_local! {
            static PAIRS_OF_ROWS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
        }
        PAIRS_OF_ROWS.with_borrow_mut(|pairs| {
            pairs.resize(x.len() / 2, 0);
            to_pairs(pairs, x);
            self.multiply_pairs(y, pairs, rows, accumulate);
        });
    }

    fn multiply_pairs(&self, y: &mut [f32], x: &[u32], rows: usize, accumulate: bool) {
        let pairs = self.inputs / 2;
        for first in (0..pairs).step_by(PAIRS) {
            let count = PAIRS.min(pairs - first);
            for panel in 0..self.outputs / WIDTH {
                let words = &self.words[(panel * pairs + first) * WIDTH..][..count * WIDTH];
                for row in (0..rows).step_by(ROWS) {
                    let part = Part {
                        x: &x[row * pairs + first..],
                        stride: pairs,
                        y: &mut y[row * self.outputs + panel * WIDTH..],
                        width: self.outputs,
                        accumulate: accumulate || first > 0,
                    };
                    part.multiply(words, ROWS.min(rows - row));
                }
            }
        }
    }
}

/// Some rows against a panel.
struct Part<'a> {
    /// Pairs of inputs, one row every `stride`.
    x: &'a [u32],
    stride: usize,
    /// Outputs, one row every `width`.
    y: &'a mut [f32],
    width: usize,
    accumulate: bool,
}

impl Part<'_> {
    #[cfg(target_arch = "x86_64")]
    fn multiply(self, words: &[u32], rows: usize) {
        let needed = (rows - 1) * self.stride + words.len() / WIDTH;
        assert!(needed <= self.x.len() && (rows - 1) * self.width + WIDTH <= self.y.len(), "rows are short");
        // SAFETY: `Packed` is only made where the processor has the instructions; the bounds of `x` and
        // `y` were checked, and `words` is read from its first to its last.
        #[allow(unsafe_code)]
        unsafe {
            match rows {
                1 => self.tile::<1>(words),
                2 => self.tile::<2>(words),
                3 => self.tile::<3>(words),
                4 => self.tile::<4>(words),
                5 => self.tile::<5>(words),
                6 => self.tile::<6>(words),
                7 => self.tile::<7>(words),
                8 => self.tile::<8>(words),
                9 => self.tile::<9>(words),
                10 => self.tile::<10>(words),
                11 => self.tile::<11>(words),
                _ => self.tile::<ROWS>(words),
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn multiply(self, _: &[u32], _: usize) {
        unreachable!("nothing is packed on this processor")
    }

    /// # Safety
    /// The processor has the instructions, `x` holds `R` rows of `words.len() / WIDTH` pairs, `y` as
    /// many rows of [`WIDTH`] outputs.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn tile<const R: usize>(self, words: &[u32]) {
        use std::{arch::x86_64::*, mem::transmute};
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); 2]; R];
            let (mut weights, x) = (words.as_ptr(), self.x.as_ptr());
            for pair in 0..words.len() / WIDTH {
                let low: __m512bh = transmute(_mm512_loadu_si512(weights.cast()));
                let high: __m512bh = transmute(_mm512_loadu_si512(weights.add(16).cast()));
                weights = weights.add(WIDTH);
                for (row, sums) in sums.iter_mut().enumerate() {
                    let both = x.add(row * self.stride + pair).read();
                    let both: __m512bh = transmute(_mm512_set1_epi32(both as i32));
                    sums[0] = _mm512_dpbf16_ps(sums[0], both, low);
                    sums[1] = _mm512_dpbf16_ps(sums[1], both, high);
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (half, &sum) in sums.iter().enumerate() {
                    let y = self.y.as_mut_ptr().add(row * self.width + 16 * half);
                    let sum = if self.accumulate { _mm512_add_ps(_mm512_loadu_ps(y), sum) } else { sum };
                    _mm512_storeu_ps(y, sum);
                }
            }
        }
    }
}

/// Two numbers rounded to bf16, to the nearest, ties to even; the first in the low half.
#[inline(always)]
fn pair(first: f32, second: f32) -> u32 {
    let rounded = |x: f32| {
        let bits = x.to_bits();
        bits.wrapping_add(0x7fff + (bits >> 16 & 1))
    };
    rounded(first) >> 16 | rounded(second) & 0xffff_0000
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
fn to_pairs(pairs: &mut [u32], x: &[f32]) {
    for (word, x) in pairs.iter_mut().zip(x.chunks_exact(2)) {
        *word = pair(x[0], x[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{nn::matrix::linear, random::SplitMix64};

    fn rounded(values: &[f32]) -> Vec<f32> {
        values.iter().map(|&x| f32::from_bits(pair(x, 0.0) << 16)).collect()
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest() {
        assert_eq!(rounded(&[1.0, -2.5, 0.0]), [1.0, -2.5, 0.0]);
        // A bf16 has 8 significant bits: the step at 1 is 1/128, and ties go to the even one.
        assert_eq!(
            rounded(&[1.0 + 0.6 / 128.0, 1.0 + 0.5 / 128.0, 1.0 + 1.5 / 128.0]),
            [1.0078125, 1.0, 1.015625]
        );
    }

    /// Sums of products of rounded numbers are the same but for the order of adding.
    #[test]
    fn products_are_those_of_the_rounded_numbers() {
        if !is_supported() {
            eprintln!("this processor has no AVX512-BF16: nothing was tested");
            return;
        }
        let random = &mut SplitMix64::new(61);
        // Rows that are one tile, several with a rest, a rest alone; inputs beyond one block of pairs.
        for (rows, outputs, inputs) in [(12, 32, 64), (31, 96, 2 * PAIRS + 66), (7, 64, 2)] {
            let mut draw =
                |len: usize| rounded(&(0..len).map(|_| random.normal() as f32).collect::<Vec<_>>());
            let (x, w, dy) = (draw(rows * inputs), draw(outputs * inputs), draw(rows * outputs));
            let close = |name: &str, ours: &[f32], theirs: &[f32]| {
                let worst = ours.iter().zip(theirs).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(worst < 1e-3, "{name} {rows}×{outputs}×{inputs}: {worst}");
            };
            let packed = Packed::new(&w, outputs, inputs).expect("sizes are even");
            let (mut ours, mut theirs) = (vec![1.0; dy.len()], vec![1.0; dy.len()]);
            for accumulate in [false, true] {
                packed.multiply(&mut ours, &x, rows, accumulate);
                linear(&mut theirs, &x, &w, rows, accumulate);
                close("forward", &ours, &theirs);
            }
            let back = (inputs % WIDTH == 0).then(|| Packed::transposed(&w, outputs, inputs)).flatten();
            let Some(packed) = back else { continue };
            let (mut ours, mut theirs) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            packed.multiply(&mut ours, &dy, rows, false);
            crate::nn::matrix::linear_backward(&mut theirs, false, None, &dy, &x, &w, rows);
            close("backward", &ours, &theirs);
        }
        assert!(Packed::new(&[0.0; 33], 33, 1).is_none());
    }
}
