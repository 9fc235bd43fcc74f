//! The quantized kernels against what the device can do at most.

use std::collections::BTreeMap;

use super::{Ceilings, KernelSpeed};
use crate::{
    Result,
    device::{has_blocks, has_kernels},
    engine::{Engine, Host},
    kernel::ceilings,
    quant::WeightFormat,
};

/// Width and feed-forward width of SmolLM2-135M, and of Qwen2.5-Coder-1.5B, whose matrix no cache holds:
/// whatever bundle is loaded.
const SHAPES: [(usize, usize); 2] = [(576, 1536), (1536, 8960)];
/// Rows of the matrix-matrix product: some 100 prompt tokens.
const ROWS: usize = 128;

/// What the device and the kernels reached.
#[derive(Default)]
pub(super) struct Kernels {
    pub(super) kernels: BTreeMap<String, KernelSpeed>,
    pub(super) ceilings: Option<Ceilings>,
}

/// On the CPU without the products of floats, which are burn's.
pub(super) async fn measure<H: Host>(engine: &Engine<H>) -> Result<Kernels> {
    let device = &engine.device;
    if !has_blocks(device) {
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
        if format == WeightFormat::F32 && !has_kernels(device) {
            continue;
        }
        for (cols, out) in SHAPES {
            // One row is bound by reading the weights, many rows by the arithmetic.
            let vector = ceilings::linear(device, now, format, 1, cols, out).await?;
            let matrix = ceilings::linear(device, now, format, ROWS, cols, out).await?;
            let read = vector.bytes_per_second();
            let flops = matrix.flops_per_second();
            for (kernel, unit, rows, achieved, ceiling) in [
                ("matvec", "bytes/s", 1, read, top.read_bytes_per_s),
                ("matmul", "FLOP/s", ROWS, flops, top.flops_per_s),
            ] {
                kernels.insert(
                    format!("{name}_{kernel}_{cols}x{out}"),
                    KernelSpeed {
                        unit: unit.into(),
                        achieved,
                        fraction_of_ceiling: achieved / ceiling,
                        shape: [rows, out, cols],
                    },
                );
            }
        }
    }
    Ok(Kernels { kernels, ceilings: Some(top) })
}
