//! What the device can do at most, and what our kernels reach of it.
//!
//! Decoding reads every weight once a token, so its ceiling is the rate of reading; prefilling is
//! bound by arithmetic, so its ceiling is the rate of multiplying and adding. Both are measured on
//! the device at hand, by kernels that do nothing else: a fraction of them means the same on every
//! machine. On the processor, whose products are of 16-bit integers, so is the ceiling of arithmetic; all
//! threads that help go through the same loop at once.

use burn::tensor::{DType, Device, Distribution, Int, Tensor};

use super::{
    cpu::{ceilings::Loop, threads},
    gpu,
};
use crate::{
    Error, Result,
    device::has_kernels,
    quant::{BLOCK, Identity, Matrix, QuantizedMatrix, WeightFormat},
};

/// What is read in one launch, more than caches hold: WebGPU's guaranteed largest binding.
const STREAM_BYTES: usize = 128 << 20;
/// What a processor's threads read together. The memory of WebAssembly that they take for it they keep.
const CPU_STREAM_BYTES: usize = 32 << 20;
/// A measurement repeats launches until it takes this long.
const MIN_MILLISECONDS: f64 = 200.0;
/// Or until it has launched this often.
const MAX_LAUNCHES: usize = 1 << 14;
/// Most copies of a matrix that are read in turn, to find none in a cache.
const MAX_COPIES: usize = 64;

/// What one launch of a kernel took and did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// Seconds of one launch, in a row of launches.
    pub seconds: f64,
    /// Bytes read from the device's memory: each weight and activation counted once.
    pub bytes: f64,
    /// Multiplications and additions, of floats on a GPU, of integers on the processor.
    pub flops: f64,
}

impl Measurement {
    /// Bytes read a second.
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes / self.seconds
    }

    /// Multiplications and additions a second.
    pub fn flops_per_second(&self) -> f64 {
        self.flops / self.seconds
    }
}

/// Reads in a stream, 128 MiB on a GPU: [`Measurement::bytes_per_second`] is the ceiling of decoding.
/// `now` tells milliseconds, as `performance.now()` does. A device that has no
/// [kernels](crate::device::has_kernels) is taken for the processor.
///
/// # Errors
/// [`Error::Device`] if the device fails.
pub async fn read(device: &Device, now: impl Fn() -> f64) -> Result<Measurement> {
    if !has_kernels(device) {
        let words = (CPU_STREAM_BYTES / size_of::<u32>() / threads::count()).next_multiple_of(16) as u32;
        return Ok(on_threads(now, |times| Loop::Read { words, times }));
    }
    let stream = Tensor::<1>::ones([STREAM_BYTES / size_of::<f32>()], device);
    let seconds = seconds_per_launch(&now, |_| gpu::ceilings::read(&stream)).await?;
    Ok(Measurement { seconds, bytes: STREAM_BYTES as f64, flops: 0.0 })
}

/// Multiplies and adds in registers: [`Measurement::flops_per_second`] is the ceiling of
/// prefilling. `now` tells milliseconds.
///
/// # Errors
/// [`Error::Device`] if the device fails.
pub async fn multiply_add(device: &Device, now: impl Fn() -> f64) -> Result<Measurement> {
    if !has_kernels(device) {
        return Ok(on_threads(now, |steps| Loop::MultiplyAdd { steps }));
    }
    let beside = Tensor::<1>::ones([1], device);
    let seconds = seconds_per_launch(&now, |_| gpu::ceilings::multiply_add(&beside)).await?;
    Ok(Measurement { seconds, bytes: 0.0, flops: gpu::ceilings::MULTIPLY_ADD_FLOPS as f64 })
}

