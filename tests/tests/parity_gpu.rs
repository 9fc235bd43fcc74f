//! The models against the reference through the kernels, natively: on lavapipe where there is no
//! GPU. Without any adapter there is nothing to test, and the test says so.
#![cfg(not(target_family = "wasm"))]

use burn::tensor::Device;
use llavacode_core::device::has_kernels;
use llavacode_tests::{llama_cpp, parity};

// One test, so that one process makes one device.
#[tokio::test]
async fn models_match_the_reference_through_the_kernels() {
    let device = match Device::wgpu_options().init_async().await {
        Ok(device) => device,
        Err(error) => {
            eprintln!(
                "skipped: no GPU adapter here ({error}); install mesa-vulkan-drivers for a software one"
            );
            return;
        }
    };
    eprintln!("kernels: {}", has_kernels(&device));
    for fixture in &parity::READERS {
        parity::reader_matches_reference(fixture, &device).await;
        parity::quantized_reader_matches_cpu(fixture, parity::QUANTIZED, &device).await;
        parity::decode_matches_prefill(fixture, &device).await;
        parity::truncated_cache_goes_on(fixture, &device).await;
    }
    for fixture in &parity::ENCODERS {
        parity::encoder_matches_reference(fixture, &device).await;
    }
    for fixture in &parity::PROJECTORS {
        parity::projector_matches_reference(fixture, &device).await;
    }
    llama_cpp::tiny_models_match(&device, 2, 16).await;
}
