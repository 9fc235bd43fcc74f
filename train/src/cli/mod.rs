//! The command line: one subcommand a step, in the order they are run.

mod adapter;
mod budgets;
mod compressor;
mod data;
mod demo;
mod excerpt;
mod free;
mod outcome;
mod pair;
mod reader;
mod reader_files;
mod readers;
mod soft;

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread::available_parallelism,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use llavacode_core::{config::ContextPlacement, kernel::threads, tokenize::Tokenizer, weights::sha256_hex};
use llavacode_train::{
    corpus::Split,
    prompts::{ChunkLayout, pico_prompt},
    samples::SampleFile,
    tokenizer,
};

use self::{
    compressor::{CompressorArguments, Kind, train_compressor},
    data::{make_corpus, make_samples, make_tokenizer},
    outcome::{make_release, run_bench, run_capacity, run_evaluation, run_frozen_bench},
    reader::{ReaderArguments, train_reader},
    readers::{
        Documents, LanesArguments, ReadersArguments, RecentArguments, WorthArguments, make_recent, run_lanes,
        run_readers, tell_worth, write_tables,
    },
};

/// Rows of a micro-batch: about what a processor's second-level cache and its share of the third
/// hold of a pico layer.
const MICRO_BATCH: usize = 1024;
/// Most tokens of a chunk that pico's encoder reads.
const CHUNK_TOKENS: usize = 96;

/// How chunks stand in a prompt.
#[derive(Clone, Copy, Args)]
struct ChunkArguments {
    /// Most chunks of a prompt
    #[arg(long, default_value_t = 8)]
    top_k: usize,
    /// Soft tokens of a chunk: eight are one for every line or two
    #[arg(long, default_value_t = NonZeroUsize::new(8).unwrap())]
    soft_tokens: NonZeroUsize,
}

impl From<ChunkArguments> for ChunkLayout {
    fn from(ChunkArguments { top_k, soft_tokens }: ChunkArguments) -> Self {
        Self { top_k, soft_tokens }
    }
}

/// Makes the models the page runs.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    /// Where everything is kept between the steps
    #[arg(long, global = true, default_value = "target/train")]
    work: PathBuf,
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Fetch the pinned wheels, filter their files and split them by package
    Corpus {
        /// Names, versions, hashes and licences of the wheels
        #[arg(long, default_value = "train/corpus.toml")]
        manifest: PathBuf,
        /// Where wheels are kept
        #[arg(long)]
        wheels: Option<PathBuf>,
    },
    /// Learn the vocabulary
    Tokenizer {
        #[arg(long, default_value_t = tokenizer::VOCABULARY)]
        vocabulary: usize,
        #[arg(long, default_value = "train/corpus.toml")]
        manifest: PathBuf,
    },
    /// Cut line-completion samples with their retrieved chunks
    Samples {
        #[arg(long, default_value_t = 150_000)]
        train: usize,
        #[arg(long, default_value_t = 2_000)]
        validation: usize,
        #[arg(long, default_value_t = 16_000)]
        test: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, default_value = "train/corpus.toml")]
        manifest: PathBuf,
    },
    /// Learn by which weights the lines of an excerpt are chosen
    Excerpt(excerpt::ExcerptArguments),
    /// Train the reader
    Reader(ReaderArguments),
    /// Train the encoder, and a first projector with it
    Encoder(CompressorArguments),
    /// Train the projector with the paper's loss, encoder and reader frozen
    Projector(CompressorArguments),
    /// Train xRAG's projector by its own recipe
    Xrag(CompressorArguments),
    /// Train a projector whose soft tokens a GGUF file's reader uses as it is
    Soft(soft::SoftArguments),
    /// Say what a GGUF file's reader can be told of chunks by vectors that are found for each by descent
    FreeVectors(free::FreeArguments),
    /// Train LoRA for a GGUF file's reader, for the page's prompts
    Adapter(adapter::AdapterArguments),
    /// Put the adapter into the reader's bundle
    ReleaseAdapter(adapter::ReleaseArguments),
    /// Measure every lane on held-out packages
    Evaluate(outcome::EvaluateArguments),
    /// Fetch packages newer than every reader and cut tasks from them
    Recent(RecentArguments),
    /// Measure any bundles' readers on these tasks: base and full RAG
    Readers(ReadersArguments),
    /// Write the tables and plots of readers and lanes again, from what `evaluation.json` holds
    Tables(Documents),
    /// Measure every lane of one bundle on these tasks, and the controls of its soft tokens
    Lanes(LanesArguments),
    /// Tell in bundles' manifests what the step `lanes` found, for the page to show
    Worth(WorthArguments),
    /// Say what validation lines cost a GGUF file's reader by its context: text and excerpts of few tokens
    Budgets(budgets::BudgetsArguments),
    /// Choose where the demo opens, and below which confidence a suggestion is held back
    Demo(demo::DemoArguments),
    /// Say what the reader could gain from its chunks' vectors, if it read them as well as can be
    Capacity {
        /// Tasks of each kind
        #[arg(long, default_value_t = 500)]
        tasks: usize,
    },
    /// Write the bundle
    Release {
        #[arg(long, default_value = "public/bundle")]
        bundle: PathBuf,
        /// Version of the bundle
        #[arg(long)]
        bundle_version: String,
        /// One sentence for a person
        #[arg(long)]
        description: String,
        #[arg(long, value_enum, default_value_t = Placement::AfterSuffix)]
        placement: Placement,
        #[command(flatten)]
        chunks: ChunkArguments,
        /// Folder of the table and plot
        #[arg(long, default_value = "docs")]
        docs: PathBuf,
        /// Document into which the table is written, between its marks `evaluation:begin` and `:end`
        #[arg(long, default_value = "docs/measurements.md")]
        document: PathBuf,
    },
    /// Enter what the step `soft` trained in its reader's bundle
    ReleaseSoft(soft::ReleaseArguments),
    /// Measure how fast the reader trains, against the machine's matrix products and burn's autodiff
    Bench {
        /// Length of the sequences
        #[arg(long, default_value_t = 512)]
        len: usize,
        /// GGUF file of a reader: measure the gradients of soft vectors through it, frozen
        #[arg(long)]
        reader: Option<PathBuf>,
    },
    /// Train a projector for another pair of reader and encoder, through burn
    Pair(pair::PairArguments),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Placement {
    BeforePrefix,
    AfterSuffix,
}

