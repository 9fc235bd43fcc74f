//! Small models and samples that the tests share.

use std::{fs, io::Write, path::Path, sync::Arc};

use llavacode_core::{config::ModelType, tokenize::Tokenizer};
use llavacode_train::{
    model::{Model, pico_config},
    random::SplitMix64,
    samples::{Sample, SampleChunk, SampleFile},
};

#[allow(dead_code, reason = "not every test file needs it")]
const TOKENIZER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/bundle/reader/tokenizer.json");

/// Twelve samples whose target has a name that only their one chunk has.
pub(crate) fn samples(folder: &Path) -> SampleFile {
    let path = folder.join("samples.jsonl");
    let mut file = fs::File::create(&path).expect("a file");
    for n in 0..12 {
        let chunk = SampleChunk {
            path: "other.py".into(),
            start_line: 0,
            end_line: 2,
            text: format!("def value_{n}():\n    return {n}"),
        };
        let sample = Sample {
            package: "p".into(),
            path: "a.py".into(),
            prefix: format!("import other\n\nx_{n} = "),
            target: format!("other.value_{n}()"),
            suffix: "\nprint(x)\n".into(),
            chunks: vec![chunk],
        };
        writeln!(file, "{}", serde_json::to_string(&sample).expect("json")).expect("written");
    }
    SampleFile::open(&path).expect("samples")
}

/// The bundle's.
#[allow(dead_code, reason = "not every test file needs one")]
pub(crate) fn tokenizer() -> Arc<Tokenizer> {
    let json = fs::read(TOKENIZER).expect("the bundle's tokenizer");
    Arc::new(Tokenizer::from_json("tokenizer.json", &json).expect("a tokenizer"))
}

/// One layer, freshly drawn.
#[allow(dead_code, reason = "not every test file needs one")]
pub(crate) fn model(model_type: ModelType, tokenizer: &Tokenizer) -> Model {
    let config = pico_config(model_type, tokenizer.vocab_size(), 96, 1);
    Model::init(&config, &mut SplitMix64::new(4)).expect("a valid config")
}
