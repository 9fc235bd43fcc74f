//! Muon for matrices, AdamW for everything else.
//!
//! Muon (Jordan et al., 2024) replaces a matrix's momentum by the nearest matrix with all singular
//! values one, by five Newton-Schulz steps. Scaled by `0.2 · √max(rows, cols)` its update is as
//! large as AdamW's, so that both share one learning rate (Moonlight, arXiv 2502.16982).

use super::{
    layout::{Kind, Tensor},
    matrix::{View, ViewMut, multiply},
    real::Real,
};

/// Settings.
#[derive(Debug, Clone, Copy)]
pub struct OptimizerConfig {
    /// Decay of the momentum, in both rules.
    pub momentum: f64,
    /// Decay of the squares' mean (AdamW).
    pub variance: f64,
    /// Times the learning rate, off each matrix and the embedding.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; larger ones are scaled to it.
    pub clip: f64,
    /// Muon for matrices; otherwise AdamW for all.
    pub muon: bool,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { momentum: 0.95, variance: 0.95, weight_decay: 0.1, clip: 1.0, muon: true }
    }
}

/// Momentum and variance of every parameter.
#[derive(Debug, Clone)]
pub struct Optimizer {
    /// Settings.
    pub config: OptimizerConfig,
    /// Steps taken.
    pub step: u64,
    /// Like the parameters.
    pub momentum: Vec<f32>,
    /// Like the parameters; unused where Muon rules.
    pub variance: Vec<f32>,
}

impl Optimizer {
    /// At rest.
    pub fn new(parameters: usize, config: OptimizerConfig) -> Self {
        Self { config, step: 0, momentum: vec![0.0; parameters], variance: vec![0.0; parameters] }
    }

    /// One step. Gives the norm that the gradients had.
    pub fn update(
        &mut self,
        tensors: &[Tensor],
        parameters: &mut [f32],
        gradients: &[f32],
        rate: f64,
    ) -> f64 {
        self.step += 1;
        let norm = gradients.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        let scale = if norm > self.config.clip { self.config.clip / norm } else { 1.0 };
        for tensor in tensors {
            let range = tensor.range();
            let matrix = matches!(tensor.kind, Kind::Matrix { .. });
            let decayed = matrix || tensor.kind == Kind::Embedding;
            let keep = if decayed { 1.0 - rate * self.config.weight_decay } else { 1.0 } as f32;
            let (values, gradients) = (&mut parameters[range.clone()], &gradients[range.clone()]);
            let momentum = &mut self.momentum[range.clone()];
            let step = Step { number: self.step, scale, rate, keep };
            if matrix && self.config.muon {
                muon(values, momentum, gradients, tensor, &self.config, &step);
            } else {
                adam(values, momentum, &mut self.variance[range], gradients, &self.config, &step);
            }
        }
        norm
    }
}

/// What one step does alike to a whole tensor.
struct Step {
    /// Counted from 1.
    number: u64,
    /// Of the gradients.
    scale: f64,
    rate: f64,
    /// What is left of a value after its decay.
    keep: f32,
}

fn adam(
    values: &mut [f32],
    momentum: &mut [f32],
    variance: &mut [f32],
    gradients: &[f32],
    config: &OptimizerConfig,
    step: &Step,
) {
    // AdamW's usual first decay; Muon's is too slow for rows that are seldom seen.
    let first = if config.muon { 0.9 } else { config.momentum.min(0.9) };
    let corrected = |decay: f64| 1.0 - decay.powf(step.number as f64);
    let (rate, unbias) =
        ((step.rate / corrected(first)) as f32, (1.0 / corrected(config.variance)).sqrt() as f32);
    let (first, second, scale) = (first as f32, config.variance as f32, step.scale as f32);
    for (((value, m), v), &g) in values.iter_mut().zip(momentum).zip(variance).zip(gradients) {
        let g = g * scale;
        *m = first * *m + (1.0 - first) * g;
        *v = second * *v + (1.0 - second) * g * g;
        *value = *value * step.keep - rate * *m / (v.sqrt() * unbias + 1e-8);
    }
}

fn muon(
    values: &mut [f32],
    momentum: &mut [f32],
    gradients: &[f32],
    tensor: &Tensor,
    config: &OptimizerConfig,
    step: &Step,
) {
    let (decay, scale) = (config.momentum as f32, step.scale as f32);
    let mut update: Vec<f32> = momentum
        .iter_mut()
        .zip(gradients)
        .map(|(m, &g)| {
            *m = decay * *m + (1.0 - decay) * g * scale;
            // Nesterov: one step ahead.
            decay * *m + (1.0 - decay) * g * scale
        })
        .collect();
    orthogonalise(&mut update, tensor.rows, tensor.cols);
    let rate = (step.rate * 0.2 * (tensor.rows.max(tensor.cols) as f64).sqrt()) as f32;
    for (value, &u) in values.iter_mut().zip(&update) {
        *value = *value * step.keep - rate * u;
    }
}

