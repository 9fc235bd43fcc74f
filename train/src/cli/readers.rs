//! `recent`, `readers`, `tables`, `lanes`, `worth`.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use llavacode_train::{
    corpus::{self, Corpus, Manifest, Split},
    readers::{self, Asking, BundleReader, Counts, ReadersReport, document, manifest, table, tasks},
    report,
    samples::{self, CutConfig},
};

use super::{open_samples, outcome::write_between, samples_path};

/// Bytes around a cursor: more than the budgets of any bundle here, and what a name is looked for in
/// that only a chunk is to have.
const PREFIX_BYTES: usize = 6000;
const SUFFIX_BYTES: usize = 1500;

/// Arguments of `recent`.
#[derive(Args)]
pub(super) struct RecentArguments {
    /// Names, versions, hashes and licences of the newer wheels
    #[arg(long, default_value = "train/recent.toml")]
    manifest: PathBuf,
    /// The corpus: files that repeat one of its are left out
    #[arg(long, default_value = "train/corpus.toml")]
    corpus: PathBuf,
    /// Where wheels are kept
    #[arg(long)]
    wheels: Option<PathBuf>,
    /// Lines cut; about one in fifteen needs a name only a chunk has
    #[arg(long, default_value_t = 12_000)]
    samples: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Arguments of `readers`.
#[derive(Args)]
pub(super) struct ReadersArguments {
    /// Folder of a bundle; may be given several times
    #[arg(long, required = true)]
    bundle: Vec<PathBuf>,
    /// Any lines, the cursor before the whole line
    #[arg(long, default_value_t = 500)]
    whole: usize,
    /// Any lines, the cursor inside the line
    #[arg(long, default_value_t = 500)]
    inside: usize,
    /// Lines that need a name only a chunk has
    #[arg(long, default_value_t = 500)]
    cross_file: usize,
    /// Lanes to measure, as the report calls them; base and full RAG, with and without token healing, if left
    /// out
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only write down what was measured so far
    #[arg(long)]
    report: bool,
    /// Where the scores are kept, in the work folder
    #[arg(long, default_value = "readers")]
    out: PathBuf,
    #[command(flatten)]
    documents: Documents,
}

/// Where it is said what the readers are worth; arguments of `tables`.
#[derive(Args)]
pub(super) struct Documents {
    /// Folder of `evaluation.json`, which holds the readers, of their plot, and of `measurements.md`, into
    /// which the table is written, between its marks `readers:begin` and `:end`
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
    /// Document into which the short table is written, between its marks `readers-short:begin` and `:end`
    #[arg(long, default_value = "README.md")]
    readme: PathBuf,
}

fn folder(work: &Path) -> PathBuf {
    work.join("recent")
}

pub(super) fn make_recent(work: &Path, arguments: RecentArguments) -> Result<()> {
    let known = Corpus::open(work, &Manifest::read(&arguments.corpus)?)?;
    let manifest = Manifest::read_held_out(&arguments.manifest)?;
    let (wheels, work) = (arguments.wheels.unwrap_or_else(|| work.join("wheels")), folder(work));
    corpus::fetch(&manifest, &wheels, |line| println!("{line}"))?;
    let report = corpus::build(&manifest, &wheels, &work, known.seen()?, |line| println!("{line}"))?;
    println!("{report}");

    let threads = thread::available_parallelism().map_or(1, usize::from);
    let config = CutConfig {
        threads,
        prefix_bytes: PREFIX_BYTES,
        suffix_bytes: SUFFIX_BYTES,
        ..CutConfig::new(arguments.samples, arguments.seed)
    };
    let found = samples::cut(
        &Corpus::open(&work, &manifest)?,
        Split::Test,
        &config,
        &samples_path(&work, Split::Test),
    )?;
    let (tasks, _) = open_samples(&work, Split::Test)?;
    println!(
        "{} samples, {} of them inside a line, {} that need a name only a chunk has",
        found.samples,
        found.inside,
        tasks.needing_context(usize::MAX)?.len()
    );
    Ok(())
}

pub(super) fn run_readers(work: &Path, arguments: ReadersArguments) -> Result<()> {
    let (samples, mark) = open_samples(&folder(work), Split::Test)
        .context("there are no tasks from newer packages: run the step `recent` first")?;
    let ReadersArguments { whole, inside, cross_file, .. } = arguments;
    let tasks = tasks::choose(&samples, Counts { whole, inside, cross_file })?;
    let mut readers = Vec::new();
    for folder in &arguments.bundle {
        let reader = BundleReader::load(folder)?;
        ensure!(
            readers.iter().all(|other: &BundleReader| other.name != reader.name),
            "two bundles are called {}: give one of them another name",
            reader.name
        );
        readers.push(reader);
    }
    let only = &arguments.only;
    for reader in &readers {
        are_known(only, reader)?;
    }
    let lanes = |reader: &BundleReader| match only.is_empty() {
        true => reader.lanes(),
        false => those_of(only, reader),
    };
    let measured = if arguments.report { &[] } else { &tasks[..] };
    let scores = work.join(&arguments.out).join("scores.jsonl");
    let tell = |line: &str| println!("{line}");
    // The samples' mark is long: its beginning tells them from others.
    let mut records = readers::measure(&mut readers, lanes, measured, &mark[..16], &scores, tell)?;
    records.retain(|record| is_wanted(only, &record.key.lane));
    let found = readers::summarise(&records, &tasks);
    ensure!(!found.is_empty(), "nothing was measured yet: run this without --report first");
    let documents = &arguments.documents;
    documents.write_tables(document::add(&documents.evaluation(), found)?)
}

/// Arguments of `lanes`.
#[derive(Args)]
pub(super) struct LanesArguments {
    /// Folder of the bundle
    #[arg(long)]
    bundle: PathBuf,
    /// Folder in the work folder of a run of the step `soft` for its reader, whose soft tokens are measured too;
    /// may be given several times
    #[arg(long)]
    soft: Vec<PathBuf>,
    /// Any lines, the cursor inside the line in half of them
    #[arg(long, default_value_t = 0)]
    any: usize,
    /// Lines that need a name only a chunk has
    #[arg(long, default_value_t = 100)]
    cross_file: usize,
    /// Lanes to measure, as the report calls them; all if left out. `base` and `full_rag` are what the
    /// others are compared with
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only write down what was measured so far
    #[arg(long)]
    report: bool,
    /// Where the scores are kept, in the work folder
    #[arg(long, default_value = "lanes")]
    out: PathBuf,
    /// The evaluation into which it is written, beside what that holds of readers; the plot stands beside it
    #[arg(long, default_value = "docs/evaluation.json")]
    json: PathBuf,
    /// Document into which the table is written, between its marks `lanes-<reader>:begin` and `:end`
    #[arg(long, default_value = "docs/measurements.md")]
    document: PathBuf,
}

/// Whether a lane is among those asked for; all are if none is named.
fn is_wanted(only: &[String], lane: &str) -> bool {
    only.is_empty() || only.iter().any(|only| only == lane)
}

fn those_of(only: &[String], reader: &BundleReader) -> Vec<Asking> {
    reader.every_lane().into_iter().filter(|lane| is_wanted(only, lane.name)).collect()
}

fn are_known(only: &[String], reader: &BundleReader) -> Result<()> {
    let known = reader.every_lane();
    let names: Vec<&str> = known.iter().map(|lane| lane.name).collect();
    for only in only {
        let name = &reader.name;
        ensure!(names.contains(&only.as_str()), "{name} has no lane {only}; it has {}", names.join(", "));
    }
    Ok(())
}

/// Tasks whose chunks' soft vectors the control is the mean of.
const MEAN_OF: usize = 40;

/// What each of a bundle's lanes gains and costs, with the controls of the soft tokens.
pub(super) fn run_lanes(work: &Path, arguments: LanesArguments) -> Result<()> {
    let (samples, mark) = open_samples(&folder(work), Split::Test)
        .context("there are no tasks from newer packages: run the step `recent` first")?;
    // Before hours of measuring: whether there is where to write.
    document::read(&arguments.json)?;
    let LanesArguments { any, cross_file, .. } = arguments;
    let tasks = tasks::choose(&samples, Counts { whole: any - any / 2, inside: any / 2, cross_file })?;
    let mut reader = [BundleReader::load(&arguments.bundle)?];
    for run in &arguments.soft {
        reader[0].add_soft(&work.join(run))?;
    }
    reader[0].learn_mean(tasks.iter().take(MEAN_OF).map(|task| &task.sample))?;
    let measured = if arguments.report { &[] } else { &tasks[..] };
    let scores = work.join(&arguments.out).join("scores.jsonl");
    let only = &arguments.only;
    are_known(only, &reader[0])?;
    let lanes = |reader: &BundleReader| those_of(only, reader);
    let tell = |line: &str| println!("{line}");
    let mut records = readers::measure(&mut reader, lanes, measured, &mark[..16], &scores, tell)?;
    // Tasks count that all lanes have done.
    records.retain(|record| is_wanted(only, &record.key.lane));
    let found = readers::summarise(&records, &tasks);
    ensure!(!found.is_empty(), "nothing was measured yet: run this without --report first");
    let all = document::add(&arguments.json, found)?;
    let name = &reader[0].name;
    let table = write_lanes(&all, name, &arguments.json, &arguments.document)?;
    println!("{table}");
    Ok(())
}

/// What the lanes keep, as a plot beside the evaluation, and their table in a document; gives the table.
fn write_lanes(all: &ReadersReport, reader: &str, json: &Path, document: &Path) -> Result<String> {
    let sets = all.get(reader).cloned().unwrap_or_default();
    let own = ReadersReport::from([(reader.to_owned(), sets)]);
    let marks = format!("lanes-{reader}");
    report::plot_kept(&own, &json.with_file_name(format!("{marks}.svg")))?;
    let table = table::of_lanes(&own);
    write_between(document, &marks, &table)?;
    Ok(table)
}

/// Arguments of `worth`.
#[derive(Args)]
pub(super) struct WorthArguments {
    /// Folder of a bundle's manifest; may be given several times
    #[arg(long, default_values = ["public/bundle", "public/models/smollm2-135m"])]
    bundle: Vec<PathBuf>,
    /// The evaluation that holds what the step `lanes` found
    #[arg(long, default_value = "docs/evaluation.json")]
    json: PathBuf,
}

/// Enters what the lanes are worth in their bundles' manifests.
pub(super) fn tell_worth(arguments: &WorthArguments) -> Result<()> {
    let found = document::read(&arguments.json)?;
    for bundle in &arguments.bundle {
        println!("{}: {}", bundle.display(), manifest::tell(&found, bundle)?.join(", "));
    }
    Ok(())
}

/// Writes plots and tables again, from what `evaluation.json` holds: of readers, and of each one's lanes.
pub(super) fn write_tables(documents: &Documents) -> Result<()> {
    let evaluation = documents.evaluation();
    let all = document::read(&evaluation)?;
    let measurements = documents.measurements();
    let text = fs::read_to_string(&measurements)
        .with_context(|| format!("{} cannot be read", measurements.display()))?;
    // A reader that only the step `readers` has measured has no table of its own.
    for reader in all.keys().filter(|reader| text.contains(&format!("<!-- lanes-{reader}:begin -->"))) {
        write_lanes(&all, reader, &evaluation, &measurements)?;
    }
    documents.write_tables(all)
}

impl Documents {
    fn evaluation(&self) -> PathBuf {
        self.docs.join("evaluation.json")
    }

    fn measurements(&self) -> PathBuf {
        self.docs.join("measurements.md")
    }

    fn write_tables(&self, all: ReadersReport) -> Result<()> {
        let all = table::plain_lanes(all);
        report::plot_readers(&all, &self.docs.join("readers.svg"))?;
        write_between(&self.readme, "readers-short", &table::short(&all))?;
        let table = table::markdown(&all);
        write_between(&self.measurements(), "readers", &table)?;
        println!("{table}");
        Ok(())
    }
}
