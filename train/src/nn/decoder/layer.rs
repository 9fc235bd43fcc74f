//! One layer, forward and backward.

use super::{
    super::{
        attention::{self, attention, attention_backward},
        layout::LayerRanges,
        matrix::weight_gradient,
        ops::{add, rms_norm, rms_norm_backward, swiglu, swiglu_backward},
        real::Real,
    },
    Decoder, fit,
    frozen::Wanted,
    part, part_mut, positions, spans,
    tape::{LayerTape, Tape},
};

impl<T: Real> Decoder<T> {
    pub(super) fn forward_layer(
        &self,
        parameters: &[T],
        index: usize,
        x: &mut [T],
        lengths: &[usize],
        tape: &mut Tape<T>,
    ) {
        let (shape, places) = (&self.shape, &self.layout.layers[index]);
        let (heads, rows) = (shape.heads, x.len() / shape.hidden);
        let Tape { layers, normed, wide, scratch, .. } = tape;
        let saved = &mut layers[index];

        saved.input.clear();
        saved.input.extend_from_slice(x);
        fit(normed, x.len());
        rms_norm(normed, x, &parameters[places.input_norm.clone()], self.eps());
        fit(&mut saved.qkv, rows * heads.qkv());
        self.matrix(parameters, &places.qkv).multiply(&mut saved.qkv, normed, rows, false);
        self.finish_qkv(parameters, index, saved, lengths);

        fit(&mut saved.attended, rows * heads.query * heads.dim);
        fit(&mut saved.log_sums, rows * heads.query);
        for (start, len) in spans(lengths) {
            attention(
                part_mut(&mut saved.attended, start, len, heads.query * heads.dim),
                part_mut(&mut saved.log_sums, start, len, heads.query),
                part(&saved.qkv, start, len, heads.qkv()),
                heads,
                scratch,
            );
        }
        self.matrix(parameters, &places.output).multiply(x, &saved.attended, rows, true);

        saved.middle.clear();
        saved.middle.extend_from_slice(x);
        rms_norm(normed, x, &parameters[places.post_norm.clone()], self.eps());
        fit(&mut saved.gate_up, rows * 2 * shape.intermediate);
        self.matrix(parameters, &places.gate_up).multiply(&mut saved.gate_up, normed, rows, false);
        fit(wide, rows * shape.intermediate);
        swiglu(wide, &saved.gate_up, shape.intermediate);
        self.matrix(parameters, &places.down).multiply(x, wide, rows, true);
    }

    /// Biases or head norms, then rotation.
    fn finish_qkv(&self, parameters: &[T], index: usize, saved: &mut LayerTape<T>, lengths: &[usize]) {
        let places = &self.layout.layers[index];
        if self.shape.qk_norm {
            saved.raw_qkv.clear();
            saved.raw_qkv.extend_from_slice(&saved.qkv);
        }
        let rows = saved.qkv.chunks_exact_mut(self.shape.heads.qkv());
        for (row, position) in rows.zip(positions(lengths)) {
            self.finish_row(parameters, places, row, position);
        }
    }

    /// Biases or head norms of one row, then rotation.
    pub(in crate::nn) fn finish_row(
        &self,
        parameters: &[T],
        places: &LayerRanges,
        row: &mut [T],
        position: usize,
    ) {
        let attention::Heads { query, key_value, dim } = self.shape.heads;
        if self.shape.qk_norm {
            for (head, values) in row.chunks_exact_mut(dim).take(query + key_value).enumerate() {
                let weight = if head < query { &places.q_norm } else { &places.k_norm };
                norm_in_place(values, &parameters[weight.clone()], self.eps());
            }
        } else {
            add(row, &parameters[places.qkv_bias.clone()]);
        }
        self.rope.rotate(row, query + key_value, position, false);
    }

