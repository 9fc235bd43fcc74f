//! `free-vectors`.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::{Result, ensure};
use clap::Args;
use llavacode_core::{config::PromptConfig, engine::Lane, model::projector::ProjectorConfig};
use llavacode_train::{
    asking::{Asking, task::Tasks},
    corpus::Split,
    gguf::GgufReader,
    model::Model,
    projector::TrainedProjector,
    samples::Sample,
    soft::{
        features::ChunkReader,
        form::{PROJECTOR, SoftForm},
        free::{FreeOptions, Told, find, mean_input_vectors, moved_on, told, with_the_needed_chunk},
    },
};

use super::{
    open_samples,
    outcome::write_between,
    reader_files::ReaderFiles,
    soft::{END_OF_TEXT, FEATURE_ROOM},
};

/// Arguments of `free-vectors`.
#[derive(Args)]
pub(super) struct FreeArguments {
    #[command(flatten)]
    files: ReaderFiles,
    /// Validation lines that need a name only a chunk has, each with the best such chunk alone
    #[arg(long, default_value_t = 32)]
    lines: usize,
    /// Vectors of a chunk, one run for each number
    #[arg(long, value_delimiter = ',', default_value = "8")]
    soft_tokens: Vec<NonZeroUsize>,
    /// Steps of descent; a finished run goes on if it is given more
    #[arg(long, default_value_t = 150)]
    steps: u64,
    /// Learning rate at first, in sizes of a token's input vector; it halves every 50 steps
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folders, in the work folder, of runs of the step `soft`: their vectors of the same chunks
    #[arg(long)]
    soft: Vec<PathBuf>,
    /// Rows that a thread reads at once
    #[arg(long, default_value_t = 640)]
    micro_batch: usize,
    /// Document into which the table is written, between its marks `free-vectors:begin` and `:end`
    #[arg(long)]
    document: Option<PathBuf>,
    /// Folder in the work folder
    #[arg(long, default_value = "free-vectors")]
    out: PathBuf,
}

/// Finds vectors, and says what lines and chunks cost with them and without.
pub(super) fn run_free(work: &Path, arguments: &FreeArguments) -> Result<()> {
    let (reader, prompt) = arguments.files.load()?;
    let named = arguments.files.mark(&reader)?;
    let GgufReader { reader, tokenizer } = reader;
    let mut model = Model::of_reader(&reader)?;
    drop(reader);
    model.decoder.freeze(&model.parameters);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (samples, samples_mark) = open_samples(work, Split::Validation)?;
    let samples: Vec<Sample> =
        samples.needing_context(arguments.lines)?.iter().filter_map(with_the_needed_chunk).collect();
    ensure!(!samples.is_empty(), "no validation line needs a chunk: cut samples from a larger corpus");
    let lay_out =
        |soft_tokens| Tasks::new(Arc::clone(&tokenizer), PromptConfig { soft_tokens, ..prompt.clone() });

    let mut of_runs = Vec::new();
    for run in &arguments.soft {
        let run = work.join(run);
        let SoftForm { soft_tokens, encoder } = SoftForm::read(&run)?;
        let end = tokenizer.special(END_OF_TEXT)?;
        let mut chunks = ChunkReader::new(
            &model,
            encoder.reader_layers,
            soft_tokens.get(),
            (Arc::clone(&tokenizer), end),
            (threads, arguments.micro_batch),
            FEATURE_ROOM,
        );
        let widths = ProjectorConfig::three_layer(chunks.width(), model.decoder.shape.hidden);
        let projector = TrainedProjector::load(&run.join(PROJECTOR), widths)?;
        let texts: Vec<String> = samples.iter().map(|sample| sample.chunks[0].text.clone()).collect();
        of_runs.push((soft_tokens, projector.project(chunks.features(&texts))));
    }

    let mut asking = Asking::new(model, Arc::clone(&tokenizer), threads, arguments.micro_batch);
    let mut rows = Rows::new(samples.len());
    let plain = lay_out(NonZeroUsize::MIN)?;
    rows.add("none", told(&mut asking, (&plain, Lane::Base), &samples, (&[], arguments.seed)));
    rows.add("the chunk's text", told(&mut asking, (&plain, Lane::FullRag), &samples, (&[], arguments.seed)));
    for (soft_tokens, vectors) in of_runs {
        let tasks = lay_out(soft_tokens)?;
        let found = told(&mut asking, (&tasks, Lane::Compressed), &samples, (&vectors, arguments.seed));
        rows.add(&format!("{soft_tokens} of the trained projector"), found);
    }
    for &count in &arguments.soft_tokens {
        let tasks = lay_out(count)?;
        let start = mean_input_vectors(&asking, &tokenizer, &samples, count.get());
        let mut say = |asking: &mut Asking, name: &str, vectors: &[f32]| {
            let found = told(asking, (&tasks, Lane::Compressed), &samples, (vectors, arguments.seed));
            rows.add(&format!("{count} {name}"), found);
        };
        say(&mut asking, "mean input vectors", &start);
        let options = FreeOptions {
            mark: format!("{named} {samples_mark} {:?}", prompt),
            steps: arguments.steps,
            rate: arguments.rate,
            seed: arguments.seed,
        };
        let out = work.join(&arguments.out).join(count.to_string());
        let found = find(&mut asking, &tasks, &samples, start, (&options, &out))?;
        say(&mut asking, "found by descent", &found);
        say(&mut asking, "of those, found for another line's chunk", &moved_on(&found, samples.len()));
    }
    match &arguments.document {
        Some(document) => write_between(document, "free-vectors", &rows.table),
        None => Ok(()),
    }
}

/// The table, row by row, and on the terminal as it grows.
struct Rows {
    table: String,
    /// Positions without a chunk.
    base: Option<f64>,
}

impl Rows {
    fn new(lines: usize) -> Self {
        let table = format!(
            "| vectors of the chunk | positions more | the line ({lines}), nats a character | the chunk, nats a token |\n|---|--:|--:|--:|\n"
        );
        print!("{table}");
        Self { table, base: None }
    }

    fn add(&mut self, name: &str, Told { line, chunk }: Told) {
        let more = line.positions - *self.base.get_or_insert(line.positions);
        let row = format!("| {name} | {more:.0} | {:.3} | {:.3} |\n", line.per_character, chunk.per_token);
        print!("{row}");
        self.table.push_str(&row);
    }
}
