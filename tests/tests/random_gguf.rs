//! Random-weight GGUF files: of the published shapes to the byte, the same each time, and files that
//! the loader takes.
#![cfg(not(target_family = "wasm"))]

#[path = "../../core/examples/write_gguf/blocks.rs"]
mod blocks;
#[path = "../../core/examples/write_gguf/file.rs"]
mod file;
#[path = "../../core/examples/write_gguf/metadata.rs"]
mod metadata;
#[path = "../../core/examples/write_gguf/mix.rs"]
mod mix;
#[path = "../../core/examples/write_gguf/model.rs"]
mod model;
#[path = "../../core/examples/write_gguf/random.rs"]
mod random;
#[path = "../../core/examples/write_gguf/source.rs"]
mod source;
#[path = "../../core/examples/write_gguf/vocabulary.rs"]
mod vocabulary;

use std::{collections::BTreeMap, path::Path};

use burn::tensor::Device;
use file::Content;
use llavacode_core::{
    bundle::{Models, load_bundle, load_models, manifest_of},
    config::ModelType,
    model::token_ids,
    weights::{FolderFiles, MemoryFiles},
};
use llavacode_tests::{llama_cpp::TINY, parity};
use mix::Mix;
use model::{Model, Tensor};
use source::Source;
use vocabulary::Vocabulary;

const MIXES: [&str; 5] = ["f16", "q4_0", "q4_1", "q8_0", "q4_k_m"];

fn named(key: &str) -> &'static Model {
    model::MODELS.iter().find(|model| model.key == key).expect("a model")
}

fn written(key: &str, mix: &str, seed: u64) -> Vec<u8> {
    let (model, mix) = (named(key), Mix::named(mix).expect("a format"));
    let pairs = metadata::pairs(model, mix, Vocabulary::made_up(model).expect("a vocabulary"));
    let content = |tensor: &Tensor| Content::random(model, seed, tensor);
    let mut bytes = Vec::new();
    file::write(&mut bytes, &pairs, &mix.types(model), content).expect("memory");
    bytes
}

/// A file of a reader that is in `path`.
fn converted(path: &Path, mix: &str) -> Vec<u8> {
    let mix = Mix::named(mix).expect("a format");
    let (source, vocabulary) = Source::open(path).expect("a reader");
    let pairs = metadata::pairs(&source.model, mix, vocabulary);
    let tensors = mix.types(&source.model);
    assert!(tensors.iter().all(|(_, kind)| kind.is_exact()), "a format that is made of random bits alone");
    let content = |tensor: &Tensor| Content::Values(source.values(tensor));
    let mut bytes = Vec::new();
    file::write(&mut bytes, &pairs, &tensors, content).expect("memory");
    bytes
}

/// The bytes of the tensors alone, and how many are of which type.
fn sizes(key: &str, mix: &str) -> (u64, BTreeMap<String, usize>) {
    let types = Mix::named(mix).expect("a format").types(named(key));
    let mut count = BTreeMap::new();
    let mut bytes = 0;
    for (tensor, kind) in types {
        *count.entry(format!("{kind:?}")).or_default() += 1;
        assert!(tensor.shape[0].is_multiple_of(kind.values()), "{}: {kind:?}", tensor.name);
        bytes += tensor.shape.iter().product::<u64>() / kind.values() * kind.bytes();
    }
    (bytes, count)
}

#[test]
fn published_shapes() {
    // Weights as the models' cards count them: 0.49, 1.54 and 0.6 thousand millions.
    for (key, weights) in [
        ("qwen2.5-coder-0.5b", 494_032_768),
        ("qwen2.5-coder-1.5b", 1_543_714_304),
        ("qwen3-embedding-0.6b", 595_776_512),
    ] {
        let shapes = named(key).tensors().into_iter().map(|tensor| tensor.shape.iter().product::<u64>());
        assert_eq!(shapes.sum::<u64>(), weights, "{key}");
    }
}

