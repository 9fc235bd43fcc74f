//! The kernels, on the processor and on whatever adapter this machine has; without one its tests say so and
//! pass.
#![allow(missing_docs, reason = "tests")]

mod checks;

use burn::tensor::Device;
use checks::Bench;

fn bench() -> Option<Bench> {
    let gpu = match Device::wgpu_options().init() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("skipped: no adapter for the kernels on this machine ({error})");
            return None;
        }
    };
    assert!(llavacode_core::device::has_kernels(&gpu), "a wgpu device has kernels");
    Some(Bench::new(gpu, rand::random()))
}

/// A native test for each check and device.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        mod gpu {$(
            #[test]
            fn $name() {
                if let Some(mut bench) = super::bench() {
                    pollster::block_on(super::checks::$name(&mut bench));
                }
            }
        )*}

        mod cpu {$(
            #[test]
            fn $name() {
                let mut bench = super::Bench::new(super::Device::flex(), rand::random());
                pollster::block_on(super::checks::$name(&mut bench));
            }
        )*}

        mod cpu_on_three_threads {$(
            #[test]
            fn $name() {
                llavacode_core::kernel::threads::engage(llavacode_core::kernel::threads::spawn(2));
                let mut bench = super::Bench::new(super::Device::flex(), rand::random());
                pollster::block_on(super::checks::$name(&mut bench));
            }
        )*}
    };
}

tests!(
    rms_norm,
    swiglu,
    linear,
    row_parts,
    norm_gate_up,
    rope_and_append,
    append_turned,
    attention,
    gather_rows,
    argmax,
);

/// What only a GPU has a body for.
macro_rules! gpu_tests {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            if let Some(mut bench) = bench() {
                pollster::block_on(checks::$name(&mut bench));
            }
        }
    )*};
}

gpu_tests!(dot_rows, index_on_device);

#[test]
fn ceilings() {
    if let Some(mut bench) = bench() {
        let start = std::time::Instant::now();
        let now = || start.elapsed().as_secs_f64() * 1e3;
        pollster::block_on(checks::ceilings(&mut bench, now));
    }
}