/// Multiplies `[rows, in_features]` by a matrix `[out_features, in_features]` of a format, as
/// [`super::linear`] does: for one row the kernel of decoding, for more that of prefilling.
///
/// Copies of a small matrix take turns, so that one row's product finds no weight in a cache, as
/// in a model.
///
/// # Errors
/// [`Error::Device`] if the device fails.
pub async fn linear(
    device: &Device,
    now: impl Fn() -> f64,
    format: WeightFormat,
    rows: usize,
    in_features: usize,
    out_features: usize,
) -> Result<Measurement> {
    let first = matrix(device, format, out_features, in_features);
    let weight_bytes = first.bytes();
    let stream = if has_kernels(device) { STREAM_BYTES } else { CPU_STREAM_BYTES };
    let copies = if rows == 1 { stream.div_ceil(weight_bytes).min(MAX_COPIES) } else { 1 };
    let mut weights = vec![first];
    weights.extend((1..copies).map(|_| matrix(device, format, out_features, in_features)));
    let x = Tensor::<2>::random([rows, in_features], Distribution::Default, device);
    let seconds = seconds_per_launch(&now, |launch| {
        super::linear(x.clone(), &weights[launch % weights.len()], None, None)
    })
    .await?;
    Ok(Measurement {
        seconds,
        bytes: (weight_bytes + rows * in_features * size_of::<f32>()) as f64,
        flops: 2.0 * rows as f64 * in_features as f64 * out_features as f64,
    })
}

/// A matrix of no particular weights, made on the device.
fn matrix(device: &Device, format: WeightFormat, rows: usize, cols: usize) -> Matrix {
    if format == WeightFormat::F32 || !cols.is_multiple_of(BLOCK) {
        return Matrix::dense(Tensor::random([rows, cols], Distribution::Default, device));
    }
    // Any bits are weights; these scales and minima are 0.0625.
    let words = |len: usize, word: u32| Tensor::<1, Int>::full([len], word, (device, DType::U32));
    let blocks = rows * cols / BLOCK;
    Matrix::Quantized(QuantizedMatrix {
        values: words(blocks * format.words(), 0x5a3c_69f1),
        scales: words((blocks * format.scales()).div_ceil(2), 0x2c00_2c00),
        rows,
        cols,
        format,
        identity: Identity::default(),
    })
}

/// Has all threads go through a loop until the clock can tell; `long` makes one of so many steps.
fn on_threads(now: impl Fn() -> f64, long: impl Fn(u32) -> Loop) -> Measurement {
    let mut steps = 1;
    loop {
        let measured = long(steps);
        let start = now();
        let threads = threads::measure(measured) as f64;
        let milliseconds = now() - start;
        if milliseconds >= MIN_MILLISECONDS || steps > u32::MAX / 2 {
            return Measurement {
                seconds: milliseconds / 1e3,
                bytes: threads * measured.bytes(),
                flops: threads * measured.operations(),
            };
        }
        steps *= 2;
    }
}

/// Launches until the clock can tell, waiting for the device only after the last: launches run in
/// the order they are queued in. The closure is told how many it did before.
async fn seconds_per_launch<const D: usize>(
    now: &impl Fn() -> f64,
    launch: impl Fn(usize) -> Tensor<D>,
) -> Result<f64> {
    // The first launch compiles the kernel.
    finish(launch(0)).await?;
    let mut count = 1;
    loop {
        let start = now();
        let mut last = launch(0);
        for i in 1..count {
            last = launch(i);
        }
        finish(last).await?;
        let milliseconds = now() - start;
        if milliseconds >= MIN_MILLISECONDS || count >= MAX_LAUNCHES {
            return Ok(milliseconds / 1e3 / count as f64);
        }
        count *= 2;
    }
}

/// Waits for a result by reading one element of it.
async fn finish<const D: usize>(result: Tensor<D>) -> Result<()> {
    let one = result.slice(std::array::from_fn::<_, D, _>(|_| 0..1));
    let data = one.into_data_async().await.map_err(|error| Error::Device { reason: error.to_string() })?;
    // Natively the device is waited for only when the data is looked at.
    std::hint::black_box(data.iter::<f32>().next());
    Ok(())
}
