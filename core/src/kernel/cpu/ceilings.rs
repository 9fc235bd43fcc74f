//! Loops that do nothing else: what a processor's threads can do at most, at what the products do.

use std::hint::black_box;

use bytemuck::cast_slice;
use wide::{i16x8, i32x4, u32x4};

#[cfg(target_arch = "x86_64")]
use super::product::avx512;

/// Sums that do not wait for each other: as many as fit the registers beside their factors.
const CHAINS: usize = 6;
/// Operations of a step of a chain: eight products and eight additions.
const CHAIN_OPERATIONS: usize = 16;

/// A loop, and how long it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernel) enum Loop {
    /// Multiplies and adds 16-bit integers in registers, as the products of blocks do.
    MultiplyAdd {
        /// Steps of all chains.
        steps: u32,
    },
    /// Reads so many words, so often.
    Read {
        /// Words, a multiple of 16.
        words: u32,
        /// How often.
        times: u32,
    },
}

impl Loop {
    /// Operations that it takes.
    pub(in crate::kernel) fn operations(self) -> f64 {
        match self {
            Self::MultiplyAdd { steps } => f64::from(steps) * step_operations() as f64,
            Self::Read { .. } => 0.0,
        }
    }

    /// Bytes that it reads.
    pub(in crate::kernel) fn bytes(self) -> f64 {
        match self {
            Self::MultiplyAdd { .. } => 0.0,
            Self::Read { words, times } => f64::from(words) * size_of::<u32>() as f64 * f64::from(times),
        }
    }

    /// Goes through it on this thread; what comes out has no meaning.
    pub(super) fn run(self) -> u32 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::MultiplyAdd { steps } if avx512::is_supported() => avx512::multiply_add(steps),
            Self::MultiplyAdd { steps } => multiply_add(steps),
            Self::Read { words, times } => {
                let words = vec![1u32; usize::try_from(words).expect("32 bits")];
                (0..times).fold(0, |sum, _| sum ^ read(black_box(&words)))
            }
        }
    }
}

/// Of the path that products take here.
fn step_operations() -> usize {
    #[cfg(target_arch = "x86_64")]
    if avx512::is_supported() {
        return avx512::STEP_OPERATIONS;
    }
    CHAINS * CHAIN_OPERATIONS
}

fn multiply_add(steps: u32) -> u32 {
    let factors: [i16x8; CHAINS] = black_box(std::array::from_fn(|chain| i16x8::splat(chain as i16)));
    let (mut sums, mut value) = ([i32x4::ZERO; CHAINS], i16x8::ZERO);
    for _ in 0..steps {
        for (sum, factor) in sums.iter_mut().zip(factors) {
            *sum += factor.dot(value);
        }
        value += i16x8::ONE;
    }
    sums.iter().flat_map(|sum| sum.to_array()).fold(0, |all, sum| all ^ sum.cast_unsigned())
}

fn read(words: &[u32]) -> u32 {
    let mut sums = [u32x4::ZERO; 4];
    for four in cast_slice::<u32, [[u32; 4]; 4]>(words) {
        for (sum, words) in sums.iter_mut().zip(four) {
            *sum ^= u32x4::new(*words);
        }
    }
    sums.iter().flat_map(|sum| sum.to_array()).fold(0, |all, sum| all ^ sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_does_what_it_counts() {
        let [steps, words] = [5, 64];
        // Chain c sums 2 · 4 · c · (0 + 1 + … + 4) over its four places.
        let sums = (0..CHAINS as u32).flat_map(|chain| [2 * chain * 10; 4]);
        assert_eq!(multiply_add(steps), sums.fold(0, |all, sum| all ^ sum));
        assert_eq!(read(&[3, 5, 9, 1].map(|word| [word; 16]).concat()), 0, "each word in sixteen places");
        let mut odd = vec![0; 64];
        odd[37] = 6;
        assert_eq!(read(&odd), 6, "every word counts");
        assert_eq!(Loop::Read { words, times: 3 }.bytes(), 768.0);
        assert_eq!(Loop::MultiplyAdd { steps }.operations(), (5 * step_operations()) as f64);
    }
}
