//! Our reader and tokenizer beside llama.cpp's, on the same GGUF file. What llama.cpp made of it lies
//! in `tests/fixtures/llama_cpp`, made by `make.mjs` there.
//!
//! Of every file there are two references. llama.cpp rounds what a quantized matrix is multiplied
//! with to blocks of 8 bits, which moves its logits by far more than two right computations in f32
//! differ ([`STORED`]). So it also computed with the same weights written out as f32, and to that we
//! are held closely ([`EXACT`]).

mod steps;

use std::collections::BTreeMap;

use burn::tensor::Device;
use llavacode_core::{
    bundle::{load_models, manifest_of},
    model::reader::Reader,
    tokenize::Tokenizer,
    weights::MemoryFiles,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::parity;
pub use steps::{Agreement, follow};

/// How far from llama.cpp we may be.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Of any logit that was recorded.
    pub largest: f32,
    /// Of all of them, the root of the mean square.
    pub rms: f32,
}

/// Against f32 weights: sums in another order, and on the CPU activations of 16 bits, which move a logit of
/// SmolLM2 by 0.001 (root mean square) and no greedy token. A wrong row or block moves them by whole
/// units.
pub const EXACT: Tolerance = Tolerance { largest: 0.015, rms: 0.003 };

/// Against the file's own formats. llama.cpp's logits of SmolLM2 move by 0.18 (root mean square) and
/// up to 0.84 between this and f32 weights, over the steps that both took.
pub const STORED: Tolerance = Tolerance { largest: 1.2, rms: 0.25 };

/// A model with what llama.cpp made of it, all as JSON.
#[derive(Debug, Clone, Copy)]
pub struct Recorded {
    /// Its folder.
    pub name: &'static str,
    /// Ids of the texts.
    pub tokens: &'static str,
    /// Logits at the ends of some prompts: with f32 weights, and with the file's own.
    pub logits: [&'static str; 2],
    /// Greedy steps in the same two ways; none for a model too large for it.
    pub greedy: Option<[&'static str; 2]>,
}

/// A [`Recorded`] from its folder; `greedy` if its steps are there.
#[macro_export]
macro_rules! recorded {
    ($name:literal) => {
        $crate::llama_cpp::Recorded {
            greedy: Some([
                $crate::recorded!(file $name, "f32_greedy.json"),
                $crate::recorded!(file $name, "greedy.json"),
            ]),
            ..$crate::recorded!(logits $name)
        }
    };
    (logits $name:literal) => {
        $crate::llama_cpp::Recorded {
            name: $name,
            tokens: $crate::recorded!(file $name, "tokens.json"),
            logits: [
                $crate::recorded!(file $name, "f32_logits.json"),
                $crate::recorded!(file $name, "logits.json"),
            ],
            greedy: None,
        }
    };
    (file $name:literal, $file:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/llama_cpp/", $name, "/", $file))
    };
}

/// Small models of random weights, with their files.
pub const TINY: [(Recorded, &[u8]); 2] = [
    (recorded!("tiny_llama"), include_bytes!("../fixtures/llama_cpp/tiny_llama/model.gguf")),
    (recorded!("tiny_qwen2"), include_bytes!("../fixtures/llama_cpp/tiny_qwen2/model.gguf")),
];

#[derive(Deserialize)]
struct Tokens {
    sha256: String,
    texts: Vec<(String, Vec<u32>)>,
}

#[derive(Deserialize)]
struct Prompts<T> {
    prompts: Vec<T>,
}

#[derive(Deserialize)]
struct Top {
    ids: Vec<u32>,
    top: Vec<(u32, f32)>,
}

fn parse<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("a fixture")
}

impl Recorded {
    /// The file that llama.cpp was given.
    pub fn sha256(&self) -> String {
        parse::<Tokens>(self.tokens).sha256
    }
}

/// Reader and tokenizer out of a GGUF file alone, its weights in the formats a page would hold.
pub async fn load(bytes: Vec<u8>, device: &Device) -> (Reader, Tokenizer) {
    let path = "reader/model.gguf".to_owned();
    let manifest = manifest_of(BTreeMap::from([(path.clone(), bytes.len() as u64)]));
    let files = MemoryFiles { files: BTreeMap::from([(path, bytes.into())]) };
    let models = load_models(&files, manifest, device, |_| ()).await.expect("a model");
    (models.reader, models.reader_tokenizer)
}

/// Every text gives llama.cpp's tokens.
pub fn tokens_match(recorded: &Recorded, tokenizer: &Tokenizer) {
    let texts = parse::<Tokens>(recorded.tokens).texts;
    assert_eq!(texts.len(), 200);
    let differing: Vec<String> = texts
        .iter()
        .filter_map(|(text, ids)| {
            let found = tokenizer.encode(text);
            (found != *ids).then(|| format!("{text:?}: {found:?}, llama.cpp {ids:?}"))
        })
        .collect();
    println!("{}: tokens of {} of {} texts are llama.cpp's", recorded.name, 200 - differing.len(), 200);
    assert!(differing.is_empty(), "{}:\n{}", recorded.name, differing.join("\n"));
}

/// At the ends of some prompts, the logits of llama.cpp's 20 likeliest tokens.
pub async fn logits_match(recorded: &Recorded, reader: &Reader) {
    for (json, tolerance) in recorded.logits.into_iter().zip([EXACT, STORED]) {
        let mut agreement = Agreement::default();
        for Top { ids, top } in parse::<Prompts<Top>>(json).prompts {
            let mut cache = reader.cache(1, ids.len());
            let logits = steps::read(reader, &mut cache, &ids, 1).await;
            let mut ours = logits.clone();
            ours.sort_by(|a, b| b.total_cmp(a));
            for (id, logit) in top {
                agreement.add(logits[id as usize], logit);
                // None of llama.cpp's 20 is far below ours.
                assert!(logits[id as usize] > ours[19] - tolerance.largest, "{}: {id}", recorded.name);
            }
        }
        agreement.check(&format!("{}, logits", recorded.name), tolerance);
    }
}

/// Greedy steps of so many prompts: one token after the other against f32 weights, all steps of a
/// prompt in one pass against the file's own formats. `of` prompts, `length` steps each.
///
/// # Panics
/// If a logit is too far from llama.cpp's, or we part where its two candidates are not close.
pub async fn greedy_matches(recorded: &Recorded, reader: &Reader, of: usize, length: usize) {
    let [exact, stored] = recorded.greedy.expect("greedy steps");
    for (json, tolerance, one_by_one) in [(exact, EXACT, true), (stored, STORED, false)] {
        let way = if one_by_one { "f32 weights" } else { "its own formats" };
        let mut agreement = Agreement::default();
        for prompt in parse::<Prompts<steps::Prompt>>(json).prompts.into_iter().take(of) {
            agreement.merge(follow(reader, &prompt, length, one_by_one).await);
        }
        agreement.check(&format!("{}, greedy steps of llama.cpp with {way}", recorded.name), tolerance);
    }
}

/// All checks of the small models on a device: `of` prompts of `length` steps.
pub async fn tiny_models_match(device: &Device, of: usize, length: usize) {
    for (recorded, file) in &TINY {
        assert_eq!(llavacode_core::weights::sha256_hex(file), recorded.sha256(), "{}", recorded.name);
        let (reader, tokenizer) = load(file.to_vec(), device).await;
        tokens_match(recorded, &tokenizer);
        logits_match(recorded, &reader).await;
        greedy_matches(recorded, &reader, of, length).await;
    }
}
