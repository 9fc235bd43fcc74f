//! Every kernel against its meaning ([`llavacode_core::kernel::reference`]), on random inputs.
//!
//! The reference runs on the CPU backend. The functions wait for nothing but futures, so the same
//! checks run natively and in a browser.

use std::ops::RangeInclusive;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use llavacode_core::{
    device::set_software,
    kernel::{self, Heads, LayerCache, RmsNorm, RopeTable, Span, ceilings, reference},
    quant::{Matrix, WeightFormat, part_rows},
};

/// Largest allowed ‖a − b‖ / ‖b‖: what another order of summation leaves of 24 bits.
const TOLERANCE: f64 = 1e-5;

const FORMATS: [WeightFormat; 4] =
    [WeightFormat::Q4, WeightFormat::Q4_1, WeightFormat::Q8, WeightFormat::F32];

/// A GPU, the CPU backend, and random inputs for both.
pub(crate) struct Bench {
    gpu: Device,
    cpu: Device,
    seed: u64,
    /// State of the generator, which is SplitMix64 (Steele et al. 2014).
    state: u64,
}

impl Bench {
    /// `seed` appears in every failure's message.
    pub(crate) fn new(gpu: Device, seed: u64) -> Self {
        Self { gpu, cpu: Device::flex(), seed, state: seed }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A random size: every run tries other edges.
    fn size(&mut self, sizes: RangeInclusive<usize>) -> usize {
        let count = sizes.end() - sizes.start() + 1;
        sizes.start() + (self.random() % count as u64) as usize
    }

    /// Random values between −1 and 1.
    fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.random() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    /// The same random tensor on the GPU and on the CPU.
    fn floats<const D: usize>(&mut self, shape: [usize; D]) -> [Tensor<D>; 2] {
        let values = self.values(shape.iter().product());
        self.both(values, shape)
    }

    fn both<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> [Tensor<D>; 2] {
        let data = TensorData::new(values, shape);
        [&self.gpu, &self.cpu].map(|device| Tensor::from_data(data.clone(), device))
    }

    fn norm(&mut self, width: usize) -> [RmsNorm; 2] {
        self.floats([width])
            .map(|weight| RmsNorm { weight: burn::module::Param::from_tensor(weight + 1.0), eps: 1e-6 })
    }

    fn matrix(&mut self, rows: usize, cols: usize, format: WeightFormat) -> [Matrix; 2] {
        let values = self.values(rows * cols);
        [&self.gpu, &self.cpu].map(|device| Matrix::from_values(values.clone(), rows, cols, format, device))
    }

    /// Leaves freed memory of this size full of NaN: an element that a kernel forgets to write
    /// then shows.
    fn poison(&self, len: usize) {
        let _ = Tensor::<1>::full([len], f32::NAN, &self.gpu);
    }

    /// Elements that are sums of few terms, or none: they are held to their own size.
    async fn compare<const D: usize>(&self, what: &str, gpu: Tensor<D>, cpu: Tensor<D>) {
        self.compare_sums(what, gpu, cpu, 0.0).await;
    }

    /// Elements that are sums, and of size `magnitude` where their terms do not happen to cancel.
    /// Rounding is as large as the terms are, so one that cancels is held to that size.
    async fn compare_sums<const D: usize>(&self, what: &str, gpu: Tensor<D>, cpu: Tensor<D>, magnitude: f64) {
        assert_eq!(gpu.dims(), cpu.dims(), "{what}: shapes");
        let (gpu, cpu) = (floats_of(gpu).await, floats_of(cpu).await);
        let square = |v: f32| f64::from(v) * f64::from(v);
        let difference: f64 = gpu.iter().zip(&cpu).map(|(a, b)| square(a - b)).sum();
        let norm: f64 = cpu.iter().copied().map(square).sum();
        let error = (difference / norm.max(magnitude * magnitude * cpu.len() as f64)).sqrt();
        // Where the two part most, for the message.
        let apart = |i: &usize| (gpu[*i] - cpu[*i]).abs();
        let worst = (0..gpu.len()).max_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap_or(0);
        let wrong = (0..gpu.len()).filter(|i| apart(i) > 1e-3 || apart(i).is_nan()).count();
        assert!(
            error < TOLERANCE,
            "{what}: relative error {error:.2e} (seed {}); {wrong} of {} are wrong, element {worst} is {} where the reference has {}",
            self.seed,
            gpu.len(),
            gpu[worst],
            cpu[worst],
        );
    }
}

async fn floats_of<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data_async().await.expect("the device can be read").iter::<f32>().collect()
}

async fn ids_of(tensor: Tensor<1, Int>) -> Vec<u32> {
    tensor.into_data_async().await.expect("the device can be read").iter::<u32>().collect()
}