#[test]
fn the_quantizers_choice_of_types() {
    let counts = |list: &[(&str, usize)]| list.iter().map(|&(kind, n)| (kind.to_owned(), n)).collect();
    // Rows of 896 are no blocks of 256: most of Q4_K_M becomes Q5_0 and Q8_0.
    let (bytes, found) = sizes("qwen2.5-coder-0.5b", "q4_k_m");
    assert_eq!(found, counts(&[("F32", 121), ("Q4K", 12), ("Q5_0", 132), ("Q6K", 12), ("Q8_0", 13)]));
    assert!((380_000_000..400_000_000).contains(&bytes), "{bytes}");
    // Rows of 1536 are, and half the layers have more bits.
    let (_, found) = sizes("qwen2.5-coder-1.5b", "q4_k_m");
    assert_eq!(found, counts(&[("F32", 141), ("Q4K", 168), ("Q6K", 29)]));
    // SmolLM2's file: Q4_1, and Q8_0 for the embedding.
    let (_, found) = sizes("tiny-llama", "q4_1");
    assert_eq!(found, counts(&[("F32", 5), ("Q4_1", 14), ("Q8_0", 1)]));
}

#[test]
fn a_file_is_the_same_each_time() {
    for (recorded, bytes) in TINY {
        let (key, mix) = match recorded.name {
            "tiny_llama" => ("tiny-llama", "q4_1"),
            _ => ("tiny-qwen2", "q8_0"),
        };
        assert!(written(key, mix, 0) == bytes, "{key} is not the fixture any more");
        let other = written(key, mix, 1);
        assert!(other.len() == bytes.len() && other != bytes, "{key}: the seed changes nothing");
    }
}

#[test]
fn vocabularies_of_qwens_size() {
    for (key, special, last) in
        [("qwen2.5-coder-0.5b", 22, "[PAD151935]"), ("qwen3-embedding-0.6b", 26, "</think>")]
    {
        let vocabulary = Vocabulary::made_up(named(key)).expect("a vocabulary");
        assert_eq!(vocabulary.tokens.len(), named(key).vocabulary, "{key}");
        assert_eq!(vocabulary.types.len(), vocabulary.tokens.len(), "{key}");
        assert_eq!(vocabulary.merges.len(), 151_643 - 256, "{key}");
        assert_eq!(vocabulary.tokens[151_643], "<|endoftext|>", "{key}");
        assert_eq!(vocabulary.tokens[151_659], "<|fim_prefix|>", "{key}");
        assert_eq!(vocabulary.types.iter().filter(|&&kind| kind == 3 || kind == 4).count(), special, "{key}");
        assert_eq!(vocabulary.tokens.last().map(String::as_str), Some(last), "{key}");
        let different: std::collections::BTreeSet<_> = vocabulary.tokens.iter().collect();
        assert_eq!(different.len(), vocabulary.tokens.len(), "{key}: a token twice");
    }
}

