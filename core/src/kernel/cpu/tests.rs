//! What decoding counts on: a row's numbers are the same, to the bit, alone and beside a few others.

use burn::tensor::{Device, Distribution, Tensor};

use crate::{
    kernel::{self, Heads, LayerCache, Span},
    quant::{Matrix, WeightFormat},
};

/// One token and its draft are four.
const ROWS: [usize; 4] = [2, 3, 4, 7];

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::flex())
}

fn bits(tensor: Tensor<2>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

#[test]
fn a_few_rows_are_multiplied_as_each_alone() {
    for format in [WeightFormat::Q4, WeightFormat::Q4_1, WeightFormat::Q8] {
        for [out, cols] in [[64, 64], [203, 576], [1, 32]] {
            let values = random([out, cols]).into_data().try_to_vec().expect("floats");
            let weight = Matrix::in_parts(values, [out, cols], format, out * cols, &Device::flex());
            for rows in ROWS {
                let x = random([rows, cols]);
                let alone = (0..rows)
                    .flat_map(|row| bits(kernel::linear(x.clone().narrow(0, row, 1), &weight, None, None)));
                let alone: Vec<u32> = alone.collect();
                assert!(bits(kernel::linear(x, &weight, None, None)) == alone, "{format:?}, {rows} rows");
            }
        }
    }
}

#[test]
fn a_few_rows_attend_as_each_alone() {
    let heads = Heads { query: 6, key_value: 2, dim: 48 };
    let cache = LayerCache { keys: random([1, 2, 300, 48]), values: random([1, 2, 300, 48]) };
    for start in [0, 1, 130, 293] {
        for rows in ROWS {
            let q = random([rows, 6 * 48]);
            let row = |row: usize| {
                let span = Span { batch: 1, start: start + row, len: 1 };
                bits(kernel::attention(q.clone().narrow(0, row, 1), heads, &cache, span))
            };
            let alone: Vec<u32> = (0..rows).flat_map(row).collect();
            let span = Span { batch: 1, start, len: rows };
            assert!(bits(kernel::attention(q, heads, &cache, span)) == alone, "{rows} rows from {start}");
        }
    }
}
