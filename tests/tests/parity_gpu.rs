//! The models against the reference through the kernels, natively: on lavapipe where there is no
//! GPU. Without any adapter there is nothing to test, and the test says so.
#![cfg(not(target_family = "wasm"))]

use std::path::Path;

use burn::tensor::Device;
use llavacode_core::{
    device::has_kernels,
    engine::{CancelFlag, CompletionRequest, Engine, Lane, NativeHost, Place, StopReason},
    weights::FolderFiles,
    workspace::{MemoryCache, Workspace},
};
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
    steps_queued_ahead_change_no_completion(&device).await;
}

/// Of the models that come with the page.
async fn steps_queued_ahead_change_no_completion(device: &Device) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/bundle");
    let files = FolderFiles { root };
    let engine = Engine::load(&files, device, NativeHost::default(), |_| ()).await;
    let mut engine = engine.expect("the bundle loads");
    engine.manifest.prompt.max_new_tokens = 8;
    let mut workspace = Workspace::of_bundle(&engine.manifest, MemoryCache::default());
    let mut stops = Vec::new();
    // The first one ends before its tokens are spent: steps are left that nobody reads.
    for (place, multi_line) in
        [("total = area_of(", false), ("def area(self):\n    return self.", false), ("import ", true)]
    {
        let cursor = CompletionRequest::at("main.py", place, "\n");
        let request = CompletionRequest { multi_line, cold: true, ..cursor };
        let mut found = Vec::new();
        for steps in [0, 1, 3] {
            engine.queue_ahead(steps);
            let (mut at, cancel) = (Place::new(request.clone()), CancelFlag::default());
            let done = engine.complete(&mut workspace, &mut at, Lane::Base, &cancel, |_| ()).await;
            let done = done.expect("it completes");
            found.push((done.text, done.stop, done.log_probabilities, done.launches_per_step));
        }
        assert!(found.iter().all(|ahead| *ahead == found[0]), "{found:?}");
        assert!(found[0].2.len() > 1, "more than one token: {found:?}");
        stops.push(found[0].1);
    }
    assert!(stops.iter().any(|stop| *stop != StopReason::MaxTokens), "{stops:?}");
}