    pub(super) fn backward_layer(
        &self,
        parameters: &[T],
        index: usize,
        d_x: &mut [T],
        lengths: &[usize],
        tape: &mut Tape<T>,
        mut gradients: Option<&mut [T]>,
    ) {
        let (shape, places) = (&self.shape, &self.layout.layers[index]);
        let (heads, rows) = (shape.heads, d_x.len() / shape.hidden);
        let Tape { layers, normed, wide, d_wide, scratch, .. } = tape;
        let saved = &mut layers[index];
        // Feed-forward part: x = middle + down(swiglu(gate_up(norm(middle)))).
        fit(d_wide, rows * shape.intermediate);
        fit(wide, rows * shape.intermediate);
        match self.wanted(&mut gradients, &places.down) {
            Some(Wanted::Factors(factors)) => {
                // Their gradients read what `down` was given.
                swiglu(wide, &saved.gate_up, shape.intermediate);
                let factors = Some(Wanted::Factors(factors));
                self.matrix(parameters, &places.down).backward(d_wide, factors, d_x, wide, rows);
                swiglu_backward(&mut saved.gate_up, d_wide, wide, shape.intermediate);
            }
            whole => {
                self.matrix(parameters, &places.down).backward(d_wide, None, d_x, wide, rows);
                swiglu_backward(&mut saved.gate_up, d_wide, wide, shape.intermediate);
                if let Some(Wanted::Whole(d_down)) = whole {
                    weight_gradient(d_down, d_x, wide, rows);
                }
            }
        }
        let post_norm = &parameters[places.post_norm.clone()];
        rms_norm(normed, &saved.middle, post_norm, self.eps());
        fit(d_wide, rows * shape.hidden);
        self.matrix(parameters, &places.gate_up).backward(
            d_wide,
            self.wanted(&mut gradients, &places.gate_up),
            &saved.gate_up,
            normed,
            rows,
        );
        rms_norm_backward(
            d_x,
            true,
            self.wanted_vector(&mut gradients, &places.post_norm),
            d_wide,
            &saved.middle,
            post_norm,
            self.eps(),
        );

        // Attention: middle = input + output(attention(rope(qkv(norm(input))))).
        fit(d_wide, rows * heads.query * heads.dim);
        self.matrix(parameters, &places.output).backward(
            d_wide,
            self.wanted(&mut gradients, &places.output),
            d_x,
            &saved.attended,
            rows,
        );
        fit(wide, rows * heads.qkv());
        for (start, len) in spans(lengths) {
            attention_backward(
                part_mut(wide, start, len, heads.qkv()),
                part(d_wide, start, len, heads.query * heads.dim),
                part(&saved.attended, start, len, heads.query * heads.dim),
                part(&saved.log_sums, start, len, heads.query),
                part(&saved.qkv, start, len, heads.qkv()),
                heads,
                scratch,
            );
        }
        for (row, position) in wide.chunks_exact_mut(heads.qkv()).zip(positions(lengths)) {
            self.rope.rotate(row, heads.query + heads.key_value, position, true);
        }
        if shape.qk_norm {
            self.head_norms_backward(parameters, places, wide, &saved.raw_qkv, gradients.as_deref_mut());
        } else if let Some(d_bias) = self.wanted_vector(&mut gradients, &places.qkv_bias) {
            wide.chunks_exact(heads.qkv()).for_each(|row| add(d_bias, row));
        }
        let input_norm = &parameters[places.input_norm.clone()];
        rms_norm(normed, &saved.input, input_norm, self.eps());
        fit(d_wide, rows * shape.hidden);
        let d_qkv = self.wanted(&mut gradients, &places.qkv);
        self.matrix(parameters, &places.qkv).backward(d_wide, d_qkv, wide, normed, rows);
        rms_norm_backward(
            d_x,
            true,
            self.wanted_vector(&mut gradients, &places.input_norm),
            d_wide,
            &saved.input,
            input_norm,
            self.eps(),
        );
    }

    /// Through the norms of q's and k's heads, in place.
    fn head_norms_backward(
        &self,
        parameters: &[T],
        places: &LayerRanges,
        d_qkv: &mut [T],
        raw: &[T],
        mut gradients: Option<&mut [T]>,
    ) {
        let attention::Heads { query, key_value, dim } = self.shape.heads;
        let width = self.shape.heads.qkv();
        let mut d_raw = vec![T::zero(); dim];
        for (d_row, raw) in d_qkv.chunks_exact_mut(width).zip(raw.chunks_exact(width)) {
            let heads = d_row.chunks_exact_mut(dim).zip(raw.chunks_exact(dim)).take(query + key_value);
            for (head, (d_head, raw)) in heads.enumerate() {
                let place = if head < query { &places.q_norm } else { &places.k_norm };
                let weight = &parameters[place.clone()];
                let d_weight = self.wanted_vector(&mut gradients, place);
                rms_norm_backward(&mut d_raw, false, d_weight, d_head, raw, weight, self.eps());
                d_head.copy_from_slice(&d_raw);
            }
        }
    }
}

/// RMSNorm of one head, in place.
fn norm_in_place<T: Real>(x: &mut [T], weight: &[T], eps: T) {
    let mean = x.iter().map(|&x| x * x).sum::<T>() / T::of(x.len() as f64);
    let scale = T::one() / (mean + eps).sqrt();
    for (x, &w) in x.iter_mut().zip(weight) {
        *x = *x * scale * w;
    }
}
