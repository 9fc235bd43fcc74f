//! The first half of a feed-forward layer, and its activation.

use super::*;

/// The fused first half of a feed-forward layer.
pub(crate) async fn norm_gate_up(bench: &mut Bench) {
    for format in FORMATS {
        let random = (1, 32 * bench.size(1..=30), bench.size(1..=300));
        for (rows, cols, out) in [(1, 32, 1), (1, 64, 9), (1, 96, 70), (5, 64, 40), random] {
            let [x, x_cpu] = bench.floats([rows, cols]);
            let [weight, weight_cpu] = bench.matrix(2 * out, cols, format);
            let [norm, norm_cpu] = bench.norm(cols);
            let expected = reference::norm_gate_up(x_cpu, &norm_cpu, &weight_cpu);
            let what = format!("{format:?} norm_gate_up, x [{rows}, {cols}], {out} outputs");
            for software in [false, true] {
                bench.poison(rows * out);
                set_software(&bench.device, software);
                let y = kernel::norm_gate_up(x.clone(), &norm, &weight);
                set_software(&bench.device, false);
                let what = format!("{what}, for a software GPU {software}");
                // The product of two sums of `cols` terms.
                bench.compare_sums(&what, y, expected.clone(), cols as f64 / 9.0).await;
            }
        }
    }
}

/// SwiGLU of rows.
pub(crate) async fn swiglu(bench: &mut Bench) {
    for (rows, width) in [(1, 1), (5, 300), (bench.size(2..=40), bench.size(3..=700))] {
        let [x, x_cpu] = bench.floats([rows, 2 * width]).map(|x| x * 8.0);
        bench.poison(rows * width);
        let what = format!("swiglu {rows}x{width}");
        bench.compare(&what, kernel::swiglu(x), reference::swiglu(x_cpu)).await;
    }
}
