//! The index of each row's largest value.

use super::*;

/// The largest of each row, with equals.
pub(crate) async fn argmax(bench: &mut Bench) {
    for (rows, width) in [(1, 1), (3, 255), (2, 256), (2, 257), (bench.size(1..=9), bench.size(300..=5000))] {
        // Few distinct values, so that the largest occurs more than once.
        let values: Vec<f32> = (0..rows * width).map(|_| bench.size(0..=20) as f32 - 30.0).collect();
        let expected: Vec<u32> = values
            .chunks_exact(width)
            .map(|row| {
                let first_largest = (0..width).reduce(|best, i| if row[i] > row[best] { i } else { best });
                first_largest.unwrap_or(0) as u32
            })
            .collect();
        let [x, x_cpu] = bench.both(values, [rows, width]);
        let what = format!("argmax {rows}x{width} (seed {})", bench.seed);
        assert_eq!(ids_of(kernel::argmax(x)).await, expected, "{what}");
        assert_eq!(ids_of(reference::argmax(x_cpu)).await, expected, "{what}, the reference");
    }
}
