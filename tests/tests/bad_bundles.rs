//! Bundles whose parts are missing or do not belong together: each is refused with a sentence
//! that says so.
#![cfg(not(target_family = "wasm"))]

use std::{collections::BTreeMap, num::NonZeroUsize};

use burn::tensor::Device;
use llavacode_core::{
    Error,
    bundle::{MANIFEST, Models, PROJECTOR, load_bundle},
    config::{BundleManifest, DecoderConfig, EncoderInput, FileEntry},
    weights::{MemoryFiles, sha256_hex},
};
use llavacode_tests::parity;
use safetensors::{Dtype, tensor::TensorView};

/// A tokenizer of single visible characters, the blank and the line break, and one token of the id
/// `last`.
fn tokenizer(last: u32) -> Vec<u8> {
    // Byte-level BPE writes a blank as Ġ and a line break as Ċ.
    let characters = ('!'..='~').chain(['Ġ', 'Ċ']).zip(0u32..);
    let mut vocabulary: BTreeMap<String, u32> = characters.map(|(c, id)| (c.to_string(), id)).collect();
    vocabulary.insert("last".into(), last);
    let byte_level = serde_json::json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let json = serde_json::json!({
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    });
    serde_json::to_vec(&json).expect("JSON")
}

/// A projector of one linear layer, all zeros.
fn projector(input: usize, output: usize) -> Vec<u8> {
    let data = vec![0; input * output * 4];
    let weight = TensorView::new(Dtype::F32, vec![output, input], &data).expect("a matrix");
    let bias = TensorView::new(Dtype::F32, vec![output], &data[..output * 4]).expect("a vector");
    safetensors::serialize([("linear_1.weight", weight), ("linear_1.bias", bias)], None).expect("a file")
}

/// A bundle of the fixtures' models, both 64 wide, with `change` made to its files before they are
/// listed in the manifest.
fn bundle(change: impl FnOnce(&mut MemoryFiles)) -> MemoryFiles {
    let (reader, encoder) = (parity::READERS[0], parity::ENCODERS[0]);
    let mut files = MemoryFiles::default();
    let mut put = |path: &str, bytes: &[u8]| files.files.insert(path.into(), bytes.into());
    for (folder, fixture) in [("reader", reader), ("encoder", encoder)] {
        put(&format!("{folder}/config.json"), fixture.config);
        put(&format!("{folder}/tokenizer.json"), &tokenizer(100));
        put(&format!("{folder}/model.safetensors"), fixture.weights);
    }
    put(PROJECTOR, &projector(64, 64));
    change(&mut files);
    let mut manifest: BundleManifest =
        serde_json::from_str(include_str!("../../public/bundle/bundle.json")).expect("a manifest");
    let entry = |bytes: &[u8]| FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(bytes)) };
    manifest.files = files.files.iter().map(|(path, bytes)| (path.clone(), entry(bytes))).collect();
    put_manifest(&mut files, &manifest);
    files
}

fn put_manifest(files: &mut MemoryFiles, manifest: &BundleManifest) {
    files.files.insert(MANIFEST.into(), serde_json::to_vec(manifest).expect("JSON").into());
}

async fn load(files: &MemoryFiles) -> Result<Models, Error> {
    load_bundle(files, &Device::flex(), |_| ()).await
}

async fn refusal(files: &MemoryFiles) -> Error {
    load(files).await.expect_err("an error")
}

#[tokio::test]
async fn the_bundle_itself_loads() {
    let models = load(&bundle(|_| ())).await.expect("models");
    assert_eq!(models.reader.config().hidden_size, 64);
    assert_eq!(models.projector.expect("a projector").output_width(), 64);
    assert!(models.embedder.is_some());
    // Matrices are in blocks, where the files have 32 bits a weight.
    let files = (parity::READERS[0].weights.len() + parity::ENCODERS[0].weights.len()) as u64;
    assert!(
        (files / 8..files * 3 / 4).contains(&models.memory_bytes),
        "{} of {files} bytes",
        models.memory_bytes
    );
}

