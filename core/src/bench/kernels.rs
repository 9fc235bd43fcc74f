//! The quantized kernels against what the device can do at most.

use std::collections::BTreeMap;

use super::{Ceilings, KernelSpeed};
use crate::{
    Result,
    device::has_kernels,
    engine::{Engine, Host},
    kernel::ceilings,
    quant::WeightFormat,
};

/// Width of Qwen2.5-Coder-1.5B: a matrix that no cache holds, whatever bundle is loaded.
const WIDTH: usize = 1536;
/// Its feed-forward width.
const INTERMEDIATE: usize = 8960;
/// Rows of the matrix-matrix product: some 100 prompt tokens.
const ROWS: usize = 128;

/// What the device and the kernels reached.
#[derive(Default)]
pub(super) struct Kernels {
    pub(super) kernels: BTreeMap<String, KernelSpeed>,
    pub(super) ceilings: Option<Ceilings>,
}

/// Nothing on the CPU, which has no kernels of ours.
pub(super) async fn measure<H: Host>(engine: &Engine<H>) -> Result<Kernels> {
    let device = &engine.device;
    if !has_kernels(device) {
        return Ok(Kernels::default());
    }
    let now = || engine.host.now_ms();
    let top = Ceilings {
        read_bytes_per_s: ceilings::read(device, now).await?.bytes_per_second(),
        flops_per_s: ceilings::multiply_add(device, now).await?.flops_per_second(),
    };
    let mut kernels = BTreeMap::new();
    let formats = [
        ("q4", WeightFormat::Q4),
        ("q4_1", WeightFormat::Q4_1),
        ("q8", WeightFormat::Q8),
        ("f32", WeightFormat::F32),
    ];
    for (name, format) in formats {
        // One row is bound by reading the weights, many rows by the arithmetic.
        let vector = ceilings::linear(device, now, format, 1, WIDTH, INTERMEDIATE).await?;
        kernels.insert(
            format!("{name}_matvec"),
            KernelSpeed {
                unit: "bytes/s".into(),
                achieved: vector.bytes_per_second(),
                fraction_of_ceiling: vector.bytes_per_second() / top.read_bytes_per_s,
                shape: [1, INTERMEDIATE, WIDTH],
            },
        );
        let matrix = ceilings::linear(device, now, format, ROWS, WIDTH, WIDTH).await?;
        kernels.insert(
            format!("{name}_matmul"),
            KernelSpeed {
                unit: "FLOP/s".into(),
                achieved: matrix.flops_per_second(),
                fraction_of_ceiling: matrix.flops_per_second() / top.flops_per_s,
                shape: [ROWS, WIDTH, WIDTH],
            },
        );
    }
    Ok(Kernels { kernels, ceilings: Some(top) })
}
