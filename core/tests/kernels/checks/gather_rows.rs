//! Rows of a weight matrix by index.

use super::*;

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
    let ids = Tensor::<1, Int>::from_data(data, (&bench.device, id_type));
    bench.poison(count * cols);
    let y = kernel::gather_rows(ids, &matrix);
    let expected = reference::gather_rows(ids_cpu, &matrix_cpu);
    let what = format!("{format:?} gather_rows, {count} of [{rows}, {cols}], ids {id_type:?}");
    bench.compare(&what, y, expected).await;
}