#[tokio::test]
async fn a_gguf_file_stands_in_for_the_weights() {
    let fixture = parity::READERS.iter().find(|fixture| fixture.name == "qwen2_gguf").expect("there is one");
    let gguf = "reader/model.gguf";
    let with_gguf = |files: &mut MemoryFiles| files.files.insert(gguf.into(), fixture.weights.into());
    let files = bundle(|files| {
        with_gguf(files);
        files.files.remove("reader/model.safetensors");
    });
    assert_eq!(load(&files).await.expect("models").reader.config().hidden_size, 64);
    let error = refusal(&bundle(|files| _ = with_gguf(files))).await;
    assert_eq!(
        error.to_string(),
        "bundle.json: its `files` lists reader/model.safetensors and reader/model.gguf: leave one of them out."
    );
}

#[tokio::test]
async fn more_soft_tokens_than_a_chunk_has_lines() {
    let files = bundle(|_| ());
    let mut manifest: BundleManifest = serde_json::from_slice(&files.files[MANIFEST]).expect("a manifest");
    manifest.chunking.lines = 10;
    let counts = [(10, true), (11, false), (usize::MAX, false)];
    try_soft_tokens(files, manifest, counts, "10 lines").await;
}

#[tokio::test]
async fn more_soft_tokens_than_the_reader_has_positions() {
    let files = bundle(|_| ());
    let positions = load(&files).await.expect("models").reader.config().max_position_embeddings;
    let mut manifest: BundleManifest = serde_json::from_slice(&files.files[MANIFEST]).expect("a manifest");
    manifest.chunking.lines = usize::MAX;
    manifest.prompt.top_k = 1;
    let counts = [(positions - 1, true), (positions, false), (usize::MAX, false)];
    try_soft_tokens(files, manifest, counts, "lower one of them").await;
}

/// A bundle whose encoder is the reader's layers after which states are pooled; `change` is made to its
/// files before.
fn without_encoder(layers: &[usize], change: impl FnOnce(&mut MemoryFiles)) -> MemoryFiles {
    let mut files = bundle(|files| {
        files.files.retain(|path, _| !path.starts_with("encoder/"));
        files.files.insert(PROJECTOR.into(), projector(128, 64).into());
        let mut json: serde_json::Value = serde_json::from_slice(&tokenizer(100)).expect("JSON");
        json["added_tokens"] = serde_json::json!([{
            "id": 100, "content": "last", "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false,
        }]);
        files.files.insert("reader/tokenizer.json".into(), serde_json::to_vec(&json).expect("JSON").into());
        change(files);
    });
    let mut manifest: BundleManifest = serde_json::from_slice(&files.files[MANIFEST]).expect("a manifest");
    manifest.encoder = EncoderInput {
        max_tokens: 64,
        prepend: "last".into(),
        reader_layers: layers.into(),
        append: "".into(),
    };
    put_manifest(&mut files, &manifest);
    files
}

#[tokio::test]
async fn the_readers_layers_stand_in_for_an_encoder() {
    let models = load(&without_encoder(&[0, 1], |_| ())).await.expect("models");
    let embedder = models.embedder.expect("an encoder");
    assert_eq!((embedder.encoder.width(), embedder.encoder.config().num_hidden_layers), (128, 1));
    assert_eq!(models.projector.expect("a projector").input_width(), 128);
    let input = &models.manifest.encoder;
    assert_eq!(embedder.input(input, "ab").expect("tokens"), [100, 64, 65]);
    assert_eq!(embedder.input(input, "").expect("tokens"), [100]);

    let error = refusal(&without_encoder(&[0], |_| ())).await.to_string();
    assert!(error.contains("takes vectors of 128 numbers and the encoder gives 64"), "{error}");
    let error = refusal(&without_encoder(&[0, 99], |_| ())).await.to_string();
    assert!(error.contains("asks for layer 99 and the reader has"), "{error}");
    let error = refusal(&without_encoder(&[0, 1, 0], |_| ())).await.to_string();
    assert!(error.contains("names layer 0 twice"), "{error}");
    let encoder = parity::ENCODERS[0];
    let both = without_encoder(&[0, 1], |files| {
        files.files.insert("encoder/model.safetensors".into(), encoder.weights.into());
    });
    let error = refusal(&both).await.to_string();
    assert!(error.contains("leave one of them out"), "{error}");
    let error = refusal(&without_encoder(&[], |_| ())).await.to_string();
    assert!(error.contains("no encoder"), "{error}");
}

