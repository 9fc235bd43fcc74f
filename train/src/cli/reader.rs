//! `reader`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use clap::Args;
use llavacode_core::config::ModelType;
use llavacode_train::{
    corpus::Split,
    model::{Model, pico_config},
    random::SplitMix64,
    reader::{self, Placements, ReaderOptions},
};

use super::{CHUNK_TOKENS, ChunkArguments, MICRO_BATCH, load_tokenizer, open_samples, tokenizer_path};

/// Arguments of `reader`.
#[derive(Args)]
pub(super) struct ReaderArguments {
    /// Steps of the whole run; a finished run goes on if it is given more
    #[arg(long)]
    steps: u64,
    /// Rows of a step
    #[arg(long, default_value_t = 12_288)]
    tokens: usize,
    #[arg(long, default_value_t = 192)]
    hidden: usize,
    #[arg(long, default_value_t = 5)]
    layers: usize,
    #[arg(long, default_value_t = 4e-3)]
    rate: f64,
    /// Share of the run over which the rate falls to nothing
    #[arg(long, default_value_t = 0.25)]
    decay: f64,
    /// Share of sequences with chunks
    #[arg(long, default_value_t = 0.65)]
    with_chunks: f64,
    /// Share of those whose target needs a name that only a chunk has
    #[arg(long, default_value_t = 0.3)]
    needing: f64,
    /// Share of those with renamed identifiers
    #[arg(long, default_value_t = 0.3)]
    renamed: f64,
    /// Share of those with the chunks after the suffix
    #[arg(long, default_value_t = 0.5)]
    after_suffix: f64,
    /// Share of those whose chunks stand as bags: vectors of their names' tokens
    #[arg(long, default_value_t = 0.4)]
    bags: f64,
    /// Share of these with renamed identifiers
    #[arg(long, default_value_t = 0.6)]
    renamed_bags: f64,
    /// Share of these that restate one of their chunks
    #[arg(long, default_value_t = 0.4)]
    restated: f64,
    #[command(flatten)]
    chunks: ChunkArguments,
    #[arg(long, default_value_t = 4.0)]
    completion_weight: f32,
    /// AdamW for everything
    #[arg(long)]
    adamw: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder with a reader to start from
    #[arg(long)]
    init: Option<PathBuf>,
    /// Key-value heads that the reader to start from is given; as many as it has if left out
    #[arg(long, requires = "init")]
    key_value_heads: Option<usize>,
    #[arg(long, default_value_t = 50)]
    checkpoint_every: u64,
    #[arg(long, default_value_t = 200)]
    validate_every: u64,
    /// Folder in the work folder
    #[arg(long, default_value = "reader")]
    out: PathBuf,
}

/// Trains the reader.
pub(super) fn train_reader(work: &Path, arguments: ReaderArguments) -> Result<()> {
    let tokenizer = load_tokenizer(&tokenizer_path(work))?;
    let placements = Placements::new(Arc::clone(&tokenizer), arguments.chunks.into())?;
    let (samples, mark) = open_samples(work, Split::Train)?;
    let (validation, _) = open_samples(work, Split::Validation)?;
    let config = pico_config(ModelType::Qwen2, tokenizer.vocab_size(), arguments.hidden, arguments.layers);
    let model = match &arguments.init {
        Some(folder) => {
            let model = Model::load(folder)?;
            let heads = arguments.key_value_heads.unwrap_or(model.decoder.shape.heads.key_value);
            model.with_key_value_heads(heads)?
        }
        None => Model::init(&config, &mut SplitMix64::new(arguments.seed))?,
    };
    println!("{} parameters", model.parameters.len());
    let options = ReaderOptions {
        out: work.join(arguments.out),
        samples: mark,
        seed: arguments.seed,
        steps: arguments.steps,
        tokens: arguments.tokens,
        micro_batch: MICRO_BATCH,
        rate: arguments.rate,
        warm_up: 50,
        decay: arguments.decay,
        muon: !arguments.adamw,
        completion_weight: arguments.completion_weight,
        with_chunks: arguments.with_chunks,
        needing: arguments.needing,
        renamed: arguments.renamed,
        after_suffix: arguments.after_suffix,
        bags: arguments.bags,
        renamed_bags: arguments.renamed_bags,
        restated: arguments.restated,
        chunk_tokens: CHUNK_TOKENS,
        checkpoint_every: arguments.checkpoint_every,
        validate_every: arguments.validate_every,
    };
    reader::train(model, &placements, &samples, &validation, &options)?;
    println!("The reader is in {}.", options.out.display());
    Ok(())
}
