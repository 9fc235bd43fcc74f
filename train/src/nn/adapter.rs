//! LoRA (Hu et al., arXiv 2106.09685): a decoder's matrices stay, and to each a product of two thin ones
//! is added, `y = x·Wᵀ + scale · (x·Aᵀ)·Bᵀ`.
//!
//! The factors lie behind the decoder's own parameters in the same flat vector. Matrices that are used as
//! one (q over k over v, gate over up) share `A`.

use std::{collections::BTreeMap, ops::Range};

use super::{
    layout::{Kind, Layout, Shape, Tensor},
    matrix::{linear, linear_backward},
    real::Real,
};
use crate::random::SplitMix64;

/// Where the factors of each matrix lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// Rows of each `A`.
    pub rank: usize,
    /// What each product is multiplied by: `alpha / rank` where others say `alpha`.
    pub scale: f64,
    /// All factors, in their order, the first from 0.
    pub tensors: Vec<Tensor>,
    /// Numbers altogether.
    pub len: usize,
    /// Where the first begins: the decoder's own parameters end there.
    base: usize,
    /// By where the matrix begins; counted from the first factor.
    factors: BTreeMap<usize, Factors>,
}

/// Places of one matrix's factors, `B` right behind `A`.
#[derive(Debug, Clone, PartialEq)]
struct Factors {
    /// `[rank, inputs]`
    a: Range<usize>,
    /// `[outputs, rank]`
    b: Range<usize>,
}

impl Adapter {
    /// Factors for every matrix of every layer.
    pub fn new(shape: &Shape, layout: &Layout, rank: usize, scale: f64) -> Self {
        let mut adapter =
            Self { rank, scale, tensors: Vec::new(), len: 0, base: layout.len, factors: BTreeMap::new() };
        for (number, layer) in layout.layers.iter().enumerate() {
            for (name, place, inputs) in [
                (QKV, &layer.qkv, shape.hidden),
                (OUTPUT, &layer.output, shape.heads.query * shape.heads.dim),
                (GATE_UP, &layer.gate_up, shape.hidden),
                (DOWN, &layer.down, shape.intermediate),
            ] {
                let outputs = place.len() / inputs;
                let a = adapter.push(format!("layers.{number}.{name}.a"), rank, inputs);
                let b = adapter.push(format!("layers.{number}.{name}.b"), outputs, rank);
                adapter.factors.insert(place.start, Factors { a, b });
            }
        }
        adapter
    }

    fn push(&mut self, name: String, rows: usize, cols: usize) -> Range<usize> {
        let start = self.len;
        self.len += rows * cols;
        self.tensors.push(Tensor { name, rows, cols, start, kind: Kind::Matrix { out: false } });
        start..self.len
    }

    /// Factors that change nothing yet: `A` is drawn, `B` nought.
    pub fn init<T: Real>(&self, random: &mut SplitMix64) -> Vec<T> {
        let mut values = vec![T::zero(); self.len];
        for tensor in self.tensors.iter().filter(|tensor| tensor.name.ends_with(".a")) {
            let deviation = 1.0 / (tensor.cols as f64).sqrt();
            values[tensor.range()].iter_mut().for_each(|value| *value = T::of(deviation * random.normal()));
        }
        values
    }

    /// The factors of the matrix that begins at `start`, of all parameters.
    pub(super) fn low_rank<'a, T: Real>(&self, parameters: &'a [T], start: usize) -> Option<LowRank<'a, T>> {
        let Factors { a, b } = self.factors.get(&start)?;
        let own = &parameters[self.base..];
        let (a, b) = (&own[a.clone()], &own[b.clone()]);
        Some(LowRank { a, b, rank: self.rank, scale: T::of(self.scale) })
    }

    /// The gradients of its factors, of all factors' gradients.
    pub(super) fn gradient<'a, T>(
        &self,
        gradients: &'a mut [T],
        start: usize,
    ) -> Option<FactorGradients<'a, T>> {
        let Factors { a, b } = self.factors.get(&start)?;
        let (d_a, d_b) = gradients[a.start..b.end].split_at_mut(a.len());
        Some(FactorGradients { d_a, d_b })
    }

    /// The decoder's parameters with the products added, and no factors behind them.
    pub fn merged<T: Real>(&self, parameters: &[T]) -> Vec<T> {
        let mut merged = parameters[..self.base].to_vec();
        for (&start, factors) in &self.factors {
            let inputs = factors.a.len() / self.rank;
            let outputs = factors.b.len() / self.rank;
            let Some(low_rank) = self.low_rank(parameters, start) else { continue };
            // `linear_backward` adds dy·W: here dy is scale · B, and W is A.
            let b: Vec<T> = low_rank.b.iter().map(|&b| b * low_rank.scale).collect();
            let matrix = &mut merged[start..start + outputs * inputs];
            linear_backward(matrix, true, None, &b, &[], low_rank.a, outputs);
        }
        merged
    }
}

/// q over k over v.
pub const QKV: &str = "self_attn.qkv";
/// Attention's result back to the residual stream.
pub const OUTPUT: &str = "self_attn.o_proj";
/// gate over up.
pub const GATE_UP: &str = "mlp.gate_up";
/// The feed-forward part back to the residual stream.
pub const DOWN: &str = "mlp.down_proj";

/// One matrix's factors.
pub(super) struct LowRank<'a, T> {
    a: &'a [T],
    b: &'a [T],
    rank: usize,
    scale: T,
}

/// Gradients of one matrix's factors.
pub(super) struct FactorGradients<'a, T> {
    d_a: &'a mut [T],
    d_b: &'a mut [T],
}

impl<T: Real> LowRank<'_, T> {
    /// `y += scale · (x·Aᵀ)·Bᵀ`.
    pub(super) fn multiply(&self, y: &mut [T], x: &[T], rows: usize) {
        linear(y, &self.narrow(x, rows), self.b, rows, true);
    }

    /// `scale · x·Aᵀ`, `[rows, rank]`.
    fn narrow(&self, x: &[T], rows: usize) -> Vec<T> {
        let mut narrow = vec![T::zero(); rows * self.rank];
        linear(&mut narrow, x, self.a, rows, false);
        narrow.iter_mut().for_each(|value| *value *= self.scale);
        narrow
    }

    /// `dx += scale · (dy·B)·A`; adds to the factors' gradients where wanted, for which alone `x` is read.
    pub(super) fn backward(
        &self,
        dx: &mut [T],
        gradients: Option<FactorGradients<'_, T>>,
        dy: &[T],
        x: &[T],
        rows: usize,
    ) {
        let mut d_narrow = vec![T::zero(); rows * self.rank];
        let (d_a, d_b) = match gradients {
            Some(FactorGradients { d_a, d_b }) => (Some(d_a), Some(d_b)),
            None => (None, None),
        };
        let narrow = if d_b.is_some() { self.narrow(x, rows) } else { Vec::new() };
        linear_backward(&mut d_narrow, false, d_b, dy, &narrow, self.b, rows);
        d_narrow.iter_mut().for_each(|value| *value *= self.scale);
        linear_backward(dx, true, d_a, &d_narrow, x, self.a, rows);
    }
}