/// RMSNorm of rows, one and many, narrow and wide.
pub(crate) async fn rms_norm(bench: &mut Bench) {
    for (rows, width) in [(1, 1), (1, 192), (7, 96), (bench.size(2..=40), bench.size(3..=700))] {
        let ([x, x_cpu], [norm, norm_cpu]) = (bench.floats([rows, width]), bench.norm(width));
        bench.poison(rows * width);
        let y = kernel::rms_norm(x, &norm);
        bench.compare(&format!("rms_norm {rows}x{width}"), y, reference::rms_norm(x_cpu, &norm_cpu)).await;
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

/// A shape of attention.
#[derive(Debug, Clone, Copy)]
struct Shape {
    heads: Heads,
    span: Span,
    capacity: usize,
}

fn shapes(bench: &mut Bench) -> Vec<Shape> {
    let shape = |query, key_value, dim, batch, start, len, capacity| Shape {
        heads: Heads { query, key_value, dim },
        span: Span { batch, start, len },
        capacity,
    };
    let random = {
        let (kv, group) = (bench.size(1..=3), bench.size(1..=4));
        let (start, len) = (bench.size(0..=60), bench.size(2..=90));
        let dim = 2 * bench.size(1..=64);
        shape(kv * group, kv, dim, bench.size(1..=3), start, len, start + len + bench.size(0..=9))
    };
    vec![
        shape(1, 1, 2, 1, 0, 1, 1),
        shape(4, 2, 32, 1, 0, 5, 8),
        shape(4, 2, 32, 2, 3, 33, 40),
        shape(6, 2, 64, 1, 17, 70, 90),
        shape(2, 1, 128, 2, 5, 40, 64),
        shape(3, 1, 126, 1, 2, 35, 37),
        shape(4, 4, 6, 3, 0, 64, 64),
        shape(4, 2, 32, 2, 20, 1, 32),
        shape(12, 2, 128, 1, 300, 1, 512),
        shape(2, 2, 80, 1, 100, 1, 101),
        // More keys than attention_query.wgsl takes at once.
        shape(2, 1, 16, 1, 4500, 1, 4600),
        Shape { span: Span { len: 1, ..random.span }, ..random },
        random,
    ]
}

/// Splitting, QK-norm, rotation and the cache's update.
pub(crate) async fn rope_and_append(bench: &mut Bench) {
    for shape in shapes(bench) {
        let Shape { heads: Heads { query, key_value, dim }, span, capacity } = shape;
        let [qkv, qkv_cpu] = bench.floats([span.batch * span.len, (query + 2 * key_value) * dim]);
        let [cos, cos_cpu] = bench.floats([capacity, dim / 2]);
        let [sin, sin_cpu] = bench.floats([capacity, dim / 2]);
        let rope = RopeTable { cos, sin };
        let rope_cpu = RopeTable { cos: cos_cpu, sin: sin_cpu };
        let ([q_norm, q_norm_cpu], [k_norm, k_norm_cpu]) = (bench.norm(dim), bench.norm(dim));
        for normed in [false, true] {
            // What lies in the cache beside the span has to stay.
            let all = [span.batch, key_value, capacity, dim];
            let ([keys, keys_cpu], [values, values_cpu]) = (bench.floats(all), bench.floats(all));
            bench.poison(span.batch * span.len * query * dim);
            let (q, cache) = kernel::rope_and_append(
                qkv.clone(),
                shape.heads,
                &rope,
                normed.then_some((&q_norm, &k_norm)),
                LayerCache { keys, values },
                span,
            );
            let (q_cpu, cache_cpu) = reference::rope_and_append(
                qkv_cpu.clone(),
                shape.heads,
                &rope_cpu,
                normed.then_some((&q_norm_cpu, &k_norm_cpu)),
                LayerCache { keys: keys_cpu, values: values_cpu },
                span,
            );
            let what = |part| format!("rope_and_append's {part}, norm {normed}, {shape:?}");
            bench.compare_sums(&what("q"), q, q_cpu, 1.0 / 3.0).await;
            bench.compare(&what("keys"), cache.keys, cache_cpu.keys).await;
            bench.compare(&what("values"), cache.values, cache_cpu.values).await;
        }
    }
}

/// Attention of one token and of many.
pub(crate) async fn attention(bench: &mut Bench) {
    for shape in shapes(bench) {
        let Shape { heads: Heads { query, key_value, dim }, span, capacity } = shape;
        let [q, q_cpu] = bench.floats([span.batch * span.len, query * dim]);
        // Larger scores than the inputs' alone would give, so that the softmax has a peak.
        let (q, q_cpu) = (q * 3.0, q_cpu * 3.0);
        let mut section = || {
            let mut values = bench.values(span.batch * key_value * capacity * dim);
            // What is not filled yet must not matter.
            for (position, row) in values.chunks_exact_mut(dim).enumerate() {
                if position % capacity >= span.start + span.len {
                    row.fill(f32::NAN);
                }
            }
            bench.both(values, [span.batch, key_value, capacity, dim])
        };
        let ([keys, keys_cpu], [values, values_cpu]) = (section(), section());
        bench.poison(span.batch * span.len * query * dim);
        let y = kernel::attention(q, shape.heads, &LayerCache { keys, values }, span);
        let cache_cpu = LayerCache { keys: keys_cpu, values: values_cpu };
        let expected = reference::attention(q_cpu, shape.heads, &cache_cpu, span);
        bench.compare(&format!("attention, {shape:?}"), y, expected).await;
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

/// The measurements measure something, and nothing beats its ceiling by an order of magnitude.
pub(crate) async fn ceilings(bench: &mut Bench, now: impl Fn() -> f64) {
    let device = bench.gpu.clone();
    let read = ceilings::read(&device, &now).await.expect("the device reads");
    let multiply_add = ceilings::multiply_add(&device, &now).await.expect("the device computes");
    assert!(read.bytes_per_second().is_finite() && read.bytes_per_second() > 0.0);
    assert!(multiply_add.flops_per_second().is_finite() && multiply_add.flops_per_second() > 0.0);
    for format in FORMATS {
        let prefill = ceilings::linear(&device, &now, format, 64, 256, 256).await.expect("prefill runs");
        let fraction = prefill.flops_per_second() / multiply_add.flops_per_second();
        // On a busy machine two measurements differ; by an order of magnitude they must not.
        assert!(fraction > 0.0 && fraction < 10.0, "{format:?}: {fraction} of the arithmetic's ceiling");
    }
}
