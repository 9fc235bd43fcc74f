//! Every kernel against its meaning ([`llavacode_core::kernel::reference`]), on random inputs.
//!
//! The reference runs on the CPU backend, with matrices unpacked to floats. The functions wait for nothing but futures, so the same
//! checks run natively and in a browser.

mod append_turned;
mod argmax;
mod attention;
mod ceilings;
mod dot_rows;
mod feed_forward;
mod gather_rows;
mod linear;
mod rms_norm;
mod rope_and_append;
mod weights;

use std::ops::RangeInclusive;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use llavacode_core::{
    device::{Bodies, bodies, set_software},
    kernel::{self, ByteRows, Heads, LayerCache, LayerStates, Move, RmsNorm, RopeTable, Span, reference},
    quant::{Matrix, WeightFormat, part_rows},
};

pub(crate) use self::{
    append_turned::append_turned,
    argmax::argmax,
    attention::attention,
    ceilings::ceilings,
    dot_rows::{dot_rows, index_on_device},
    feed_forward::{norm_gate_up, swiglu},
    gather_rows::gather_rows,
    linear::linear,
    rms_norm::rms_norm,
    rope_and_append::rope_and_append,
    weights::row_parts,
};

/// Largest allowed ‖a − b‖ / ‖b‖: what another order of summation leaves of 24 bits; on the processor,
/// whose products round activations to 16 bits, half as much again as the worst of 2,000 seeds.
fn tolerance(device: &Device) -> f64 {
    if bodies(device) == Bodies::Cpu { 5e-4 } else { 1e-5 }
}

const FORMATS: [WeightFormat; 4] =
    [WeightFormat::Q4, WeightFormat::Q4_1, WeightFormat::Q8, WeightFormat::F32];

/// A device whose bodies are checked, the CPU backend for the reference, and random inputs for both.
pub(crate) struct Bench {
    device: Device,
    cpu: Device,
    seed: u64,
    /// State of the generator, which is SplitMix64 (Steele et al. 2014).
    state: u64,
}

impl Bench {
    /// `seed` appears in every failure's message.
    pub(crate) fn new(device: Device, seed: u64) -> Self {
        Self { device, cpu: Device::flex(), seed, state: seed }
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

    /// The same random tensor on the device and on the CPU.
    fn floats<const D: usize>(&mut self, shape: [usize; D]) -> [Tensor<D>; 2] {
        let values = self.values(shape.iter().product());
        self.both(values, shape)
    }

    fn both<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> [Tensor<D>; 2] {
        let data = TensorData::new(values, shape);
        [&self.device, &self.cpu].map(|device| Tensor::from_data(data.clone(), device))
    }

    fn norm(&mut self, width: usize) -> [RmsNorm; 2] {
        self.floats([width])
            .map(|weight| RmsNorm { weight: burn::module::Param::from_tensor(weight + 1.0), eps: 1e-6 })
    }

    fn matrix(&mut self, rows: usize, cols: usize, format: WeightFormat) -> [Matrix; 2] {
        let values = self.values(rows * cols);
        [&self.device, &self.cpu]
            .map(|device| Matrix::from_values(values.clone(), rows, cols, format, device))
    }

    /// Leaves freed memory of this size full of NaN: an element that a kernel forgets to write
    /// then shows.
    fn poison(&self, len: usize) {
        let _ = Tensor::<1>::full([len], f32::NAN, &self.device);
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
            error < tolerance(&self.device),
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
