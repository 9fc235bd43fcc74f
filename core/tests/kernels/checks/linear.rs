//! Products with weight matrices.

use super::*;

/// Products for one row and for many, every weight format, with and without what is fused in.
pub(crate) async fn linear(bench: &mut Bench) {
    // Sizes around those of tiles and workgroups, then random ones.
    let mut shapes = vec![(1, 32, 1), (1, 64, 9), (2, 96, 17), (16, 32, 64), (17, 64, 65), (64, 320, 64)];
    shapes.push((bench.size(2..=130), 32 * bench.size(1..=12), bench.size(1..=200)));
    shapes.push((1, 32 * bench.size(1..=60), bench.size(1..=400)));
    for format in FORMATS {
        for &(rows, cols, out) in &shapes {
            one_linear(bench, rows, cols, out, format).await;
        }
    }
    // Rows of no multiple of 32, then of 4, are dense.
    for (rows, cols, out) in [(1, 36, 5), (1, 100, 30), (1, 33, 7), (3, 50, 70), (70, 45, 66), (20, 44, 5)] {
        one_linear(bench, rows, cols, out, WeightFormat::F32).await;
    }
}

async fn one_linear(bench: &mut Bench, rows: usize, cols: usize, out: usize, format: WeightFormat) {
    let [x, x_cpu] = bench.floats([rows, cols]);
    let [weight, weight_cpu] = bench.matrix(out, cols, format);
    let ([norm, norm_cpu], [bias, bias_cpu]) = (bench.norm(cols), bench.floats([out]));
    let [residual, residual_cpu] = bench.floats([rows, out]);
    let what = format!("{format:?} linear, x [{rows}, {cols}], {out} outputs");
    // A product of two numbers between −1 and 1 has a standard deviation of a third.
    let magnitude = (cols as f64).sqrt() / 3.0;
    for (with_bias, with_residual) in [(false, false), (true, false), (false, true), (true, true)] {
        let option = |there: bool, [gpu, cpu]: [Tensor<2>; 2]| {
            if there { (Some(gpu), Some(cpu)) } else { (None, None) }
        };
        let (bias, bias_cpu) = option(with_bias, [bias.clone(), bias_cpu.clone()].map(Tensor::unsqueeze));
        let (bias, bias_cpu) = (bias.map(|b| b.squeeze_dim(0)), bias_cpu.map(|b| b.squeeze_dim(0)));
        let (residual, residual_cpu) = option(with_residual, [residual.clone(), residual_cpu.clone()]);
        let expected = reference::linear(x_cpu.clone(), &weight_cpu, bias_cpu, residual_cpu);
        for software in [false, true] {
            bench.poison(rows * out);
            set_software(&bench.device, software);
            let y = kernel::linear(x.clone(), &weight, bias.clone(), residual.clone());
            set_software(&bench.device, false);
            let what =
                format!("{what}, bias {with_bias}, residual {with_residual}, for a software GPU {software}");
            bench.compare_sums(&what, y, expected.clone(), magnitude).await;
        }
    }
    let expected = reference::norm_linear(x_cpu, &norm_cpu, &weight_cpu, Some(bias_cpu));
    for software in [false, true] {
        bench.poison(rows * out);
        set_software(&bench.device, software);
        let y = kernel::norm_linear(x.clone(), &norm, &weight, Some(bias.clone()));
        set_software(&bench.device, false);
        let what = format!("{what}, behind a norm, for a software GPU {software}");
        bench.compare_sums(&what, y, expected.clone(), magnitude).await;
    }
}
