//! RMSNorm of every row.

use super::*;

/// RMSNorm of rows, one and many, narrow and wide.
pub(crate) async fn rms_norm(bench: &mut Bench) {
    for (rows, width) in [(1, 1), (1, 192), (7, 96), (bench.size(2..=40), bench.size(3..=700))] {
        let ([x, x_cpu], [norm, norm_cpu]) = (bench.floats([rows, width]), bench.norm(width));
        bench.poison(rows * width);
        let y = kernel::rms_norm(x, &norm);
        bench.compare(&format!("rms_norm {rows}x{width}"), y, reference::rms_norm(x_cpu, &norm_cpu)).await;
    }
}
