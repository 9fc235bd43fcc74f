//! `adapter`, `release-adapter`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::{Result, ensure};
use clap::Args;
use llavacode_core::config::{PromptConfig, WeightFormat};
use llavacode_train::{
    adapter::{self, AdapterOptions, Adapting, Shares, export},
    asking::{Asking, cost::table, task::Tasks},
    corpus::Split,
    gguf::GgufReader,
    model::Model,
    nn::adapter::Adapter,
    random::SplitMix64,
    release::{AdapterRelease, release_adapter},
};

use super::{open_samples, reader_files::Layout};

/// Arguments of `adapter`.
#[derive(Args)]
pub(super) struct AdapterArguments {
    /// GGUF file of the reader
    #[arg(long)]
    reader: PathBuf,
    /// The manifest that says how prompts are laid out for it
    #[arg(long, default_value = "public/models/smollm2-135m/bundle.json")]
    bundle: PathBuf,
    /// Rows of each of the thin matrices
    #[arg(long, default_value_t = 16)]
    rank: usize,
    /// What their product is multiplied by, times the rank
    #[arg(long, default_value_t = 32.0)]
    alpha: f64,
    /// Most tokens before the cursor while it learns; the manifest's in validation
    #[arg(long, default_value_t = 256)]
    prefix_tokens: usize,
    /// Most tokens of chunks' text while it learns; the manifest's in validation
    #[arg(long, default_value_t = 256)]
    context_tokens: usize,
    /// Steps of the whole run; a finished run goes on if it is given more
    #[arg(long)]
    steps: u64,
    /// Lines of a step
    #[arg(long, default_value_t = 12)]
    lines: usize,
    /// Share of them that need a name only a chunk has
    #[arg(long, default_value_t = 0.5)]
    needing: f64,
    /// How often lines have no context, beside the other lanes
    #[arg(long, default_value_t = 0.3)]
    base: f64,
    /// How often they have an excerpt
    #[arg(long, default_value_t = 0.4)]
    excerpt: f64,
    /// How often they have chunks' text
    #[arg(long, default_value_t = 0.3)]
    full_rag: f64,
    /// Weight of a token of the file's own text, where the line's have 1
    #[arg(long, default_value_t = 0.25)]
    text: f32,
    #[arg(long, default_value_t = 4e-4)]
    rate: f64,
    /// Share of the run over which the rate falls to nothing
    #[arg(long, default_value_t = 0.4)]
    decay: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 20)]
    checkpoint_every: u64,
    #[arg(long, default_value_t = 100)]
    validate_every: u64,
    /// Lines of each kind to validate on
    #[arg(long, default_value_t = 64)]
    validation: usize,
    /// Threads; as many as there are processors if left out
    #[arg(long)]
    threads: Option<usize>,
    /// Rows that a thread reads at once
    #[arg(long, default_value_t = 640)]
    micro_batch: usize,
    /// Compute in f32, where the processor has instructions for bf16
    #[arg(long)]
    exact: bool,
    /// Write the model with the adapter added too, as `merged/` in the run's folder
    #[arg(long)]
    merge: bool,
    /// Folder in the work folder
    #[arg(long, default_value = "adapter")]
    out: PathBuf,
}

/// Trains an adapter.
pub(super) fn run(work: &Path, arguments: AdapterArguments) -> Result<()> {
    ensure!(arguments.rank > 0, "--rank 0 adds nothing");
    let Layout { prompt, .. } = Layout::read(&arguments.bundle)?;
    let GgufReader { reader, tokenizer } = GgufReader::load(&arguments.reader)?;
    let mut model = Model::of_reader(&reader)?;
    let named = format!("{:?} {} {prompt:?}", reader.config(), fs::metadata(&arguments.reader)?.len());
    drop(reader);
    if !arguments.exact {
        model.decoder.freeze(&model.parameters);
    }
    let (shape, layout) = (&model.decoder.shape, &model.decoder.layout);
    let adapter = Adapter::new(shape, layout, arguments.rank, arguments.alpha / arguments.rank as f64);
    println!("{} parameters in the adapter", adapter.len);
    model.parameters.extend(adapter.init::<f32>(&mut SplitMix64::new(arguments.seed)));
    model.decoder.adapt(adapter);

    let threads = arguments.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let lay_out = |config: PromptConfig| Tasks::new(Arc::clone(&tokenizer), config);
    let (prefix_tokens, context_tokens) = (arguments.prefix_tokens, arguments.context_tokens);
    let tasks = lay_out(PromptConfig { prefix_tokens, context_tokens, ..prompt.clone() })?;
    let as_the_page = lay_out(prompt)?;
    let (samples, mark) = open_samples(work, Split::Train)?;
    let (validation, _) = open_samples(work, Split::Validation)?;
    let options = AdapterOptions {
        out: work.join(&arguments.out),
        samples: mark,
        reader: format!("{named} {prefix_tokens} {context_tokens}"),
        seed: arguments.seed,
        steps: arguments.steps,
        lines: arguments.lines,
        needing: arguments.needing,
        lanes: Shares { base: arguments.base, excerpt: arguments.excerpt, full_rag: arguments.full_rag },
        text: arguments.text,
        rate: arguments.rate,
        decay: arguments.decay,
        checkpoint_every: arguments.checkpoint_every,
        validate_every: arguments.validate_every,
    };
    let mut adapting = Adapting {
        asking: Asking::new(model, Arc::clone(&tokenizer), threads, arguments.micro_batch),
        tasks: &tasks,
        as_the_page: &as_the_page,
        held_out: vec![
            ("any", validation.first(arguments.validation)?),
            ("needing", validation.needing_context(arguments.validation)?),
        ],
    };
    adapter::train(&mut adapting, &samples, &options)?;
    export::save(adapting.asking.model(), &options.out)?;
    let merged = export::merged(adapting.asking.model())?;
    for (name, format) in [("4 bits and a minimum", WeightFormat::Q4_1), ("8 bits", WeightFormat::Q8)] {
        let mut rounded = merged.quantized(format, WeightFormat::Q8);
        if !arguments.exact {
            rounded.decoder.freeze(&rounded.parameters);
        }
        let mut asking = Asking::new(rounded, Arc::clone(&tokenizer), threads, arguments.micro_batch);
        let lanes = adapter::measure(&mut asking, &as_the_page, &adapting.held_out);
        println!("added, and rounded to {name}\n{}", table(&lanes));
    }
    if arguments.merge {
        merged.save(&options.out.join("merged"))?;
    }
    println!("The adapter is in {}.", options.out.display());
    Ok(())
}

/// Arguments of `release-adapter`.
#[derive(Args)]
pub(super) struct ReleaseArguments {
    /// Folder in the work folder where the adapter is
    #[arg(long, default_value = "adapter")]
    out: PathBuf,
    /// Folder of the bundle's manifest
    #[arg(long, default_value = "public/models/smollm2-135m")]
    bundle: PathBuf,
    /// Tokens after the cursor that prompts had as context while it learned
    #[arg(long, default_value_t = 96)]
    suffix_tokens: usize,
}

/// Puts the adapter into the bundle.
pub(super) fn release(work: &Path, arguments: &ReleaseArguments) -> Result<()> {
    let release = AdapterRelease {
        folder: work.join(&arguments.out),
        suffix_tokens: arguments.suffix_tokens,
        reader_linear: WeightFormat::Q8,
    };
    let manifest = release_adapter(&release, &arguments.bundle)?;
    println!(
        "{} has an adapter now; make its self-test, and measure it with the steps `lanes`, `worth`, `readers` \
         and `demo`.",
        manifest.name
    );
    Ok(())
}
