//! Products with weight matrices, and rows of them.

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
            set_software(&bench.gpu, software);
            let y = kernel::linear(x.clone(), &weight, bias.clone(), residual.clone());
            set_software(&bench.gpu, false);
            let what =
                format!("{what}, bias {with_bias}, residual {with_residual}, for a software GPU {software}");
            bench.compare_sums(&what, y, expected.clone(), magnitude).await;
        }
    }
    bench.poison(rows * out);
    let y = kernel::norm_linear(x, &norm, &weight, Some(bias));
    let normed = reference::rms_norm(x_cpu, &norm_cpu);
    let expected = reference::linear(normed, &weight_cpu, Some(bias_cpu), None);
    bench.compare_sums(&format!("{what}, behind a norm"), y, expected, magnitude).await;
}

/// Products with matrices in row parts, as those are that are larger than a buffer may be, and rows of
/// them. What they give does not depend on where the matrix is cut.
pub(crate) async fn row_parts(bench: &mut Bench) {
    for format in FORMATS {
        let cols = 32 * bench.size(1..=12);
        let random = (bench.size(2..=130), bench.size(66..=400), bench.size(1..=65));
        // Parts of one row, of a few, of a tile and of several; the last is shorter.
        for (rows, out, part) in [(1, 5, 1), (3, 70, 9), (17, 130, 64), (1, 600, 128), random] {
            one_in_parts(bench, rows, cols, out, part, format).await;
        }
    }
    one_in_parts(bench, 4, 50, 33, 7, WeightFormat::F32).await;
}

async fn one_in_parts(
    bench: &mut Bench,
    rows: usize,
    cols: usize,
    out: usize,
    part: usize,
    format: WeightFormat,
) {
    let values = bench.values(out * cols);
    let whole = Matrix::from_values(values.clone(), out, cols, format, &bench.cpu);
    // The least limit that as many rows fit.
    let limit = (1..).find(|&bytes| part_rows(bytes, cols, format) >= part).unwrap_or(1);
    let split = Matrix::in_parts(values, [out, cols], format, limit, &bench.gpu);
    let Matrix::Split(parts) = &split else { panic!("[{out}, {cols}] by {part} rows is not split") };
    assert_eq!(split.shape(), [out, cols]);
    let most = part_rows(limit, cols, format);
    assert_eq!(parts.parts.len(), out.div_ceil(most), "parts of {most} of {out} rows");

    let ([x, x_cpu], [norm, norm_cpu]) = (bench.floats([rows, cols]), bench.norm(cols));
    let ([bias, bias_cpu], [residual, residual_cpu]) = (bench.floats([out]), bench.floats([rows, out]));
    let what = format!("{format:?} in parts of {most} rows, x [{rows}, {cols}], {out} outputs");
    let magnitude = (cols as f64).sqrt() / 3.0;
    let normed = reference::rms_norm(x_cpu.clone(), &norm_cpu);
    for software in [false, true] {
        set_software(&bench.gpu, software);
        bench.poison(rows * out);
        let y = kernel::linear(x.clone(), &split, Some(bias.clone()), Some(residual.clone()));
        bench.poison(rows * out);
        let behind = kernel::norm_linear(x.clone(), &norm, &split, Some(bias.clone()));
        set_software(&bench.gpu, false);
        let expected =
            reference::linear(x_cpu.clone(), &whole, Some(bias_cpu.clone()), Some(residual_cpu.clone()));
        bench.compare_sums(&what, y, expected, magnitude).await;
        let expected = reference::linear(normed.clone(), &whole, Some(bias_cpu.clone()), None);
        bench.compare_sums(&format!("{what}, behind a norm"), behind, expected, magnitude).await;
    }
    if out.is_multiple_of(2) {
        bench.poison(rows * out / 2);
        let y = kernel::norm_gate_up(x, &norm, &split);
        let expected = reference::swiglu(reference::linear(normed, &whole, None, None));
        bench.compare_sums(&format!("{what}, gate over up"), y, expected, cols as f64 / 9.0).await;
    }
    // Every row's, in another order, so that each part is asked, and one id beyond the last.
    let ids: Vec<i32> = (0..out as i32).rev().chain([out as i32]).collect();
    let ids_cpu: Vec<i32> = ids.iter().map(|&id| id.min(out as i32 - 1)).collect();
    let count = ids.len();
    let on = |ids: Vec<i32>, device| Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), device);
    bench.poison(count * cols);
    let y = kernel::gather_rows(on(ids, &bench.gpu), &split);
    let expected = reference::gather_rows(on(ids_cpu, &bench.cpu), &whole);
    bench.compare(&format!("{what}, gather_rows"), y, expected).await;
}

/// The fused first half of a feed-forward layer.
pub(crate) async fn norm_gate_up(bench: &mut Bench) {
    for format in FORMATS {
        let random = (1, 32 * bench.size(1..=30), bench.size(1..=300));
        for (rows, cols, out) in [(1, 32, 1), (1, 64, 9), (5, 64, 40), random] {
            let [x, x_cpu] = bench.floats([rows, cols]);
            let [weight, weight_cpu] = bench.matrix(2 * out, cols, format);
            let [norm, norm_cpu] = bench.norm(cols);
            bench.poison(rows * out);
            let y = kernel::norm_gate_up(x, &norm, &weight);
            let normed = reference::rms_norm(x_cpu, &norm_cpu);
            let expected = reference::swiglu(reference::linear(normed, &weight_cpu, None, None));
            let what = format!("{format:?} norm_gate_up, x [{rows}, {cols}], {out} outputs");
            // The product of two sums of `cols` terms.
            bench.compare_sums(&what, y, expected, cols as f64 / 9.0).await;
        }
    }
}

/// Rows by index, with both integer types.
pub(crate) async fn gather_rows(bench: &mut Bench) {
    for format in FORMATS {
        for (count, rows, cols) in [(1, 1, 32), (9, 40, 96), (bench.size(2..=50), 33, 32 * bench.size(1..=9))]
        {
            gather(bench, count, rows, cols, format, DType::I32).await;
            gather(bench, count, rows, cols, format, DType::U32).await;
        }
    }
    gather(bench, 6, 11, 37, WeightFormat::F32, DType::I32).await;
    gather(bench, 6, 11, 52, WeightFormat::F32, DType::I32).await;
}

async fn gather(
    bench: &mut Bench,
    count: usize,
    rows: usize,
    cols: usize,
    format: WeightFormat,
    id_type: DType,
) {
    let [matrix, matrix_cpu] = bench.matrix(rows, cols, format);
    let ids: Vec<i32> = (0..count).map(|_| bench.size(0..=rows - 1) as i32).collect();
    let ids_cpu = Tensor::<1, Int>::from_data(TensorData::new(ids.clone(), [count]), &bench.cpu);
    let data = TensorData::new(ids, [count]).convert_dtype(id_type);
    let ids = Tensor::<1, Int>::from_data(data, (&bench.gpu, id_type));
    bench.poison(count * cols);
    let y = kernel::gather_rows(ids, &matrix);
    let expected = reference::gather_rows(ids_cpu, &matrix_cpu);
    let what = format!("{format:?} gather_rows, {count} of [{rows}, {cols}], ids {id_type:?}");
    bench.compare(&what, y, expected).await;
}