/// Loads the bundle with each number of soft tokens a chunk; where it does not fit, the refusal names it
/// and says `reason`.
async fn try_soft_tokens(
    mut files: MemoryFiles,
    mut manifest: BundleManifest,
    counts: [(usize, bool); 3],
    reason: &str,
) {
    for (soft_tokens, fits) in counts {
        manifest.prompt.soft_tokens = NonZeroUsize::new(soft_tokens).expect("not none");
        put_manifest(&mut files, &manifest);
        match load(&files).await {
            Ok(_) => assert!(fits, "{soft_tokens}"),
            Err(error) => {
                let said = error.to_string();
                assert!(!fits && said.contains(&soft_tokens.to_string()) && said.contains(reason), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn a_projector_of_another_pair() {
    let error = refusal(&bundle(|files| {
        files.files.insert(PROJECTOR.into(), projector(24, 64).into());
    }))
    .await;
    assert_eq!(
        error.to_string(),
        "projector.safetensors: the projector takes vectors of 24 numbers and the encoder gives 64: \
         they belong to different bundles."
    );
    let error = refusal(&bundle(|files| {
        files.files.insert(PROJECTOR.into(), projector(64, 20).into());
    }))
    .await;
    assert_eq!(
        error.to_string(),
        "projector.safetensors: the projector gives vectors of 20 numbers and the reader takes 64: \
         they belong to different bundles."
    );
}

#[tokio::test]
async fn a_tokenizer_of_another_model() {
    let error = refusal(&bundle(|files| {
        files.files.insert("reader/tokenizer.json".into(), tokenizer(160).into());
    }))
    .await;
    let expected = "reader/tokenizer.json: the tokenizer gives ids up to 160 and the model's embedding \
                    has 160 rows: they belong to different models.";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn missing_files_and_entries() {
    let mut files = bundle(|_| ());
    files.files.remove("encoder/model.safetensors");
    let error = refusal(&files).await;
    assert!(matches!(&error, Error::Read { file, .. } if file == "encoder/model.safetensors"), "{error}");

    let error = refusal(&bundle(|files| {
        files.files.remove("encoder/config.json");
    }))
    .await;
    assert!(
        matches!(&error, Error::Format { file, reason, .. }
        if file == MANIFEST && reason.contains("encoder/config.json")),
        "{error}"
    );

    let error = refusal(&MemoryFiles::default()).await;
    assert!(matches!(&error, Error::Read { file, .. } if file == MANIFEST), "{error}");
}

#[tokio::test]
async fn a_manifest_that_is_none() {
    let mut files = bundle(|_| ());
    for text in ["", "<!doctype html>", "{\"name\": 3}"] {
        files.files.insert(MANIFEST.into(), text.as_bytes().into());
        let error = refusal(&files).await;
        assert!(matches!(&error, Error::Format { file, .. } if file == MANIFEST), "{error}");
    }
}

#[tokio::test]
async fn an_altered_small_file() {
    let mut files = bundle(|_| ());
    files.files.insert("encoder/tokenizer.json".into(), tokenizer(101).into());
    let error = refusal(&files).await;
    assert!(
        matches!(&error, Error::HashMismatch { file, .. } if file == "encoder/tokenizer.json"),
        "{error}"
    );
}

#[test]
fn configs_that_are_not_done() {
    let config: serde_json::Value = serde_json::from_slice(parity::ENCODERS[0].config).expect("a config");
    let cases = [
        ("/hidden_act", serde_json::json!("gelu"), "hidden_act"),
        ("/use_sliding_window", serde_json::json!(true), "use_sliding_window"),
        ("/attention_bias", serde_json::json!(true), "attention_bias"),
        ("/rope_parameters/rope_type", serde_json::json!("yarn"), "rope_parameters"),
        ("/num_attention_heads", serde_json::json!(0), "num_attention_heads is 0"),
        ("/num_hidden_layers", serde_json::json!(1_000_000_000), "num_hidden_layers"),
        ("/num_key_value_heads", serde_json::json!(3), "multiple"),
        ("/head_dim", serde_json::json!(31), "odd"),
    ];
    for (field, value, word) in cases {
        let mut altered = config.clone();
        *altered.pointer_mut(field).expect(field) = value;
        let json = serde_json::to_vec(&altered).expect("JSON");
        let error = DecoderConfig::from_json("config.json", &json).expect_err(field);
        assert!(
            matches!(&error, Error::UnsupportedConfig { reason, .. } if reason.contains(word)),
            "{error}"
        );
    }
}
