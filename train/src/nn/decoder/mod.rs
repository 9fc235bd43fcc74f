//! The decoder stack, forward and backward: embedding, layers, final norm, tied head.
//!
//! Rows of several sequences lie one after the other, each sequence from position 0. A row's input
//! is a token's embedding or a soft vector.

mod frozen;
mod head;
mod layer;
mod tape;

use std::sync::Arc;

use super::{
    adapter::Adapter,
    layout::{Layout, Shape},
    ops::{Rope, add},
    real::Real,
};

pub use frozen::Frozen;
use tape::LayerTape;
pub use tape::Tape;

/// A decoder's sizes, layout and rotary angles. Parameters are given to each call, as one flat
/// vector.
#[derive(Debug, Clone)]
pub struct Decoder<T> {
    /// Sizes.
    pub shape: Shape,
    /// Where each tensor lies.
    pub layout: Layout,
    rope: Rope<T>,
    frozen: Option<Arc<Frozen>>,
    adapter: Option<Arc<Adapter>>,
}

/// What a micro-batch reads.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a, T> {
    /// A row each; what stands at a soft row is not read.
    pub tokens: &'a [u32],
    /// Rows of each sequence.
    pub lengths: &'a [usize],
    /// Row and number of the vector that is its input, rows ascending.
    pub soft: &'a [(usize, usize)],
    /// The vectors, `[n, hidden]`.
    pub vectors: &'a [T],
}

impl<T: Real> Decoder<T> {
    /// A decoder for sequences of at most `positions` rows.
    pub fn new(shape: Shape, positions: usize) -> Self {
        let rope = Rope::new(shape.heads.dim, shape.rope_theta, positions);
        Self { layout: Layout::new(&shape), shape, rope, frozen: None, adapter: None }
    }

    /// From now on parameters have an adapter's factors behind them, and the gradients that are asked for
    /// are those of the factors alone.
    pub fn adapt(&mut self, adapter: Adapter) {
        self.adapter = Some(Arc::new(adapter));
    }

    /// What it was adapted by.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_deref()
    }

    /// Longest sequence.
    pub fn positions(&self) -> usize {
        self.rope.positions()
    }

    pub(in crate::nn) fn eps(&self) -> T {
        T::of(self.shape.eps)
    }

    /// Reads a micro-batch.
    ///
    /// # Panics
    /// If the lengths do not add up to the tokens, or a sequence is longer than
    /// [`Self::positions`].
    pub fn forward(&self, parameters: &[T], input: Input<'_, T>, tape: &mut Tape<T>) {
        let rows = input.tokens.len();
        assert_eq!(input.lengths.iter().sum::<usize>(), rows, "lengths and tokens differ");
        assert!(input.lengths.iter().all(|&len| len <= self.positions()), "a sequence is too long");
        let hidden = self.shape.hidden;
        tape.layers.resize_with(self.shape.layers, LayerTape::default);

        let mut x = std::mem::take(&mut tape.hidden);
        fit(&mut x, rows * hidden);
        let embedding = &parameters[self.layout.embedding.clone()];
        for (x, &token) in x.chunks_exact_mut(hidden).zip(input.tokens) {
            x.copy_from_slice(&embedding[token as usize * hidden..][..hidden]);
        }
        for &(row, vector) in input.soft {
            x[row * hidden..][..hidden].copy_from_slice(&input.vectors[vector * hidden..][..hidden]);
        }
        for layer in 0..self.shape.layers {
            self.forward_layer(parameters, layer, &mut x, input.lengths, tape);
        }
        tape.hidden = x;
    }

    /// Zeros [`Tape::d_hidden`], to which the losses then add.
    pub fn clear_gradient(&self, tape: &mut Tape<T>) {
        tape.d_hidden.clear();
        tape.d_hidden.resize(tape.hidden.len(), T::zero());
    }

    /// Takes [`Tape::d_hidden`] back through the stack: adds to the parameters' gradients where
    /// wanted (with an adapter to its factors' alone), and to `d_vectors`, those of the soft vectors.
    pub fn backward(
        &self,
        parameters: &[T],
        input: Input<'_, T>,
        tape: &mut Tape<T>,
        mut gradients: Option<&mut [T]>,
        d_vectors: &mut [T],
    ) {
        let hidden = self.shape.hidden;
        let mut d_x = std::mem::take(&mut tape.d_hidden);
        for layer in (0..self.shape.layers).rev() {
            self.backward_layer(parameters, layer, &mut d_x, input.lengths, tape, gradients.as_deref_mut());
        }
        let mut soft = input.soft.iter().peekable();
        for (row, d) in d_x.chunks_exact(hidden).enumerate() {
            if let Some(&(_, vector)) = soft.next_if(|&&(at, _)| at == row) {
                add(&mut d_vectors[vector * hidden..][..hidden], d);
            } else if let (Some(gradients), None) = (gradients.as_deref_mut(), &self.adapter) {
                let at = self.layout.embedding.start + input.tokens[row] as usize * hidden;
                add(&mut gradients[at..][..hidden], d);
            }
        }
        tape.d_hidden = d_x;
    }
}

fn gather<T: Copy>(to: &mut Vec<T>, from: &[T], rows: &[usize], width: usize) {
    to.clear();
    rows.iter().for_each(|row| to.extend_from_slice(&from[row * width..][..width]));
}

/// Gives a buffer its length; what it held does not matter.
fn fit<T: Real>(buffer: &mut Vec<T>, len: usize) {
    buffer.resize(len, T::zero());
}

/// First row and length of each sequence.
fn spans(lengths: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    lengths.iter().scan(0, |start, &len| {
        *start += len;
        Some((*start - len, len))
    })
}

/// Each row's position in its sequence.
fn positions(lengths: &[usize]) -> impl Iterator<Item = usize> {
    lengths.iter().flat_map(|&len| 0..len)
}

fn part<T>(all: &[T], start: usize, len: usize, width: usize) -> &[T] {
    &all[start * width..][..len * width]
}

fn part_mut<T>(all: &mut [T], start: usize, len: usize, width: usize) -> &mut [T] {
    &mut all[start * width..][..len * width]
}