impl From<Placement> for ContextPlacement {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::BeforePrefix => Self::BeforePrefix,
            Placement::AfterSuffix => Self::AfterSuffix,
        }
    }
}

impl Arguments {
    /// Runs the step.
    pub(crate) fn run(self) -> Result<()> {
        let work = self.work.as_path();
        // The page's kernels on every core, where a step asks a reader as the page does.
        let others = available_parallelism().map_or(0, |threads| threads.get() - 1);
        threads::engage(threads::spawn(others));
        match self.step {
            Step::Corpus { manifest, wheels } => make_corpus(work, &manifest, wheels),
            Step::Tokenizer { vocabulary, manifest } => make_tokenizer(work, &manifest, vocabulary),
            Step::Samples { train, validation, test, seed, manifest } => {
                let counts = [(Split::Train, train), (Split::Validation, validation), (Split::Test, test)];
                make_samples(work, &manifest, counts, seed)
            }
            Step::Excerpt(arguments) => excerpt::run_excerpt(work, arguments),
            Step::Reader(arguments) => train_reader(work, arguments),
            Step::Encoder(arguments) => train_compressor(work, arguments, Kind::Encoder),
            Step::Projector(arguments) => train_compressor(work, arguments, Kind::Projector),
            Step::Xrag(arguments) => train_compressor(work, arguments, Kind::Xrag),
            Step::Soft(arguments) => soft::train_soft(work, arguments),
            Step::FreeVectors(arguments) => free::run_free(work, &arguments),
            Step::Adapter(arguments) => adapter::run(work, arguments),
            Step::ReleaseAdapter(arguments) => adapter::release(work, &arguments),
            Step::ReleaseSoft(arguments) => soft::release(work, &arguments),
            Step::Evaluate(arguments) => run_evaluation(work, arguments),
            Step::Recent(arguments) => make_recent(work, arguments),
            Step::Readers(arguments) => run_readers(work, arguments),
            Step::Tables(documents) => write_tables(&documents),
            Step::Lanes(arguments) => run_lanes(work, arguments),
            Step::Worth(arguments) => tell_worth(&arguments),
            Step::Budgets(arguments) => budgets::run_budgets(work, arguments),
            Step::Demo(arguments) => demo::run_demo(work, arguments),
            Step::Capacity { tasks } => run_capacity(work, tasks),
            Step::Release { bundle, bundle_version, description, placement, chunks, docs, document } => {
                let layout = pico_prompt(placement.into(), chunks.into());
                make_release(work, bundle, bundle_version, description, layout, &docs, &document)
            }
            Step::Bench { len, reader: None } => run_bench(len),
            Step::Bench { len, reader: Some(reader) } => run_frozen_bench(&reader, len),
            Step::Pair(arguments) => pair::run(work, arguments),
        }
    }
}

fn tokenizer_path(work: &Path) -> PathBuf {
    work.join("tokenizer.json")
}

fn samples_path(work: &Path, split: Split) -> PathBuf {
    work.join(format!("samples/{split}.jsonl"))
}

fn load_tokenizer(path: &Path) -> Result<Arc<Tokenizer>> {
    let json = fs::read(path)
        .with_context(|| format!("{} cannot be read: run the step `tokenizer` first", path.display()))?;
    Ok(Arc::new(Tokenizer::from_json(&path.to_string_lossy(), &json)?))
}

/// A split's samples and what names them.
fn open_samples(work: &Path, split: Split) -> Result<(SampleFile, String)> {
    let path = samples_path(work, split);
    let samples = SampleFile::open(&path)?;
    let length = fs::metadata(&path)?.len();
    // The whole file is several hundred megabytes; its first sample and its length name it.
    let first = serde_json::to_vec(&samples.get(0)?)?;
    Ok((samples, format!("{}-{length}", sha256_hex(&first))))
}
