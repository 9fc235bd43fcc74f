//! The number type of the engine.

use std::{
    fmt::Debug,
    iter::Sum,
    ops::{AddAssign, MulAssign, SubAssign},
};

use num_traits::Float;

/// f32, which trains, or f64, in which finite differences are exact enough to check gradients.
pub trait Real:
    Float + AddAssign + SubAssign + MulAssign + Sum + Debug + Default + Send + Sync + 'static
{
    /// From a constant.
    fn of(value: f64) -> Self;
    /// As f64.
    fn wide(self) -> f64;
    /// The same numbers, if they are f32.
    fn as_f32(_: &[Self]) -> Option<&[f32]> {
        None
    }
    /// The same numbers, if they are f32, to write to.
    fn as_f32_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
    /// eˣ, in a form the compiler can vectorise.
    fn fast_exp(self) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn fast_exp(self) -> Self {
        self.exp()
    }
}

impl Real for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    fn as_f32(values: &[Self]) -> Option<&[f32]> {
        Some(values)
    }

    fn as_f32_mut(values: &mut [Self]) -> Option<&mut [f32]> {
        Some(values)
    }

    /// Within 2 units in the last place over the range of f32's normal results; below it 0-ish
    /// (1e-38), above it about 1e38. Cody-Waite reduction and Cephes' polynomial.
    #[inline(always)]
    fn fast_exp(self) -> Self {
        // Adding it rounds to an integer, which then lies in the lowest mantissa bits.
        const ROUND: f32 = 12_582_912.0;
        const LN_2_HIGH: f32 = 0.693_359_4;
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        let x = if self < -87.0 { -87.0 } else { self };
        let x = if x > 88.0 { 88.0 } else { x };
        let rounded = x * std::f32::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        let r = x - n * LN_2_HIGH - n * LN_2_LOW;
        let mut p = 1.987_569_1e-4f32;
        p = p * r + 1.398_199_9e-3;
        p = p * r + 8.333_452e-3;
        p = p * r + 4.166_579_6e-2;
        p = p * r + 1.666_666_5e-1;
        p = p * r + 0.5;
        let p = p * r * r + r + 1.0;
        let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
        p * f32::from_bits(exponent << 23)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_exp_agrees_with_the_exact_one() {
        for i in -8_600..8_700 {
            let x = i as f32 / 100.0 + 0.003;
            let exact = f64::from(x).exp();
            let error = (f64::from(x.fast_exp()) - exact).abs() / exact;
            assert!(error < 3e-7, "exp({x}) is off by {error:e}");
        }
        assert!((-1e30f32).fast_exp() < 1e-37);
        assert_eq!(0f32.fast_exp(), 1.0);
    }
}
