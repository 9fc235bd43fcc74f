//! The final norm and the tied head, on some rows.

use super::{
    super::{
        ops::{add, rms_norm, rms_norm_backward},
        real::Real,
    },
    Decoder, fit, gather,
    tape::Tape,
};

/// Rows whose logits are made at once.
const HEAD_ROWS: usize = 128;

impl<T: Real> Decoder<T> {
    /// The head on some rows. `loss` gets the number of the row in `rows` and its logits,
    /// overwrites them by their gradient and gives the loss; the sum of losses is given back.
    /// Gradients are added to [`Tape::d_hidden`] and, where wanted, to the parameters'.
    pub fn head_loss(
        &self,
        parameters: &[T],
        rows: &[usize],
        tape: &mut Tape<T>,
        mut gradients: Option<&mut [T]>,
        mut loss: impl FnMut(usize, &mut [T]) -> T,
    ) -> f64 {
        let (hidden, vocabulary) = (self.shape.hidden, self.shape.vocabulary);
        let norm = &parameters[self.layout.norm.clone()];
        let mut sum = 0.0;
        for (block, rows) in rows.chunks(HEAD_ROWS).enumerate() {
            let (count, head) = (rows.len(), &mut tape.head);
            gather(&mut head.rows, &tape.hidden, rows, hidden);
            fit(&mut head.normed, count * hidden);
            rms_norm(&mut head.normed, &head.rows, norm, self.eps());
            fit(&mut head.logits, count * vocabulary);
            self.matrix(parameters, &self.layout.embedding).multiply(
                &mut head.logits,
                &head.normed,
                count,
                false,
            );
            for (i, logits) in head.logits.chunks_exact_mut(vocabulary).enumerate() {
                sum += loss(block * HEAD_ROWS + i, logits).wide();
            }
            fit(&mut head.d_normed, count * hidden);
            let d_embedding = self.wanted(&mut gradients, &self.layout.embedding);
            self.matrix(parameters, &self.layout.embedding).backward(
                &mut head.d_normed,
                d_embedding,
                &head.logits,
                &head.normed,
                count,
            );
            fit(&mut head.d_rows, count * hidden);
            let d_norm = self.wanted_vector(&mut gradients, &self.layout.norm);
            rms_norm_backward(&mut head.d_rows, false, d_norm, &head.d_normed, &head.rows, norm, self.eps());
            for (&row, d) in rows.iter().zip(head.d_rows.chunks_exact(hidden)) {
                add(&mut tape.d_hidden[row * hidden..][..hidden], d);
            }
        }
        sum
    }

    /// Logits of some rows, `[rows, vocabulary]`.
    pub fn logits(&self, parameters: &[T], rows: &[usize], tape: &Tape<T>) -> Vec<T> {
        let normed = self.normed_rows(parameters, rows, tape);
        let mut logits = vec![T::zero(); rows.len() * self.shape.vocabulary];
        self.matrix(parameters, &self.layout.embedding).multiply(&mut logits, &normed, rows.len(), false);
        logits
    }

    /// Some rows after the final norm, `[rows, hidden]`.
    pub fn normed_rows(&self, parameters: &[T], rows: &[usize], tape: &Tape<T>) -> Vec<T> {
        let mut gathered = Vec::new();
        gather(&mut gathered, &tape.hidden, rows, self.shape.hidden);
        let mut normed = vec![T::zero(); gathered.len()];
        rms_norm(&mut normed, &gathered, &parameters[self.layout.norm.clone()], self.eps());
        normed
    }

    /// Takes the gradients of [`Self::normed_rows`] back to [`Tape::d_hidden`] and the norm.
    pub fn normed_rows_backward(
        &self,
        parameters: &[T],
        rows: &[usize],
        d_normed: &[T],
        tape: &mut Tape<T>,
        mut gradients: Option<&mut [T]>,
    ) {
        let hidden = self.shape.hidden;
        gather(&mut tape.head.rows, &tape.hidden, rows, hidden);
        fit(&mut tape.head.d_rows, rows.len() * hidden);
        let d_norm = self.wanted_vector(&mut gradients, &self.layout.norm);
        let norm = &parameters[self.layout.norm.clone()];
        rms_norm_backward(&mut tape.head.d_rows, false, d_norm, d_normed, &tape.head.rows, norm, self.eps());
        for (&row, d) in rows.iter().zip(tape.head.d_rows.chunks_exact(hidden)) {
            add(&mut tape.d_hidden[row * hidden..][..hidden], d);
        }
    }
}
