//! What stands between the matrix products, one pass over memory each.
//!
//! Rows are tokens. Every `*_backward` adds to the gradients of weights and overwrites those of
//! activations, unless it says otherwise.

use multiversion::multiversion;

use super::real::Real;

/// `y = x / sqrt(mean(x²) + eps) · weight`, row by row.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn rms_norm<T: Real>(y: &mut [T], x: &[T], weight: &[T], eps: T) {
    let width = weight.len();
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        let scale = inverse_rms(x, eps);
        for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
            *y = x * scale * w;
        }
    }
}

/// With `x̂ = x / rms`: `dx = (w·dy − x̂ · mean(w·dy·x̂)) / rms`, `dw += Σ dy·x̂`. Adds to `dx`
/// where `accumulate` says so: the residual stream's gradient flows past the norm.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn rms_norm_backward<T: Real>(
    dx: &mut [T],
    accumulate: bool,
    mut d_weight: Option<&mut [T]>,
    dy: &[T],
    x: &[T],
    weight: &[T],
    eps: T,
) {
    let width = weight.len();
    let rows = dx.chunks_exact_mut(width).zip(dy.chunks_exact(width)).zip(x.chunks_exact(width));
    for ((dx, dy), x) in rows {
        let scale = inverse_rms(x, eps);
        let mut lanes = [T::zero(); LANES];
        for ((dy, x), w) in dy.chunks(LANES).zip(x.chunks(LANES)).zip(weight.chunks(LANES)) {
            for (((sum, &dy), &x), &w) in lanes.iter_mut().zip(dy).zip(x).zip(w) {
                *sum += dy * w * x;
            }
        }
        let dot = lanes.iter().copied().sum::<T>();
        let pull = dot * scale * scale * scale / T::of(width as f64);
        if accumulate {
            for (((dx, &dy), &x), &w) in dx.iter_mut().zip(dy).zip(x).zip(weight) {
                *dx += dy * w * scale - x * pull;
            }
        } else {
            for (((dx, &dy), &x), &w) in dx.iter_mut().zip(dy).zip(x).zip(weight) {
                *dx = dy * w * scale - x * pull;
            }
        }
        if let Some(d_weight) = d_weight.as_deref_mut() {
            for ((dw, &dy), &x) in d_weight.iter_mut().zip(dy).zip(x) {
                *dw += dy * x * scale;
            }
        }
    }
}

/// Partial sums kept side by side, so that a sum can be vectorised.
const LANES: usize = 16;

#[inline(always)]
fn inverse_rms<T: Real>(x: &[T], eps: T) -> T {
    let mut lanes = [T::zero(); LANES];
    for x in x.chunks(LANES) {
        for (sum, &x) in lanes.iter_mut().zip(x) {
            *sum += x * x;
        }
    }
    let sum = lanes.iter().copied().sum::<T>();
    T::one() / (sum / T::of(x.len() as f64) + eps).sqrt()
}

/// `silu(gate) · up`, with `gate_up` `[rows, 2·width]`, the gate first, and `y` `[rows, width]`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn swiglu<T: Real>(y: &mut [T], gate_up: &[T], width: usize) {
    for (y, gate_up) in y.chunks_exact_mut(width).zip(gate_up.chunks_exact(2 * width)) {
        let (gate, up) = gate_up.split_at(width);
        for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
            *y = g / (T::one() + (-g).fast_exp()) * u;
        }
    }
}

/// Overwrites `gate_up` by its gradient, and `activation` by what [`swiglu`] gave, which the next
/// product's weight gradient needs.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn swiglu_backward<T: Real>(gate_up: &mut [T], dy: &[T], activation: &mut [T], width: usize) {
    let rows = gate_up.chunks_exact_mut(2 * width).zip(dy.chunks_exact(width));
    for ((gate_up, dy), activation) in rows.zip(activation.chunks_exact_mut(width)) {
        let (gate, up) = gate_up.split_at_mut(width);
        for (((g, u), &dy), a) in gate.iter_mut().zip(up).zip(dy).zip(activation) {
            let sigmoid = T::one() / (T::one() + (-*g).fast_exp());
            let silu = *g * sigmoid;
            *a = silu * *u;
            let d_up = dy * silu;
            *g = dy * *u * (sigmoid + silu * (T::one() - sigmoid));
            *u = d_up;
        }
    }
}

