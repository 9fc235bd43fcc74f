//! The index of each row's largest value, and its log-probability.

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
        let (found, meant) = (kernel::argmax(x), reference::argmax(x_cpu));
        assert_eq!(ids_of(found.ids).await, expected, "{what}");
        assert_eq!(ids_of(meant.ids).await, expected, "{what}, the reference");
        let [found, meant] = [found.log_probabilities, meant.log_probabilities].map(floats_of);
        for (found, meant) in found.await.into_iter().zip(meant.await) {
            // Near nought they are differences of larger numbers.
            assert!(
                (found - meant).abs() <= 1e-5 * meant.abs().max(1.0),
                "{what}: ln p {found}, not {meant}"
            );
        }
    }
}
