//! `soft`.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::{Result, ensure};
use clap::Args;
use llavacode_core::{
    config::{EncoderInput, PromptConfig},
    engine::Lane,
    model::projector::ProjectorConfig,
    weights::sha256_hex,
};
use llavacode_train::{
    asking::{Asking, Terms, task::Tasks},
    corpus::Split,
    gguf::GgufReader,
    model::Model,
    nn::adapter::Adapter,
    projector::TrainedProjector,
    random::SplitMix64,
    release::release_soft,
    soft::{
        self, Learning, SoftOptions, ValidationSet,
        features::{ChunkReader, MOST_TOKENS},
        form::SoftForm,
        teacher::{Kept, Teacher},
    },
};

use super::{open_samples, reader_files::ReaderFiles};

/// Arguments of `soft`.
#[derive(Args)]
pub(super) struct SoftArguments {
    #[command(flatten)]
    files: ReaderFiles,
    /// Soft tokens of a chunk
    #[arg(long, default_value_t = NonZeroUsize::new(4).unwrap())]
    soft_tokens: NonZeroUsize,
    /// Depths at which hidden states are pooled, 0 being the input vectors; the deepest is how many of
    /// the reader's layers the encoder has
    #[arg(long, value_delimiter = ',', default_value = "0,4")]
    layers: Vec<usize>,
    /// Most tokens before the cursor while it learns; the manifest's in validation
    #[arg(long, default_value_t = 192)]
    prefix_tokens: usize,
    /// Steps of the whole run; a finished run goes on if it is given more
    #[arg(long)]
    steps: u64,
    /// Lines of a step
    #[arg(long, default_value_t = 6)]
    lines: usize,
    /// Share of them that need a name only a chunk has
    #[arg(long, default_value_t = 0.7)]
    needing: f64,
    /// Chunks of a step that are told on from their first line, of the lines' own
    #[arg(long, default_value_t = 4)]
    restated: usize,
    /// Weight of these beside the lines'
    #[arg(long, default_value_t = 1.0)]
    restating: f64,
    /// Weight of KL from the reader with the chunks as text, for lines
    #[arg(long, default_value_t = 0.0)]
    kl: f32,
    /// Weight of the distance from its hidden states before the head, for lines
    #[arg(long, default_value_t = 0.0)]
    hidden: f32,
    /// Weigh lines by how much text helps them
    #[arg(long)]
    by_gain: bool,
    /// Rows of the thin matrices of an adapter that learns along; the reader stays as it is without them
    #[arg(long, default_value_t = 0)]
    rank: usize,
    /// What their product is multiplied by, times the rank
    #[arg(long, default_value_t = 32.0)]
    alpha: f64,
    #[arg(long, default_value_t = 2e-4)]
    rate: f64,
    /// Share of the run over which the rate falls to nothing
    #[arg(long, default_value_t = 0.3)]
    decay: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 50)]
    checkpoint_every: u64,
    #[arg(long, default_value_t = 100)]
    validate_every: u64,
    /// Lines of each kind to validate on
    #[arg(long, default_value_t = 64)]
    validation: usize,
    /// Begin with fresh weights, not by passing the parts' mean input vectors on
    #[arg(long)]
    fresh: bool,
    /// Threads; as many as there are processors if left out
    #[arg(long)]
    threads: Option<usize>,
    /// Rows that a thread reads at once
    #[arg(long, default_value_t = 640)]
    micro_batch: usize,
    /// Compute in f32, where the processor has instructions for bf16
    #[arg(long)]
    exact: bool,
    /// File in the work folder that keeps what the reader says with text: runs may share it
    #[arg(long, default_value = "soft-teacher.bin")]
    teacher: PathBuf,
    /// Folder in the work folder
    #[arg(long, default_value = "soft")]
    out: PathBuf,
}

/// Arguments of `release-soft`.
#[derive(Args)]
pub(super) struct ReleaseArguments {
    /// Folder in the work folder where the projector is
    #[arg(long, default_value = "soft")]
    out: PathBuf,
    /// Folder of the bundle's manifest
    #[arg(long, default_value = "public/models/smollm2-135m")]
    bundle: PathBuf,
}

/// Puts the projector into the bundle.
pub(super) fn release(work: &Path, arguments: &ReleaseArguments) -> Result<()> {
    let manifest = release_soft(&work.join(&arguments.out), &arguments.bundle)?;
    println!("{} has soft tokens now; measure them with the step `lanes`.", manifest.name);
    Ok(())
}

/// What parts of chunks are read behind.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";

/// Numbers of chunks' features that are kept in memory: 2 GB.
pub(super) const FEATURE_ROOM: usize = 500_000_000;

