//! Prints what the kernels reach of this device's ceilings, for one decoder layer's shapes.
//!
//! `cargo run --release -p llavacode-core --example kernel_rates [hidden] [intermediate] [rows]`

use std::time::Instant;

use burn::tensor::Device;
use llavacode_core::{kernel::ceilings, quant::WeightFormat};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sizes = std::env::args().skip(1).map(|size| size.parse());
    let sizes = sizes.collect::<Result<Vec<usize>, _>>()?;
    let size = |index: usize, default| sizes.get(index).copied().unwrap_or(default);
    // Qwen2.5-Coder 1.5B's.
    let (hidden, intermediate, rows) = (size(0, 1536), size(1, 8960), size(2, 256));

    let device = Device::wgpu_options().init()?;
    let start = Instant::now();
    let now = || start.elapsed().as_secs_f64() * 1e3;
    pollster::block_on(async {
        let read = ceilings::read(&device, now).await?.bytes_per_second();
        let multiply_add = ceilings::multiply_add(&device, now).await?.flops_per_second();
        println!("ceilings: {:.2} GB/s, {:.2} GFLOP/s", read / 1e9, multiply_add / 1e9);
        for format in [WeightFormat::Q4, WeightFormat::Q4_1, WeightFormat::Q8, WeightFormat::F32] {
            for (cols, out) in [(hidden, 2 * intermediate), (intermediate, hidden), (hidden, hidden)] {
                let decode = ceilings::linear(&device, now, format, 1, cols, out).await?;
                let prefill = ceilings::linear(&device, now, format, rows, cols, out).await?;
                println!(
                    "{format:?} {cols} -> {out}: one row {:.1} us, {:.2} GB/s ({:.0} %); {rows} rows {:.2} ms, {:.2} GFLOP/s ({:.0} %)",
                    decode.seconds * 1e6,
                    decode.bytes_per_second() / 1e9,
                    decode.bytes_per_second() / read * 100.0,
                    prefill.seconds * 1e3,
                    prefill.flops_per_second() / 1e9,
                    prefill.flops_per_second() / multiply_add * 100.0,
                );
            }
        }
        Ok(())
    })
}
