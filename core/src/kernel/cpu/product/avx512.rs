//! Products in vectors of 512 bits, on processors that multiply pairs of 16-bit integers and add them to a sum in
//! one instruction (AVX512-VNNI). Sums of integers are exact and those of floats in the same order, so the
//! products are the other path's to the bit.
#![allow(unsafe_code, reason = "instructions that not every processor has are unsafe to reach")]

use std::arch::x86_64::{
    __m512, __m512i, _mm512_add_ps, _mm512_cvtepi32_ps, _mm512_dpwssd_epi32, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
};

use std::hint::black_box;

use bytemuck::cast_ref;

use super::{
    super::{
        format::Format,
        rows::{Row, Rows},
    },
    PAIRS, Panel, Write,
};

/// Outputs of a panel: a vector of 32-bit sums.
pub(super) const PANEL: usize = 16;
/// Rows that a tile takes at once: their sums, and what is multiplied, fit the registers.
const TILE_ROWS: usize = 8;

/// Whether this processor can.
pub(in crate::kernel::cpu) fn is_supported() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
}

/// As [`super::tile`]. Only for processors that [can](is_supported).
pub(super) fn tile<F: Format>(
    panel: &Panel<PANEL>,
    x: &Rows,
    first: usize,
    write: &mut Write<'_, PANEL>,
) -> usize {
    // Of the last rows the last one is multiplied again for those that are missing.
    let rows = (x.len() - first).min(TILE_ROWS);
    let row = |number: usize| x.row(first + number.min(rows - 1));
    // SAFETY: whoever chose this path has asked whether the processor has the instructions.
    let sums = unsafe {
        match rows {
            1..=2 => from(products::<F, 2>(panel, std::array::from_fn(row))),
            3..=4 => from(products::<F, 4>(panel, std::array::from_fn(row))),
            _ => products::<F, TILE_ROWS>(panel, std::array::from_fn(row)),
        }
    };
    for (row, sums) in sums.into_iter().take(rows).enumerate() {
        write(first + row, sums);
    }
    rows
}

/// So many rows' sums as the first of a tile's.
fn from<const ROWS: usize>(sums: [[f32; PANEL]; ROWS]) -> [[f32; PANEL]; TILE_ROWS] {
    std::array::from_fn(|row| sums.get(row).copied().unwrap_or([0.0; PANEL]))
}

