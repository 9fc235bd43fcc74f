//! A projector for another pair, from the command line, on checkpoints in Hugging Face's format.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use llavacode_core::config::{DecoderConfig, ModelType};
use llavacode_train::{
    estimate::memory_estimate,
    model::{Model, pico_config},
    random::SplitMix64,
    samples::{Sample, SampleChunk},
};
use safetensors::SafeTensors;

const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/bundle");

/// A tiny random checkpoint with the bundle's tokenizer.
fn checkpoint(folder: PathBuf, model_type: ModelType, hidden: usize) -> PathBuf {
    let config = pico_config(model_type, 4096, hidden, 1);
    let model = Model::init(&config, &mut SplitMix64::new(hidden as u64)).expect("a valid config");
    model.save(&folder).expect("saved");
    fs::copy(Path::new(BUNDLE).join("reader/tokenizer.json"), folder.join("tokenizer.json")).expect("copied");
    folder
}

fn write_samples(work: &Path) {
    fs::create_dir_all(work.join("samples")).expect("a folder");
    let mut file = fs::File::create(work.join("samples/train.jsonl")).expect("a file");
    for n in 0..4 {
        let text = format!("class Gauge{n}:\n    def level_{n}(self):\n        return {n}");
        let sample = Sample {
            package: "p".into(),
            path: "a.py".into(),
            prefix: "gauge = make()\nlevel = gauge.".into(),
            target: format!("level_{n}()"),
            suffix: "\nprint(level)\n".into(),
            chunks: vec![SampleChunk { path: "gauge.py".into(), start_line: 0, end_line: 3, text }],
        };
        writeln!(file, "{}", serde_json::to_string(&sample).expect("json")).expect("written");
    }
}

fn run(work: &Path, reader: &Path, encoder: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llavacode-train"))
        .arg("--work")
        .arg(work)
        .args(["pair", "--steps", "2", "--batch", "2", "--bundle"])
        .arg(Path::new(BUNDLE).join("bundle.json"))
        .arg("--reader")
        .arg(reader)
        .arg("--encoder")
        .arg(encoder)
        .args(more)
        .output()
        .expect("the program starts")
}

#[test]
fn a_projector_is_trained_for_two_checkpoints() {
    let folder = tempfile::tempdir().expect("a folder");
    let work = folder.path().join("work");
    let reader = checkpoint(folder.path().join("reader"), ModelType::Qwen2, 64);
    let encoder = checkpoint(folder.path().join("encoder"), ModelType::Qwen3, 96);
    write_samples(&work);

    let estimate = run(&work, &reader, &encoder, &["--estimate"]);
    let said = String::from_utf8_lossy(&estimate.stdout).into_owned();
    assert!(estimate.status.success() && said.contains("GiB altogether"), "{said}");
    assert!(said.contains("TFLOP a sample") && said.contains("2 steps"), "{said}");
    assert!(!work.join("pair").exists(), "an estimate trains nothing");

    let trained = run(&work, &reader, &encoder, &[]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let log = fs::read_to_string(work.join("pair/log.jsonl")).expect("a log");
    assert!(log.lines().count() == 1 && log.contains("reader_loss"), "the last step is told: {log}");
    let data = fs::read(work.join("pair/projector.safetensors")).expect("a projector");
    let file = SafeTensors::deserialize(&data).expect("safetensors");
    let shape = |name: &str| file.tensor(name).expect(name).shape().to_vec();
    assert_eq!(shape("linear_1.weight"), [128, 96], "from the encoder's width");
    assert_eq!(shape("linear_3.weight"), [64, 128], "to the reader's");

    // A checkpoint cut short is refused in a sentence.
    let path = reader.join("model.safetensors");
    let whole = fs::read(&path).expect("read");
    fs::write(&path, &whole[..whole.len() - 1000]).expect("written");
    let refused = run(&work, &reader, &encoder, &["--out", "other"]);
    assert!(!refused.status.success(), "half a checkpoint was taken for a whole one");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("model.safetensors") && !said.contains("panicked"), "{said}");
}

#[test]
fn a_reader_may_be_a_gguf_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let work = folder.path().join("work");
    let reader =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/llama_cpp/tiny_qwen2/model.gguf");
    let encoder = checkpoint(folder.path().join("encoder"), ModelType::Qwen3, 96);
    write_samples(&work);
    let trained = run(&work, &reader, &encoder, &[]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    assert!(work.join("pair/projector.safetensors").exists());

    let no_model = folder.path().join("notes.txt");
    fs::write(&no_model, "no model").expect("written");
    let refused = run(&work, &no_model, &encoder, &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("notes.txt") && !said.contains("panicked"), "{said}");
}

#[test]
fn the_estimate_counts_the_real_pairs_weights() {
    let config = |model_type, json: &str| {
        let config: DecoderConfig = serde_json::from_str(json).expect("a config");
        assert_eq!(config.model_type, model_type);
        config
    };
    // Sizes from the two models' config.json.
    let reader = config(
        ModelType::Qwen2,
        r#"{"model_type": "qwen2", "vocab_size": 151936, "hidden_size": 1536, "intermediate_size": 8960,
            "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
            "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
            "tie_word_embeddings": true}"#,
    );
    let encoder = config(
        ModelType::Qwen3,
        r#"{"model_type": "qwen3", "vocab_size": 151669, "hidden_size": 1024, "intermediate_size": 3072,
            "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
            "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
            "tie_word_embeddings": true}"#,
    );
    let estimate = memory_estimate(&reader, &encoder, 2512, 50);
    let near = |bytes: u64, parameters: f64| (bytes as f64 / 4.0 / parameters - 1.0).abs() < 1e-3;
    assert!(near(estimate.reader, 1.543_714_304e9), "{}", estimate.reader / 4);
    assert!(near(estimate.encoder, 5.957_765e8), "{}", estimate.encoder / 4);
    let half = memory_estimate(&reader, &encoder, 1256, 50);
    assert!(estimate.activations > 2 * half.activations, "attention's scores grow with the square");
}