#[test]
fn a_vocabulary_from_a_tokenizer_json() {
    let model = named("tiny-qwen2");
    let made_up = Vocabulary::made_up(model).expect("a vocabulary");
    let ordinary = made_up.merges.len() + 256;
    let ids: BTreeMap<_, _> = made_up.tokens[..ordinary].iter().zip(0..).collect();
    let pairs: Vec<Vec<&str>> = made_up.merges.iter().map(|merge| merge.split(' ').collect()).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    // Newer files have pairs for merges, older ones texts.
    for merges in [serde_json::json!(pairs), serde_json::json!(made_up.merges)] {
        let json = serde_json::json!({ "model": { "vocab": ids, "merges": merges } });
        std::fs::write(&path, json.to_string()).expect("a file");
        let read = Vocabulary::read(model, &path).expect("a vocabulary");
        assert_eq!((read.tokens, read.types), (made_up.tokens.clone(), made_up.types.clone()));
        assert_eq!((read.merges, read.end_of_text), (made_up.merges.clone(), made_up.end_of_text));
    }
    std::fs::write(&path, r#"{"model": {"vocab": {"a": 1}, "merges": []}}"#).expect("a file");
    let error = Vocabulary::read(model, &path).expect_err("an error").to_string();
    assert!(error.contains("gaps"), "{error}");
}

async fn load(file: &str, bytes: Vec<u8>) -> llavacode_core::Result<Models> {
    let mut files = BTreeMap::from([(file.to_owned(), bytes)]);
    // An encoder stands beside a reader.
    files.entry("reader/model.gguf".into()).or_insert_with(|| written("tiny-qwen2", "q8_0", 0));
    let manifest =
        manifest_of(files.iter().map(|(path, bytes)| (path.clone(), bytes.len() as u64)).collect());
    let files = files.into_iter().map(|(path, bytes)| (path, bytes.into())).collect();
    load_models(&MemoryFiles { files }, manifest, &Device::flex(), |_| ()).await
}

#[tokio::test]
async fn every_format_loads_and_computes() {
    for (key, model_type) in [("tiny-llama", ModelType::Llama), ("tiny-qwen2", ModelType::Qwen2)] {
        for mix in MIXES {
            let models = load("reader/model.gguf", written(key, mix, 0)).await.expect(key);
            let reader = models.reader;
            assert_eq!(reader.config().model_type, model_type, "{key} {mix}");
            let ids = models.reader_tokenizer.encode("def main():\n    return 42\n");
            let mut cache = reader.cache(1, ids.len());
            let span = cache.next(1, ids.len());
            let hidden = reader.forward(reader.embed(token_ids(&ids, &reader.device())), &mut cache, span);
            let logits = parity::values(reader.logits(hidden)).await;
            let size = logits.iter().fold(0f32, |size, logit| size.max(logit.abs()));
            assert!(logits.iter().all(|logit| logit.is_finite()), "{key} {mix}");
            assert!((0.5..50.0).contains(&size), "{key} {mix}: the largest logit is {size}");
        }
    }
}

#[tokio::test]
async fn an_encoder_embeds() {
    for mix in MIXES {
        let bytes = written("tiny-qwen3-embedding", mix, 0);
        let models = load("encoder/model.gguf", bytes).await.expect(mix);
        let embedder = models.embedder.expect("an encoder");
        let ids = embedder.tokenizer.encode("def main(): pass");
        let values = parity::values(embedder.encoder.encode(&[ids])).await;
        assert_eq!(values.len(), named("tiny-qwen3-embedding").hidden);
        assert!(values.iter().all(|value| value.is_finite()), "{mix}");
    }
}

#[tokio::test]
async fn a_reader_that_is_there_is_written_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    for key in ["tiny-llama", "tiny-qwen2"] {
        let bytes = written(key, "f16", 0);
        std::fs::write(&path, &bytes).expect("a file");
        let again = converted(&path, "f16");
        // Its name is another one; the tensors stand at the end.
        let tensors = sizes(key, "f16").0 as usize;
        assert!(bytes[bytes.len() - tensors..] == again[again.len() - tensors..], "{key}: weights changed");
        let text = "def a_b(c):\n    return c";
        let mut ids = Vec::new();
        for bytes in [bytes, again] {
            ids.push(load("reader/model.gguf", bytes).await.expect(key).reader_tokenizer.encode(text));
        }
        assert_eq!(ids[0], ids[1], "{key}");
    }
}

#[tokio::test]
async fn a_folder_of_safetensors_becomes_a_gguf_file() {
    let bundle = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../public/bundle"));
    let own = load_bundle(&FolderFiles { root: bundle.into() }, &Device::flex(), |_| ()).await;
    let own = own.expect("pico");
    let written = load("reader/model.gguf", converted(&bundle.join("reader"), "q8_0")).await.expect("pico");
    let text = "    def reading(self, gauge: Gauge) -> float:\n        return gauge.level";
    let mut said = Vec::new();
    for models in [&own, &written] {
        let ids = models.reader_tokenizer.encode(text);
        let reader = &models.reader;
        let mut cache = reader.cache(1, ids.len());
        let span = cache.next(1, ids.len());
        let hidden = reader.forward(reader.embed(token_ids(&ids, &reader.device())), &mut cache, span);
        said.push((ids, parity::values(reader.logits(hidden)).await));
    }
    let [(ids, logits), (same_ids, same_logits)] = &said[..] else { unreachable!("two") };
    assert_eq!(ids, same_ids);
    // Pico's own bundle is held in 4 bits a weight: near is what can be asked for.
    let mean = |of: &dyn Fn(usize) -> f32| (0..logits.len()).map(of).sum::<f32>() / logits.len() as f32;
    let middle = mean(&|i| logits[i]);
    let off = mean(&|i| (logits[i] - same_logits[i]).powi(2)).sqrt();
    let spread = mean(&|i| (logits[i] - middle).powi(2)).sqrt();
    assert!(off < 0.2 * spread, "logits move by {off}, their spread is {spread}");
}
