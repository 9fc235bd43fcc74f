//! `evaluate`, `release`, `bench`.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use clap::Args;
use llavacode_core::{
    bundle::{PROJECTOR, XRAG_PROJECTOR},
    config::{ContextPlacement, ModelType, PromptConfig, WeightFormat},
};
use llavacode_train::{
    bench,
    capacity::{Capacity, Gain, Knowledge, capacity},
    checkpoint::write_whole,
    corpus::{Corpus, Manifest, Split},
    embed::{ChunkEncoder, EncoderInput, TrainedEncoder},
    evaluate::{self, Evaluation, Report, TaskCounts},
    frozen::EngineReader,
    gguf::GgufReader,
    model::{Model, pico_config},
    projector::TrainedProjector,
    prompts::ChunkLayout,
    reader::Placements,
    readers::{ReadersReport, document},
    release, report, tokenizer,
};

use super::{
    CHUNK_TOKENS, ChunkArguments, MICRO_BATCH, Placement, load_tokenizer, open_samples, pair, tokenizer_path,
};

/// Arguments of `evaluate`.
#[derive(Args)]
pub(super) struct EvaluateArguments {
    /// Lines, any of the held-out packages'
    #[arg(long, default_value_t = 1_500)]
    tasks: usize,
    /// Lines that need a name only a chunk has, a table of their own
    #[arg(long, default_value_t = 1_000)]
    needing_context: usize,
    /// Lines of the validation packages, to choose by; what is released is measured on the test
    /// packages
    #[arg(long)]
    validation: bool,
    /// A bundle, whose models are evaluated instead of those in the work folder
    #[arg(long, conflicts_with_all = ["encoder", "projector"])]
    bundle: Option<PathBuf>,
    /// Folder of the encoder to evaluate, in the work folder
    #[arg(long, default_value = "encoder")]
    encoder: PathBuf,
    /// Folder of `projector.safetensors` to evaluate, in the work folder
    #[arg(long, default_value = "projector")]
    projector: PathBuf,
    /// Folder of a further projector, which becomes a lane of that name
    #[arg(long)]
    ablation: Vec<PathBuf>,
    /// Where the chunks stand; both placements if it is left out
    #[arg(long, value_enum)]
    placement: Option<Placement>,
    #[command(flatten)]
    chunks: ChunkArguments,
    /// Tasks on which other rankers are compared; 0 for none
    #[arg(long, default_value_t = 0)]
    retrieval_tasks: usize,
    #[arg(long, default_value = "train/corpus.toml")]
    manifest: PathBuf,
    /// Where the JSON, the table and the plot go, in the work folder
    #[arg(long, default_value = "evaluation")]
    out: PathBuf,
}

/// Where the models to evaluate are.
struct Models {
    tokenizer: PathBuf,
    /// Folder of config and weights.
    reader: PathBuf,
    /// Folder of config and weights.
    encoder: PathBuf,
    projector: PathBuf,
    xrag: PathBuf,
}

impl Models {
    fn of_bundle(bundle: &Path) -> Self {
        Self {
            tokenizer: bundle.join("reader/tokenizer.json"),
            reader: bundle.join("reader"),
            encoder: bundle.join("encoder"),
            projector: bundle.join(PROJECTOR),
            xrag: bundle.join(XRAG_PROJECTOR),
        }
    }

    /// As the steps before `evaluate` left them.
    fn of_steps(work: &Path, encoder: &Path, projector: &Path) -> Self {
        Self {
            tokenizer: tokenizer_path(work),
            reader: work.join("reader"),
            encoder: work.join(encoder),
            projector: work.join(projector).join(PROJECTOR),
            xrag: work.join("xrag").join(PROJECTOR),
        }
    }
}

