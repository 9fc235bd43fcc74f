//! Weight matrices in row parts.

use super::*;

/// Products with matrices in row parts, as those are that are larger than a buffer may be, and rows of
/// them. What they give does not depend on where the matrix is cut.
pub(crate) async fn row_parts(bench: &mut Bench) {
    for format in FORMATS {
        let cols = 32 * bench.size(1..=12);
        let random = (bench.size(2..=130), bench.size(66..=400), bench.size(1..=64));
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
    let split = Matrix::in_parts(values, [out, cols], format, limit, &bench.device);
    let Matrix::Split(parts) = &split else { panic!("[{out}, {cols}] by {part} rows is not split") };
    assert_eq!(split.shape(), [out, cols]);
    let most = part_rows(limit, cols, format);
    assert_eq!(parts.parts.len(), out.div_ceil(most), "parts of {most} of {out} rows");

    let ([x, x_cpu], [norm, norm_cpu]) = (bench.floats([rows, cols]), bench.norm(cols));
    let ([bias, bias_cpu], [residual, residual_cpu]) = (bench.floats([out]), bench.floats([rows, out]));
    let what = format!("{format:?} in parts of {most} rows, x [{rows}, {cols}], {out} outputs");
    let magnitude = (cols as f64).sqrt() / 3.0;
    for software in [false, true] {
        set_software(&bench.device, software);
        bench.poison(rows * out);
        let y = kernel::linear(x.clone(), &split, Some(bias.clone()), Some(residual.clone()));
        bench.poison(rows * out);
        let behind = kernel::norm_linear(x.clone(), &norm, &split, Some(bias.clone()));
        set_software(&bench.device, false);
        let expected =
            reference::linear(x_cpu.clone(), &whole, Some(bias_cpu.clone()), Some(residual_cpu.clone()));
        bench.compare_sums(&what, y, expected, magnitude).await;
        let expected = reference::norm_linear(x_cpu.clone(), &norm_cpu, &whole, Some(bias_cpu.clone()));
        bench.compare_sums(&format!("{what}, behind a norm"), behind, expected, magnitude).await;
    }
    if out.is_multiple_of(2) {
        bench.poison(rows * out / 2);
        let y = kernel::norm_gate_up(x, &norm, &split);
        let expected = reference::norm_gate_up(x_cpu, &norm_cpu, &whole);
        bench.compare_sums(&format!("{what}, gate over up"), y, expected, cols as f64 / 9.0).await;
    }
    // Every row's, in another order, so that each part is asked, and one id beyond the last.
    let ids: Vec<i32> = (0..out as i32).rev().chain([out as i32]).collect();
    let ids_cpu: Vec<i32> = ids.iter().map(|&id| id.min(out as i32 - 1)).collect();
    let count = ids.len();
    let on = |ids: Vec<i32>, device| Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), device);
    bench.poison(count * cols);
    let y = kernel::gather_rows(on(ids, &bench.device), &split);
    let expected = reference::gather_rows(on(ids_cpu, &bench.cpu), &whole);
    bench.compare(&format!("{what}, gather_rows"), y, expected).await;
}
