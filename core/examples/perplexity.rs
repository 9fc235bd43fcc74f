//! What quantising the reader costs: perplexity of Python text for each format of the linear
//! layers and of the head, against the file's own values.
//!
//! `cargo run --release -p llavacode-core --example perplexity -- <bundle folder or GGUF file> <file or folder>…`
//!
//! It runs on the CPU, where quantized weights are unpacked again: the numbers are those the
//! kernels compute with. Give it text that the reader was not trained on.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use llavacode_core::{
    bundle::{load_models, manifest_of, read_manifest},
    config::{BundleManifest, FormatChoice, WeightFormat},
    model::{reader::Reader, token_ids},
    tokenize::Tokenizer,
    weights::{FolderFiles, OneFile},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Tokens read at once: the length of a local prompt.
const WINDOW: usize = 384;
/// Formats of the linear layers and of the head that are compared; the first is what the others are
/// compared with.
const FORMATS: [(FormatChoice, FormatChoice); 7] = {
    use FormatChoice::{AsStored, Fixed};
    use WeightFormat::{F32, Q4, Q4_1, Q8};
    [
        (Fixed(F32), Fixed(F32)),
        (AsStored, AsStored),
        (Fixed(Q8), Fixed(Q8)),
        (Fixed(Q4_1), Fixed(Q8)),
        (Fixed(Q4), Fixed(Q8)),
        (Fixed(Q4_1), Fixed(Q4_1)),
        (Fixed(Q4), Fixed(Q4)),
    ]
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("usage: perplexity <bundle or GGUF file> <file or folder>…")?;
    let mut paths = Vec::new();
    arguments.try_for_each(|path| python_files(Path::new(&path), &mut paths))?;
    paths.sort();

    println!("linear     head       perplexity  against f32");
    let mut reference = None;
    for (linear, head) in FORMATS {
        let (reader, tokenizer) = pollster::block_on(load(Path::new(&model), linear, head))?;
        let windows = windows(&paths, &tokenizer)?;
        let perplexity = perplexity(&reader, &windows);
        let against = 100.0 * (perplexity / *reference.get_or_insert(perplexity) - 1.0);
        println!("{:<9}  {:<9}  {perplexity:>10.3}  {against:>+10.2}%", name(linear), name(head));
    }
    Ok(())
}

/// The files' tokens, cut into windows.
fn windows(paths: &[PathBuf], tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    let ids: Vec<u32> = texts.flat_map(|text| tokenizer.encode(&text)).collect();
    let windows: Vec<Vec<u32>> = ids.chunks_exact(WINDOW).map(<[u32]>::to_vec).collect();
    if windows.is_empty() {
        return Err(format!("the text has {} tokens; give at least {WINDOW}", ids.len()).into());
    }
    Ok(windows)
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

/// The reader in these formats, and its tokenizer.
async fn load(model: &Path, linear: FormatChoice, head: FormatChoice) -> Result<(Reader, Tokenizer)> {
    let with_formats = |mut manifest: BundleManifest| {
        // The reader alone.
        manifest.files.retain(|file, _| file.starts_with("reader/"));
        manifest.quantization.reader_linear = linear;
        manifest.quantization.reader_head = head;
        manifest
    };
    let device = Device::flex();
    let models = if model.is_dir() {
        let files = FolderFiles { root: model.into() };
        let manifest = with_formats(read_manifest(&files).await?);
        load_models(&files, manifest, &device, |_| ()).await?
    } else {
        let files = BTreeMap::from([("reader/model.gguf".into(), fs::metadata(model)?.len())]);
        load_models(&OneFile { path: model.into() }, with_formats(manifest_of(files)), &device, |_| ())
            .await?
    };
    Ok((models.reader, models.reader_tokenizer))
}

/// `exp` of the mean negative log-likelihood of every token but each window's first.
fn perplexity(reader: &Reader, windows: &[Vec<u32>]) -> f64 {
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

fn name(format: FormatChoice) -> &'static str {
    match format {
        FormatChoice::AsStored => "as stored",
        FormatChoice::Fixed(WeightFormat::F32) => "f32",
        FormatChoice::Fixed(WeightFormat::Q8) => "q8",
        FormatChoice::Fixed(WeightFormat::Q4) => "q4",
        FormatChoice::Fixed(WeightFormat::Q4_1) => "q4_1",
    }
}