pub(super) fn run_evaluation(work: &Path, arguments: EvaluateArguments) -> Result<()> {
    let EvaluateArguments { tasks, needing_context, ablation, placement, .. } = arguments;
    let models = match &arguments.bundle {
        Some(bundle) => Models::of_bundle(bundle),
        None => Models::of_steps(work, &arguments.encoder, &arguments.projector),
    };
    let tokenizer = load_tokenizer(&models.tokenizer)?;
    let reader = Model::load(&models.reader)?;
    let mut encoder = TrainedEncoder::new(Model::load(&models.encoder)?, MICRO_BATCH);
    let load = |path: &Path| -> Result<Option<TrainedProjector>> {
        path.exists().then(|| pair::load_projector(path)).transpose()
    };
    let (paper, xrag) = (load(&models.projector)?, load(&models.xrag)?);
    let mut ablations = Vec::new();
    for folder in ablation {
        let found = load(&work.join(&folder).join(PROJECTOR))?
            .with_context(|| format!("{} holds no projector", folder.display()))?;
        ablations.push((folder.to_string_lossy().into_owned(), found));
    }
    let both = [ContextPlacement::BeforePrefix, ContextPlacement::AfterSuffix];
    let measured = placement.map_or(both.to_vec(), |placement| vec![placement.into()]);
    let placements = Placements::new(Arc::clone(&tokenizer), arguments.chunks.into())?;
    let split = if arguments.validation { Split::Validation } else { Split::Test };
    let (samples, mark) = open_samples(work, split)?;
    let end = Some(tokenizer.special("<|endoftext|>")?);
    let mut engine = EngineReader::new(reader, MICRO_BATCH);
    let mut parts = Evaluation {
        reader: &mut engine,
        encoder: &mut encoder as &mut dyn ChunkEncoder,
        projector: paper.as_ref(),
        xrag: xrag.as_ref(),
        ablations: &ablations,
        placements: &placements,
        measured: &measured,
        input: EncoderInput { tokenizer: &tokenizer, max_tokens: CHUNK_TOKENS, end },
        formats: (WeightFormat::Q4, WeightFormat::Q8),
    };
    let counts = TaskCounts { lines: tasks, needing_context };
    let mut found = evaluate::evaluate(&mut parts, &samples, counts, (split, &mark))?;
    let retrieval_tasks = arguments.retrieval_tasks;
    if retrieval_tasks > 0 {
        let packages = Corpus::open(work, &Manifest::read(&arguments.manifest)?)?.packages(split)?;
        evaluate::ablate_retrieval(&mut parts, &packages, &samples, retrieval_tasks, &mut found)?;
    }
    let out = work.join(arguments.out);
    fs::create_dir_all(&out)?;
    write_whole(&out.join("evaluation.json"), &serde_json::to_vec_pretty(&found)?)?;
    let table = report::markdown(&found);
    write_whole(&out.join("evaluation.md"), table.as_bytes())?;
    report::plot(&found, &out.join("evaluation.svg"))?;
    println!("{table}");
    Ok(())
}

/// Says what vectors of chunks could tell the reader.
pub(super) fn run_capacity(work: &Path, count: usize) -> Result<()> {
    let tokenizer = load_tokenizer(&tokenizer_path(work))?;
    let mut reader = EngineReader::new(Model::load(&work.join("reader"))?, MICRO_BATCH);
    let prompts =
        Placements::new(tokenizer, ChunkLayout { top_k: 10, soft_tokens: NonZeroUsize::MIN })?.before;
    let (samples, _) = open_samples(work, Split::Test)?;
    let (lines, needing) = (samples.first(count)?, samples.needing_context(count)?);
    let hidden = reader.model.decoder.shape.hidden;
    let known = [1, 2, 4, 8].map(|times| Knowledge::Superposition(times * hidden));
    let known = [Knowledge::Exact].into_iter().chain(known);
    let cases: Vec<_> = known.flat_map(|known| [(known, 10), (known, 3)]).collect();
    for (name, tasks) in [("any lines", lines), ("lines that need a name only a chunk has", needing)] {
        let found = capacity(&mut reader, &prompts, &tasks, &cases, CHUNK_TOKENS)?;
        let Capacity { base, full_rag, gains } = found;
        println!("\n{} {name}: base {base:.3} nats, full RAG {:.3} less\n", tasks.len(), base - full_rag);
        println!("| chunks | their tokens are known | nats less than base | raised by |\n|--:|---|--:|--:|");
        for Gain { knowledge, chunks, nats, raise } in gains {
            let known = match knowledge {
                Knowledge::Exact => "exactly".into(),
                Knowledge::Superposition(width) => format!("through {width} numbers"),
            };
            println!("| {chunks} | {known} | {nats:.4} | {raise} |");
        }
    }
    Ok(())
}