/// The products of a few rows with a panel.
#[target_feature(enable = "avx512f,avx512vnni")]
fn products<F: Format, const ROWS: usize>(panel: &Panel<PANEL>, x: [Row<'_>; ROWS]) -> [[f32; PANEL]; ROWS] {
    let mut sums = [_mm512_setzero_ps(); ROWS];
    for (block, pairs) in panel.pairs.iter().enumerate() {
        let mut integers = [_mm512_setzero_si512(); ROWS];
        let values: [&[i32; PAIRS]; ROWS] = x.map(|row| cast_ref(&row.values[block]));
        for (pair, weights) in pairs.iter().enumerate() {
            let weights = words(weights);
            for (sum, values) in integers.iter_mut().zip(values) {
                *sum = _mm512_dpwssd_epi32(*sum, weights, _mm512_set1_epi32(values[pair]));
            }
        }
        let (scales, minima) = (floats(&panel.scales[block]), floats(&panel.minima[block]));
        for ((sum, integers), row) in sums.iter_mut().zip(integers).zip(x) {
            let scale = _mm512_mul_ps(scales, _mm512_set1_ps(row.scales[block]));
            *sum = _mm512_add_ps(*sum, _mm512_mul_ps(_mm512_cvtepi32_ps(integers), scale));
            if F::HAS_MINIMUM {
                let minimum = _mm512_mul_ps(minima, _mm512_set1_ps(row.sums[block]));
                *sum = _mm512_add_ps(*sum, minimum);
            }
        }
    }
    let mut found = [[0.0; PANEL]; ROWS];
    for (found, sum) in found.iter_mut().zip(sums) {
        // SAFETY: it has room for sixteen floats.
        unsafe { _mm512_storeu_ps(found.as_mut_ptr(), sum) };
    }
    found
}

/// Sums of [`multiply_add`] that do not wait for each other.
const CHAINS: usize = 12;
/// Operations of a step of [`multiply_add`]: a chain's are 32 products and as many additions.
pub(in crate::kernel::cpu) const STEP_OPERATIONS: usize = CHAINS * 64;

/// Multiplies and adds 16-bit integers in registers; what comes out has no meaning. Only for processors that
/// [can](is_supported).
pub(in crate::kernel::cpu) fn multiply_add(steps: u32) -> u32 {
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn chains(steps: u32) -> u32 {
        let factors: [i32; CHAINS] = black_box(std::array::from_fn(|chain| 0x1_0001 * chain as i32));
        let factors = factors.map(|factor| _mm512_set1_epi32(factor));
        let mut sums = [_mm512_setzero_si512(); CHAINS];
        for step in 0..steps {
            let value = _mm512_set1_epi32(0x1_0001 * (step as i32 & 0xff));
            for (sum, factor) in sums.iter_mut().zip(factors) {
                *sum = _mm512_dpwssd_epi32(*sum, factor, value);
            }
        }
        sums.into_iter().fold(0, |all, sum| all ^ _mm512_reduce_add_epi32(sum).cast_unsigned())
    }
    // SAFETY: as in `tile`.
    unsafe { chains(steps) }
}

#[target_feature(enable = "avx512f")]
fn words(words: &[u32; PANEL]) -> __m512i {
    // SAFETY: they are sixteen words.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
fn floats(floats: &[f32; PANEL]) -> __m512 {
    // SAFETY: they are sixteen floats.
    unsafe { _mm512_loadu_ps(floats.as_ptr()) }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::format::{BLOCK, Q4, Q4_1, Q8},
            Blocks, PANEL as NARROW, panels, tile as narrow_tile,
        },
        *,
    };
    use crate::{
        quant::{WeightFormat, pack},
        random::SplitMix64,
    };

    fn compare<F: Format>(format: WeightFormat, random: &mut SplitMix64) {
        const COLS: usize = 3 * BLOCK;
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| (random.next_u64() >> 40) as f32 / 8e6 - 1.0).collect()
        };
        // Panels and tiles that are full, and such as are not.
        for (rows, outs) in [(2, 16), (3, 5), (5, 40), (8, 33), (21, 17)] {
            let (x, blocks) = (numbers(rows * COLS), pack(&numbers(outs * COLS), format));
            let x = Rows::new::<F>(&x, COLS);
            let halves: Vec<u16> = blocks.scales.iter().map(|half| half.to_bits()).collect();
            let weights = Blocks { words: &blocks.values, halves: &halves, rows: outs };
            let [mut wide, mut narrow] = [0, 1].map(|_| vec![0.0; rows * outs]);
            panels::<F, PANEL>(&x, weights, &mut wide, outs, 0, tile::<F>);
            panels::<F, NARROW>(&x, weights, &mut narrow, outs, 0, narrow_tile::<F>);
            assert!(narrow.iter().any(|&sum| sum != 0.0));
            assert_eq!(wide, narrow, "{format:?}, {rows} rows, {outs} outputs");
        }
    }

    #[test]
    fn a_chain_does_what_it_counts() {
        if is_supported() {
            // Chain c sums 2 · c · (0 + 1 + 2 + 3) in each of its sixteen places.
            let sums = (0..CHAINS as u32).map(|chain| 16 * 2 * chain * 6);
            assert_eq!(multiply_add(4), sums.fold(0, |all, sum| all ^ sum));
        }
    }

    #[test]
    fn wide_and_narrow_vectors_give_the_same_bits() {
        if !is_supported() {
            return;
        }
        let random = &mut SplitMix64::new(31);
        compare::<Q4>(WeightFormat::Q4, random);
        compare::<Q4_1>(WeightFormat::Q4_1, random);
        compare::<Q8>(WeightFormat::Q8, random);
    }
}