/// Trains the projector.
pub(super) fn train_soft(work: &Path, arguments: SoftArguments) -> Result<()> {
    let (reader, prompt) = arguments.files.load()?;
    let named = arguments.files.mark(&reader)?;
    let GgufReader { reader, tokenizer } = reader;
    let mut model = Model::of_reader(&reader)?;
    drop(reader);
    if !arguments.exact {
        model.decoder.freeze(&model.parameters);
    }
    let deepest = arguments.layers.iter().copied().max().unwrap_or(0);
    ensure!(
        !arguments.layers.is_empty() && deepest <= model.decoder.shape.layers,
        "--layers asks for layer {deepest}; the reader has {}",
        model.decoder.shape.layers
    );

    let threads = arguments.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let soft = PromptConfig { soft_tokens: arguments.soft_tokens, ..prompt.clone() };
    let lay_out = |config: PromptConfig| Tasks::new(Arc::clone(&tokenizer), config);
    let tasks = lay_out(PromptConfig { prefix_tokens: arguments.prefix_tokens, ..soft.clone() })?;
    let text = |tokens| lay_out(PromptConfig { context_tokens: tokens, ..prompt.clone() });
    let mut fixed = vec![
        ("none".to_owned(), Lane::Base, lay_out(prompt.clone())?),
        ("text_512".to_owned(), Lane::FullRag, text(512)?),
        ("text_128".to_owned(), Lane::FullRag, text(128)?),
    ];
    if prompt.excerpt_tokens > 0 {
        fixed.push(("excerpt".to_owned(), Lane::Excerpt, lay_out(prompt.clone())?));
    }
    let terms = Terms { kl: arguments.kl, hidden: arguments.hidden };
    let with_teacher = arguments.by_gain || terms != Terms::default();
    ensure!(
        !with_teacher || arguments.rank == 0,
        "a reader that learns along (--rank) is no teacher: leave out --kl, --hidden and --by-gain"
    );
    let teacher = match with_teacher {
        true => Some(Teacher {
            text: lay_out(PromptConfig { prefix_tokens: arguments.prefix_tokens, ..prompt.clone() })?,
            mark: format!("{named} {} {prompt:?}", arguments.prefix_tokens),
            kept: Kept::open(&work.join(&arguments.teacher))?,
        }),
        false => None,
    };
    let (samples, mark) = open_samples(work, Split::Train)?;
    let (held_out, held_out_mark) = open_samples(work, Split::Validation)?;
    let lanes: Vec<&str> = fixed.iter().map(|(name, ..)| name.as_str()).collect();
    let held_out_mark = format!("{named} {held_out_mark} {prompt:?} {} {lanes:?}", arguments.validation);
    let name = sha256_hex(held_out_mark.as_bytes());
    let kept = work.join(format!("soft-validation/{}.json", &name[..12]));
    let validation =
        ValidationSet::new(&held_out, arguments.validation, lay_out(soft)?, fixed, (&kept, &held_out_mark))?;

    let end = tokenizer.special(END_OF_TEXT)?;
    let chunks = ChunkReader::new(
        &model,
        arguments.layers.clone(),
        arguments.soft_tokens.get(),
        (Arc::clone(&tokenizer), end),
        (threads, arguments.micro_batch),
        FEATURE_ROOM,
    );
    // The encoder stays as it is.
    if arguments.rank > 0 {
        let scale = arguments.alpha / arguments.rank as f64;
        let adapter = Adapter::new(&model.decoder.shape, &model.decoder.layout, arguments.rank, scale);
        model.parameters.extend(adapter.init::<f32>(&mut SplitMix64::new(arguments.seed)));
        model.decoder.adapt(adapter);
    }
    let asking = Asking::new(model, Arc::clone(&tokenizer), threads, arguments.micro_batch);
    let form = ProjectorConfig::three_layer(chunks.width(), asking.hidden());
    let mut random = SplitMix64::new(arguments.seed);
    let projector = TrainedProjector::init(form, 1.0, &mut random);
    println!("{} parameters in the projector", projector.parameters.len());
    let encoder = EncoderInput {
        max_tokens: MOST_TOKENS,
        append: String::new(),
        prepend: END_OF_TEXT.into(),
        reader_layers: arguments.layers.clone(),
    };
    let options = SoftOptions {
        out: work.join(&arguments.out),
        samples: mark,
        reader: named,
        form: SoftForm { soft_tokens: arguments.soft_tokens, encoder },
        seed: arguments.seed,
        steps: arguments.steps,
        lines: arguments.lines,
        needing: arguments.needing,
        restated: arguments.restated,
        restating: arguments.restating,
        terms,
        by_gain: arguments.by_gain,
        pass_on: !arguments.fresh && arguments.layers.first() == Some(&0),
        rate: arguments.rate,
        decay: arguments.decay,
        checkpoint_every: arguments.checkpoint_every,
        validate_every: arguments.validate_every,
    };
    let mut learning = Learning { asking, chunks, projector, tasks: &tasks, teacher, validation };
    soft::train(&mut learning, &samples, &options)?;
    println!("The projector is in {}.", options.out.display());
    Ok(())
}
