//! What quantising the reader costs: perplexity of Python text for each format of the linear
//! layers and of the head, against f32.
//!
//! `cargo run --release -p llavacode-core --example perplexity -- public/bundle <file or folder>…`
//!
//! It runs on the CPU, where quantized weights are unpacked again: the numbers are those the
//! kernels compute with. Give it text that the reader was not trained on.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use llavacode_core::{
    bundle::read_manifest,
    config::{DecoderConfig, WeightFormat},
    model::{
        decoder::{DecoderFormats, name_prefix},
        reader::{Reader, token_ids},
    },
    weights::{BundleFiles, FolderFiles, Header, load_weights},
};
use tokenizers::Tokenizer;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Tokens read at once: the length of a local prompt.
const WINDOW: usize = 384;
const FORMATS: [WeightFormat; 3] = [WeightFormat::F32, WeightFormat::Q8, WeightFormat::Q4];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let bundle = arguments.next().ok_or("usage: perplexity <bundle folder> <file or folder>…")?;
    let files = FolderFiles { root: bundle.into() };
    let mut paths = Vec::new();
    arguments.try_for_each(|path| python_files(Path::new(&path), &mut paths))?;
    paths.sort();

    let tokenizer =
        Tokenizer::from_file(files.root.join("reader/tokenizer.json")).map_err(|e| e.to_string())?;
    let mut ids = Vec::new();
    for path in &paths {
        let Ok(text) = fs::read_to_string(path) else { continue };
        ids.extend_from_slice(tokenizer.encode_fast(text, false).map_err(|e| e.to_string())?.get_ids());
    }
    let windows: Vec<&[u32]> = ids.chunks_exact(WINDOW).collect();
    if windows.is_empty() {
        return Err(format!("the text has {} tokens; give at least {WINDOW}", ids.len()).into());
    }
    println!("{} files, {} tokens in windows of {WINDOW}\n", paths.len(), windows.len() * WINDOW);

    let json = fs::read(files.root.join("reader/config.json"))?;
    let config = DecoderConfig::from_json("reader/config.json", &json)?;
    println!("linear  head  perplexity  against f32  weights");
    let mut reference = None;
    for linear in FORMATS {
        for embedding in FORMATS {
            let reader = pollster::block_on(load(&files, &config, DecoderFormats { linear, embedding }))?;
            let perplexity = perplexity(&reader, &windows);
            let against = 100.0 * (perplexity / *reference.get_or_insert(perplexity) - 1.0);
            println!(
                "{:<6}  {:<4}  {perplexity:>10.3}  {against:>+10.2}%  {:>6.2} MB",
                name(linear),
                name(embedding),
                megabytes(&config, linear, embedding)
            );
        }
    }
    Ok(())
}

/// Every `.py` file at or below a path.
fn python_files(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            python_files(&entry?.path(), found)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "py") {
        found.push(path.into());
    }
    Ok(())
}

async fn load(files: &FolderFiles, config: &DecoderConfig, formats: DecoderFormats) -> Result<Reader> {
    let file = "reader/model.safetensors";
    let manifest = read_manifest(files).await?;
    let entry = manifest.files.get(file).ok_or("the manifest does not list the reader's weights")?;
    let plan = |header: &Header| Ok(Reader::plan(config, formats, name_prefix(header)));
    let source = files.open(file).await?;
    let mut weights = load_weights(&source, file, entry, plan, &Device::flex(), &mut |_| ()).await?;
    Ok(Reader::from_weights(config, &mut weights)?)
}

/// `exp` of the mean negative log-likelihood of every token but each window's first.
fn perplexity(reader: &Reader, windows: &[&[u32]]) -> f64 {
    let device = reader.device();
    let mut sum = 0.0;
    for window in windows {
        let (inputs, targets) = (&window[..WINDOW - 1], &window[1..]);
        let mut cache = reader.cache(1, inputs.len());
        let span = cache.next(1, inputs.len());
        let hidden = reader.forward(reader.embed(token_ids(inputs, &device)), &mut cache, span);
        let targets: Vec<i32> = targets.iter().map(|&id| id as i32).collect();
        let shape = [targets.len(), 1];
        let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, shape), &device);
        let likelihoods = log_softmax(reader.logits(hidden), 1).gather(1, targets);
        sum -= likelihoods.into_data().iter::<f64>().sum::<f64>();
    }
    (sum / (windows.len() * (WINDOW - 1)) as f64).exp()
}

fn name(format: WeightFormat) -> &'static str {
    match format {
        WeightFormat::F32 => "f32",
        WeightFormat::Q8 => "q8",
        WeightFormat::Q4 => "q4",
    }
}

/// Size of the reader's matrices in these formats, on a device that keeps them packed.
fn megabytes(config: &DecoderConfig, linear: WeightFormat, embedding: WeightFormat) -> f64 {
    let bits = |format| match format {
        WeightFormat::F32 => 32.0,
        WeightFormat::Q8 => 8.5,
        WeightFormat::Q4 => 4.5,
    };
    let attention = config.qkv_size() + config.num_attention_heads * config.head_dim();
    let layer = config.hidden_size * (attention + 3 * config.intermediate_size);
    let tables = if config.tie_word_embeddings { 1 } else { 2 } * config.vocab_size * config.hidden_size;
    let layers = (config.num_hidden_layers * layer) as f64;
    (layers * bits(linear) + tables as f64 * bits(embedding)) / 8e6
}