pub(super) fn make_release(
    work: &Path,
    bundle: PathBuf,
    version: String,
    description: String,
    prompt: PromptConfig,
    docs: &Path,
    document: &Path,
) -> Result<()> {
    let evaluation = work.join("evaluation");
    let json = fs::read_to_string(evaluation.join("evaluation.json"))
        .context("there is no evaluation: run the step `evaluate` first")?;
    let found: Report = serde_json::from_str(&json)?;
    let parts = release::Release {
        reader: work.join("reader"),
        encoder: work.join("encoder"),
        projector: work.join("projector/projector.safetensors"),
        xrag_projector: Some(work.join("xrag/projector.safetensors")).filter(|file| file.exists()),
        tokenizer: tokenizer_path(work),
        bundle,
        version,
        description,
        prompt,
    };
    let manifest = release::release(&parts, &found)?;
    fs::create_dir_all(docs)?;
    let table = report::markdown(&found);
    // What the step `readers` found is no part of this evaluation and stays.
    let old = fs::read_to_string(docs.join("evaluation.json"));
    let readers = old.map_or(Ok(ReadersReport::new()), |old| document::readers_of(&old))?;
    let json = document::with_readers(&json, &readers)?;
    write_whole(&docs.join("evaluation.json"), json.as_bytes())?;
    write_whole(&docs.join("evaluation.md"), table.as_bytes())?;
    report::plot(&found, &docs.join("evaluation.svg"))?;
    write_between(document, "evaluation", &table)?;
    println!("{} {} is in {}.", manifest.name, manifest.version, parts.bundle.display());
    Ok(())
}

/// Puts a text between a document's marks of this name.
pub(super) fn write_between(document: &Path, name: &str, text: &str) -> Result<()> {
    let marks = [format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->")];
    let old =
        fs::read_to_string(document).with_context(|| format!("{} cannot be read", document.display()))?;
    let missing =
        || format!("{} lacks a line {:?}", document.display(), marks.each_ref().map(|mark| mark.trim_end()));
    let (before, rest) = old.split_once(&marks[0]).with_context(missing)?;
    let (_, after) = rest.split_once(&marks[1]).with_context(missing)?;
    write_whole(document, format!("{before}{}{text}{}{after}", marks[0], marks[1]).as_bytes())
}

pub(super) fn run_bench(len: usize) -> Result<()> {
    let config = pico_config(ModelType::Qwen2, tokenizer::VOCABULARY, 192, 5);
    let speed = bench::bench(&config, len, MICRO_BATCH)?;
    let of_peak = |tokens: f64| 100.0 * tokens * speed.flop_per_token / speed.peak;
    println!("matrix products of 1024 × 1024, every processor: {:.1} GFLOP/s", speed.peak / 1e9);
    println!("a token of a sequence of {len}: {:.1} MFLOP", speed.flop_per_token / 1e6);
    for (name, tokens) in [("engine", speed.engine), ("burn's autodiff on flex", speed.burn)] {
        println!(
            "{name}: {tokens:.0} tokens/s, {:.1} GFLOP/s, {:.0} % of the matrix products'",
            tokens * speed.flop_per_token / 1e9,
            of_peak(tokens)
        );
    }
    println!("the optimiser's share of the engine's step: {:.1} %", 100.0 * speed.optimizer_share);
    Ok(())
}

pub(super) fn run_frozen_bench(reader: &Path, len: usize) -> Result<()> {
    let reader = GgufReader::load(reader)?.reader;
    let speed = bench::frozen(&reader, len, MICRO_BATCH)?;
    println!(
        "matrix products of 1024 × 1024, every processor: f32 {:.1}, bf16 {:.1} GFLOP/s",
        speed.peak / 1e9,
        speed.peak_bf16 / 1e9
    );
    println!("a token of a sequence of {len}, forward and backward: {:.1} MFLOP", speed.flop_per_token / 1e6);
    for (name, tokens, peak, difference) in [
        ("f32", speed.f32, speed.peak, speed.from_core),
        ("bf16", speed.bf16, speed.peak_bf16, speed.from_core_bf16),
    ] {
        println!(
            "{name}: {tokens:.0} tokens/s, {:.1} GFLOP/s, {:.0} % of the matrix products'; logits within {difference:.4} of core's reader",
            tokens * speed.flop_per_token / 1e9,
            100.0 * tokens * speed.flop_per_token / peak.max(1.0)
        );
    }
    Ok(())
}
