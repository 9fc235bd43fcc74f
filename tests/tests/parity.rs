//! The models against the reference, natively on the CPU.
#![cfg(not(target_family = "wasm"))]

use std::path::Path;

use burn::tensor::Device;
use llavacode_core::{
    bundle::{load_bundle, read_manifest},
    config::{QuantizationConfig, WeightFormat},
    weights::{FolderFiles, MemoryFiles},
};
use llavacode_tests::parity;

#[tokio::test]
async fn readers_match_the_reference() {
    for fixture in &parity::READERS {
        parity::reader_matches_reference(fixture, &Device::flex()).await;
    }
}

#[tokio::test]
async fn decode_matches_prefill() {
    for fixture in &parity::READERS {
        parity::decode_matches_prefill(fixture, &Device::flex()).await;
    }
}

#[tokio::test]
async fn truncated_caches_go_on() {
    for fixture in &parity::READERS {
        parity::truncated_cache_goes_on(fixture, &Device::flex()).await;
    }
}

#[tokio::test]
async fn encoders_match_the_reference() {
    for fixture in &parity::ENCODERS {
        parity::encoder_matches_reference(fixture, &Device::flex()).await;
    }
}

#[tokio::test]
async fn projectors_match_the_reference() {
    for fixture in &parity::PROJECTORS {
        parity::projector_matches_reference(fixture, &Device::flex()).await;
    }
}

#[tokio::test]
async fn models_match_the_reference_under_autodiff() {
    let device = Device::flex().autodiff();
    parity::reader_matches_reference(&parity::READERS[0], &device).await;
    parity::encoder_matches_reference(&parity::ENCODERS[0], &device).await;
    parity::projector_matches_reference(&parity::PROJECTORS[0], &device).await;
}

#[tokio::test]
async fn embedded_bundle_matches_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/bundle");
    let disk = FolderFiles { root: root.clone() };
    // The reference is not quantized.
    let mut manifest = read_manifest(&disk).await.expect("the bundle's manifest");
    let f32 = WeightFormat::F32;
    manifest.quantization =
        QuantizationConfig { reader_linear: f32.into(), reader_head: f32.into(), encoder: f32.into() };
    let mut files = MemoryFiles::default();
    for path in manifest.files.keys() {
        files.files.insert(path.clone(), std::fs::read(root.join(path)).expect(path).into());
    }
    let json = serde_json::to_vec(&manifest).expect("JSON");
    files.files.insert("bundle.json".into(), json.into());

    let mut last = None;
    let models = load_bundle(&files, &Device::flex(), |progress| last = Some(progress)).await;
    let models = models.expect("the embedded bundle");
    let last = last.expect("progress");
    assert_eq!(last.read, last.total);
    parity::pico_matches_reference(&models).await;
}
