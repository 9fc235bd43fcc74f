//! Products with weight matrices.

use burn::tensor::Tensor;

use super::{
    format::{Format, Q4, Q4_1, Q8},
    product::Blocks,
    rms_norm::normed,
    rows::Rows,
    tensors::{Floats, Words, tensor},
    threads,
};
use crate::{
    kernel::{operands::RmsNorm, reference},
    quant::{Matrix, QuantizedMatrix, WeightFormat},
};

/// See [`super::super::linear`].
pub(in crate::kernel) fn linear(
    x: Tensor<2>,
    weight: &Matrix,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let Some(parts) = blocks(weight) else {
        // Floats, by burn's own product.
        return reference::linear(x, weight, bias, residual);
    };
    multiply(&Floats::of(x), &parts, bias, residual)
}

/// See [`super::super::norm_linear`].
pub(in crate::kernel) fn norm_linear(
    x: Tensor<2>,
    norm: &RmsNorm,
    weight: &Matrix,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    let Some(parts) = blocks(weight) else {
        return reference::linear(super::rms_norm(x, norm), weight, bias, None);
    };
    multiply(&normed(&Floats::of(x), norm), &parts, bias, None)
}

/// The row parts of a matrix of blocks; `None` if it is dense.
pub(super) fn blocks(weight: &Matrix) -> Option<Vec<&QuantizedMatrix>> {
    match weight {
        Matrix::Dense(_) => None,
        Matrix::Quantized(blocks) => Some(vec![blocks]),
        Matrix::Split(split) => {
            split.parts.iter().map(blocks).collect::<Option<Vec<_>>>().map(|p| p.concat())
        }
    }
}

fn multiply(
    x: &[f32],
    parts: &[&QuantizedMatrix],
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let cols = parts[0].cols;
    let (rows, width) = (x.len() / cols, parts.iter().map(|part| part.rows).sum());
    let mut y = vec![0.0; rows * width];
    match parts[0].format {
        WeightFormat::Q4 => all::<Q4>(x, parts, &mut y, width),
        WeightFormat::Q4_1 => all::<Q4_1>(x, parts, &mut y, width),
        WeightFormat::Q8 | WeightFormat::F32 => all::<Q8>(x, parts, &mut y, width),
    }
    if let Some(bias) = bias.map(Floats::of) {
        y.chunks_exact_mut(width).for_each(|row| add(row, &bias));
    }
    if let Some(residual) = residual.map(Floats::of) {
        add(&mut y, &residual);
    }
    tensor(y, [rows, width])
}

fn all<F: Format>(x: &[f32], parts: &[&QuantizedMatrix], y: &mut [f32], width: usize) {
    let cols = parts[0].cols;
    let rows = threads::rows_at_once(x.len() / cols, cols, width);
    for (x, y) in x.chunks(rows * cols).zip(y.chunks_mut(rows * width)) {
        let x = Rows::new::<F>(x, cols);
        let mut first = 0;
        for part in parts {
            let (words, scales) = (Words::of(&part.values), Words::of(&part.scales));
            let weights = Blocks { words: &words, halves: bytemuck::cast_slice(&scales), rows: part.rows };
            threads::product::<F>(&x, weights, &part.identity, y, width, first);
            first += part.rows;
        }
    }
}

fn add(sums: &mut [f32], terms: &[f32]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}
