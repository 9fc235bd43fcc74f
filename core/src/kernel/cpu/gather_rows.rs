//! Rows of a weight matrix by index.

use burn::tensor::{Int, Tensor};

use super::{
    format::{BLOCK, Format, Q4, Q4_1, Q8},
    linear::blocks,
    tensors::{Words, tensor},
};
use crate::{
    kernel::reference,
    quant::{Matrix, QuantizedMatrix, WeightFormat},
};

/// See [`super::super::gather_rows`].
pub(in crate::kernel) fn gather_rows(ids: Tensor<1, Int>, weight: &Matrix) -> Tensor<2> {
    let Some(parts) = blocks(weight) else {
        let [rows, _] = weight.shape();
        return reference::gather_rows(ids.clamp_max(rows as i64 - 1), weight);
    };
    let [count] = ids.dims();
    let cols = parts[0].cols;
    let last = parts.iter().map(|part| part.rows).sum::<usize>() - 1;
    let mut y = vec![0.0; count * cols];
    for (id, y) in ids.into_data().iter::<u32>().zip(y.chunks_exact_mut(cols)) {
        let mut row = last.min(id as usize);
        let part = parts.iter().find(|part| match row.checked_sub(part.rows) {
            Some(below) => {
                row = below;
                false
            }
            None => true,
        });
        let Some(part) = part else { continue };
        match part.format {
            WeightFormat::Q4 => unpack::<Q4>(part, row, y),
            WeightFormat::Q4_1 => unpack::<Q4_1>(part, row, y),
            WeightFormat::Q8 | WeightFormat::F32 => unpack::<Q8>(part, row, y),
        }
    }
    tensor(y, [count, cols])
}

fn unpack<F: Format>(part: &QuantizedMatrix, row: usize, y: &mut [f32]) {
    let blocks = part.cols / BLOCK;
    let (words, scales) = (Words::of(&part.values), Words::of(&part.scales));
    let halves: &[u16] = bytemuck::cast_slice(&scales);
    let (mut scales, mut minima) = (vec![0.0; blocks], vec![0.0; blocks]);
    F::scales(&halves[row * blocks * F::SCALES..][..blocks * F::SCALES], &mut scales, &mut minima);
    let words = &bytemuck::cast_slice::<u32, F::Words>(&words)[row * blocks..];
    let scales = scales.iter().zip(&minima);
    for ((y, words), (scale, minimum)) in y.as_chunks_mut::<BLOCK>().0.iter_mut().zip(words).zip(scales) {
        let integers: [i16; BLOCK] = bytemuck::cast(F::unpack(words));
        for (position, integer) in integers.into_iter().enumerate() {
            y[F::element(position)] = f32::from(integer) * scale + minimum;
        }
    }
}
