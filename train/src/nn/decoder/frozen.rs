//! A decoder whose matrices stay: packed once, see [`bf16`](crate::nn::bf16).

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{
    super::{
        adapter::{FactorGradients, LowRank},
        bf16::Packed,
        layout::Shape,
        matrix::{linear, linear_backward},
        real::Real,
    },
    Decoder,
};

/// Packed matrices, by where each begins among the parameters.
#[derive(Debug, Default)]
pub struct Frozen {
    forward: BTreeMap<usize, Packed>,
    backward: BTreeMap<usize, Packed>,
}

impl<T: Real> Decoder<T> {
    /// Rounds the matrices to bf16, from now on computed with in their place, where the processor
    /// has instructions for that. These parameters must not change any more, but for norms and biases.
    pub fn freeze(&mut self, parameters: &[T]) {
        let Some(parameters) = T::as_f32(parameters) else { return };
        let mut frozen = Frozen::default();
        let mut pack = |place: &Range<usize>, cols: usize| {
            let (weight, rows) = (&parameters[place.clone()], place.len() / cols);
            if let (Some(as_it_is), Some(transposed)) =
                (Packed::new(weight, rows, cols), Packed::transposed(weight, rows, cols))
            {
                frozen.forward.insert(place.start, as_it_is);
                frozen.backward.insert(place.start, transposed);
            }
        };
        let (hidden, heads) = (self.shape.hidden, self.shape.heads);
        pack(&self.layout.embedding, hidden);
        for places in &self.layout.layers {
            pack(&places.qkv, hidden);
            pack(&places.output, heads.query * heads.dim);
            pack(&places.gate_up, hidden);
            pack(&places.down, self.shape.intermediate);
        }
        self.frozen = Some(Arc::new(frozen));
    }

    /// The first `layers` layers, as a decoder of their own with its parameters. What was frozen
    /// stays so.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn first_layers(&self, parameters: &[T], layers: usize) -> (Self, Vec<T>) {
        assert!(layers <= self.shape.layers, "{layers} of {} layers", self.shape.layers);
        let mut first = Self::new(Shape { layers, ..self.shape.clone() }, self.positions());
        first.frozen.clone_from(&self.frozen);
        // Layers lie one after the other, the final norm behind them.
        let mut taken = parameters[..first.layout.norm.start].to_vec();
        taken.extend_from_slice(&parameters[self.layout.norm.clone()]);
        (first, taken)
    }

    /// The matrix at `place`.
    pub(in crate::nn) fn matrix<'a>(&'a self, parameters: &'a [T], place: &Range<usize>) -> Matrix<'a, T> {
        let frozen = self.frozen.as_ref();
        Matrix {
            values: &parameters[place.clone()],
            forward: frozen.and_then(|frozen| frozen.forward.get(&place.start)),
            backward: frozen.and_then(|frozen| frozen.backward.get(&place.start)),
            low_rank: self.adapter.as_ref().and_then(|adapter| adapter.low_rank(parameters, place.start)),
        }
    }

    /// Where the gradients of the matrix at `place` are wanted: its own, or with an adapter its factors'.
    pub(super) fn wanted<'a>(
        &self,
        gradients: &'a mut Option<&mut [T]>,
        place: &Range<usize>,
    ) -> Option<Wanted<'a, T>> {
        let all = gradients.as_deref_mut()?;
        match &self.adapter {
            Some(adapter) => adapter.gradient(all, place.start).map(Wanted::Factors),
            None => Some(Wanted::Whole(&mut all[place.clone()])),
        }
    }

    /// Where the gradients of a norm or bias are wanted; with an adapter nowhere.
    pub(super) fn wanted_vector<'a>(
        &self,
        gradients: &'a mut Option<&mut [T]>,
        place: &Range<usize>,
    ) -> Option<&'a mut [T]> {
        match self.adapter {
            Some(_) => None,
            None => gradients.as_deref_mut().map(|all| &mut all[place.clone()]),
        }
    }
}

/// Gradients to add to.
pub(super) enum Wanted<'a, T> {
    /// The matrix's own.
    Whole(&'a mut [T]),
    /// Those of the factors that are added to it.
    Factors(FactorGradients<'a, T>),
}

/// A matrix, packed or not, and what an adapter adds to it.
pub(in crate::nn) struct Matrix<'a, T> {
    values: &'a [T],
    forward: Option<&'a Packed>,
    backward: Option<&'a Packed>,
    low_rank: Option<LowRank<'a, T>>,
}

impl<T: Real> Matrix<'_, T> {
    /// `y = x · Wᵀ`, or `y += x · Wᵀ`.
    pub(in crate::nn) fn multiply(&self, y: &mut [T], x: &[T], rows: usize, accumulate: bool) {
        match (self.forward, T::as_f32_mut(y), T::as_f32(x)) {
            (Some(packed), Some(y), Some(x)) => packed.multiply(y, x, rows, accumulate),
            _ => linear(y, x, self.values, rows, accumulate),
        }
        if let Some(low_rank) = &self.low_rank {
            low_rank.multiply(y, x, rows);
        }
    }

    /// `dx = dy · W`; where wanted, gradients of the matrix or of its factors too.
    pub(super) fn backward(
        &self,
        dx: &mut [T],
        wanted: Option<Wanted<'_, T>>,
        dy: &[T],
        x: &[T],
        rows: usize,
    ) {
        let (whole, factors) = match wanted {
            Some(Wanted::Whole(whole)) => (Some(whole), None),
            Some(Wanted::Factors(factors)) => (None, Some(factors)),
            None => (None, None),
        };
        match (self.backward, &whole, T::as_f32_mut(dx), T::as_f32(dy)) {
            (Some(packed), None, Some(dx), Some(dy)) => packed.multiply(dx, dy, rows, false),
            _ => linear_backward(dx, false, whole, dy, x, self.values, rows),
        }
        if let Some(low_rank) = &self.low_rank {
            low_rank.backward(dx, factors, dy, x, rows);
        }
    }
}