/// Cosines and sines, `[positions, dim / 2]` each, of `position · theta^(-2i / dim)`.
#[derive(Debug, Clone)]
pub struct Rope<T> {
    cos: Vec<T>,
    sin: Vec<T>,
    half: usize,
}

impl<T: Real> Rope<T> {
    /// Angles of the first `positions` positions, reckoned in f64.
    pub fn new(dim: usize, theta: f64, positions: usize) -> Self {
        let half = dim / 2;
        let angle = |n: usize| {
            let (position, i) = (n / half, n % half);
            position as f64 * theta.powf(-2.0 * i as f64 / dim as f64)
        };
        let table = |f: fn(f64) -> f64| (0..positions * half).map(|n| T::of(f(angle(n)))).collect();
        Self { cos: table(f64::cos), sin: table(f64::sin), half }
    }

    /// Positions held.
    pub fn positions(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }

    /// Rotates the first `heads` heads of a row by its position; `back` rotates the other way,
    /// which is the gradient's.
    #[inline]
    pub fn rotate(&self, row: &mut [T], heads: usize, position: usize, back: bool) {
        let half = self.half;
        let cos = &self.cos[position * half..][..half];
        let sin = &self.sin[position * half..][..half];
        for head in row.chunks_exact_mut(2 * half).take(heads) {
            let (first, second) = head.split_at_mut(half);
            for (((a, b), &c), &s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                let s = if back { -s } else { s };
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
    }
}

/// `logits` becomes `weight · (softmax(logits) − one_hot(target))`; gives `−log p(target)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn cross_entropy<T: Real>(logits: &mut [T], target: usize, weight: T) -> T {
    let at_target = logits[target];
    let (max, sum) = softmax_parts(logits);
    let scale = weight / sum;
    for x in logits.iter_mut() {
        *x *= scale;
    }
    logits[target] -= weight;
    max + sum.ln() - at_target
}

/// Overwrites by `exp(x − max)`; gives the maximum and the sum.
#[inline(always)]
fn softmax_parts<T: Real>(x: &mut [T]) -> (T, T) {
    let mut lanes = [T::neg_infinity(); LANES];
    for x in x.chunks(LANES) {
        for (max, &x) in lanes.iter_mut().zip(x) {
            *max = if x > *max { x } else { *max };
        }
    }
    let max = lanes.iter().copied().fold(T::neg_infinity(), T::max);
    let mut lanes = [T::zero(); LANES];
    for x in x.chunks_mut(LANES) {
        for (sum, x) in lanes.iter_mut().zip(x) {
            *x = (*x - max).fast_exp();
            *sum += *x;
        }
    }
    (max, lanes.iter().copied().sum())
}

/// Softmax in place; gives `log Σ exp(x)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn softmax<T: Real>(x: &mut [T]) -> T {
    let (max, sum) = softmax_parts(x);
    for x in x.iter_mut() {
        *x = *x / sum;
    }
    max + sum.ln()
}

/// `x = exp(x − log_sum)`: the probabilities again, from the logarithm that [`softmax`] gave.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn exp_minus<T: Real>(x: &mut [T], log_sum: T) {
    for x in x.iter_mut() {
        *x = (*x - log_sum).fast_exp();
    }
}

/// Gradient of softmax, in place of the gradient of its result: `d = p · (d − dot)`, where
/// `dot = Σ p·d` is given.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn softmax_backward<T: Real>(d: &mut [T], p: &[T], dot: T) {
    for (d, &p) in d.iter_mut().zip(p) {
        *d = p * (*d - dot);
    }
}

/// `a += b`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
pub fn add<T: Real>(a: &mut [T], b: &[T]) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a += b;
    }
}