/// Brings the singular values of a matrix near one: `X ← aX + (bA + cA²)X` with `A = XXᵀ`, five
/// times, with the coefficients of Muon's authors; they end between 0.7 and 1.2.
pub fn orthogonalise<T: Real>(x: &mut Vec<T>, rows: usize, cols: usize) {
    const STEPS: usize = 5;
    let (a, b, c) = (T::of(3.4445), T::of(-4.7750), T::of(2.0315));
    let norm = x.iter().map(|&x| x * x).sum::<T>().sqrt() + T::of(1e-7);
    x.iter_mut().for_each(|x| *x = *x / norm);
    // The square is taken over the smaller side.
    let tall = rows > cols;
    let n = rows.min(cols);
    let (mut square, mut polynomial) = (vec![T::zero(); n * n], vec![T::zero(); n * n]);
    let mut next = vec![T::zero(); x.len()];
    for _ in 0..STEPS {
        let view = View::dense(x, rows, cols);
        let (left, right) = if tall { (view.transposed(), view) } else { (view, view.transposed()) };
        multiply(ViewMut::dense(&mut square, n, n), left, right, T::one(), false);
        polynomial.iter_mut().zip(&square).for_each(|(p, &s)| *p = b * s);
        let s = View::dense(&square, n, n);
        multiply(ViewMut::dense(&mut polynomial, n, n), s, s, c, true);
        (0..n).for_each(|i| polynomial[i * n + i] += a);
        let p = View::dense(&polynomial, n, n);
        let (left, right) = if tall { (view, p) } else { (p, view) };
        multiply(ViewMut::dense(&mut next, rows, cols), left, right, T::one(), false);
        std::mem::swap(x, &mut next);
    }
}

/// A learning rate over a run: up linearly over the first steps, level, then linearly down to
/// nothing over the last part (warm-up, stable, decay).
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The level part's.
    pub peak: f64,
    /// Steps of the rise.
    pub warm_up: u64,
    /// The run's steps.
    pub steps: u64,
    /// The last part's share of them.
    pub decay: f64,
}

impl Schedule {
    /// At a step, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        let rise = ((step + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        let left = self.steps.saturating_sub(step) as f64;
        let fall = (left / (self.decay * self.steps as f64).max(1.0)).min(1.0);
        self.peak * rise * fall
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn orthogonalised_matrices_have_singular_values_near_one() {
        let mut random = SplitMix64::new(3);
        for (rows, cols) in [(24, 24), (24, 64), (64, 24)] {
            let mut x: Vec<f64> = (0..rows * cols).map(|_| random.normal()).collect();
            orthogonalise(&mut x, rows, cols);
            let norm = x.iter().map(|x| x * x).sum::<f64>();
            // The sum of squared singular values.
            let mean = norm / rows.min(cols) as f64;
            assert!((0.6..1.35).contains(&mean), "{rows}×{cols}: mean square {mean}");
        }
    }

    #[test]
    fn a_schedule_rises_stays_and_falls_to_nothing() {
        let schedule = Schedule { peak: 2.0, warm_up: 10, steps: 100, decay: 0.2 };
        assert_eq!(schedule.at(4), 1.0);
        assert_eq!(schedule.at(50), 2.0);
        assert_eq!(schedule.at(90), 1.0);
        assert_eq!(schedule.at(100), 0.0);
    }

    #[test]
    fn both_rules_descend() {
        for muon in [true, false] {
            let layout =
                [Tensor { name: "w".into(), rows: 4, cols: 4, start: 0, kind: Kind::Matrix { out: false } }];
            let mut random = SplitMix64::new(1);
            let goal: Vec<f32> = (0..16).map(|_| random.normal() as f32).collect();
            let mut values = vec![0.0; 16];
            let config = OptimizerConfig { muon, weight_decay: 0.0, ..OptimizerConfig::default() };
            let mut optimizer = Optimizer::new(16, config);
            let distance = |v: &[f32]| v.iter().zip(&goal).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            let before = distance(&values);
            for step in 0..300 {
                let gradients: Vec<f32> = values.iter().zip(&goal).map(|(a, b)| 2.0 * (a - b)).collect();
                let rate = 0.2 * (1.0 - step as f64 / 300.0);
                optimizer.update(&layout, &mut values, &gradients, rate);
            }
            assert!(distance(&values) < before / 50.0, "muon {muon}: {} of {before}", distance(&values));
        }
    }
}
