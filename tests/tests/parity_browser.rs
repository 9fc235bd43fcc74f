//! The models against the reference in a browser: on WebGPU through the kernels, and on the CPU
//! fallback.

/// wasm-bindgen's runner calls the tests themselves.
fn main() {}

#[cfg(target_family = "wasm")]
mod browser {
    use burn::tensor::Device;
    use llavacode_tests::{llama_cpp, parity};
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_browser);

    async fn all(device: &Device) {
        for fixture in &parity::READERS {
            parity::reader_matches_reference(fixture, device).await;
            parity::quantized_reader_matches_cpu(fixture, parity::QUANTIZED, device).await;
            parity::decode_matches_prefill(fixture, device).await;
            parity::truncated_cache_goes_on(fixture, device).await;
        }
        for fixture in &parity::ENCODERS {
            parity::encoder_matches_reference(fixture, device).await;
        }
        for fixture in &parity::PROJECTORS {
            parity::projector_matches_reference(fixture, device).await;
        }
        llama_cpp::tiny_models_match(device, 2, 16).await;
    }

    #[wasm_bindgen_test]
    async fn models_match_the_reference_on_webgpu() {
        let device = Device::wgpu_options().init_async().await.expect("a WebGPU device");
        all(&device).await;
    }

    #[wasm_bindgen_test]
    async fn models_match_the_reference_on_the_cpu() {
        all(&Device::flex()).await;
    }
}
