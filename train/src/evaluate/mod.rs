//! Step `evaluate`: every lane on the same held-out tasks.
//!
//! | lane | context |
//! |---|---|
//! | `base` | none |
//! | `full_rag` | chunks as text |
//! | `compressed` | a soft token (or several) a chunk |
//! | `xrag` | the same with xRAG's projector |
//! | `control` | as compressed, every vector the mean of all: says nothing of the chunks |
//! | `bags` | as compressed, every vector the [bag](crate::bags) of its part of the chunk: what the reader was trained on, no encoder's loss in between |
//! | others | as compressed, with the projector of that name: ablations |
//!
//! Decoding is greedy, to the end of the line. Differences are paired over the tasks, with 95 %
//! bootstrap intervals.

mod scores;

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use llavacode_core::{
    config::{ContextPlacement, WeightFormat},
    engine::Lane,
    metrics::{edit_ratio, edit_similarity, exact_match, exact_match_tokens},
};
use serde::{Deserialize, Serialize};

use crate::{
    bags::{bag, bag_vectors},
    corpus::{SourceFile, Split},
    embed::{ChunkEncoder, EncoderInput},
    frozen::{EngineReader, FrozenReader, SoftBatch},
    projector::{TrainedProjector, values},
    prompts::{Prompts, Sequence, Weights},
    reader::Placements,
    readers::ReadersReport,
    retrieval::retrieve,
    samples::{Sample, SampleFile},
};

pub use scores::{Differences, LaneReport};
pub(crate) use scores::{RESAMPLES, SEED};
use scores::{Score, Scores, summarise};

/// Tasks whose sequences are held at once.
const BLOCK: usize = 64;

/// What an evaluation found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Tasks of every lane.
    pub tasks: usize,
    /// Whose packages the tasks are from.
    pub split: Split,
    /// SHA-256 of the tasks' file.
    pub samples: String,
    /// Tasks whose cursor stands inside a line.
    pub inside_a_line: usize,
    /// By lane: `base`, then `full_rag.before_prefix` and the like.
    pub lanes: BTreeMap<String, LaneReport>,
    /// Tasks of another set, whose targets hold a name that a chunk has and that stands nowhere
    /// around the cursor.
    #[serde(default)]
    pub needing_context: usize,
    /// The lanes on these tasks.
    #[serde(default)]
    pub lanes_needing_context: BTreeMap<String, LaneReport>,
    /// The same with the reader's weights as the page holds them, for the lanes it was run on.
    pub quantized: BTreeMap<String, LaneReport>,
    /// The same on the tasks that need context.
    #[serde(default)]
    pub quantized_needing_context: BTreeMap<String, LaneReport>,
    /// Other rankers' chunks: `bm25.full_rag.after_suffix` and the like; empty where the ablation
    /// was not asked for.
    #[serde(default)]
    pub retrieval: BTreeMap<String, LaneReport>,
    /// Tasks of the ablation.
    #[serde(default)]
    pub retrieval_tasks: usize,
    /// Any bundles' readers on newer packages: the step `readers`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readers: ReadersReport,
}

/// How many tasks are measured.
#[derive(Debug, Clone, Copy)]
pub struct TaskCounts {
    /// The first lines of the split: any lines.
    pub lines: usize,
    /// The first lines that need a name only a chunk has
    /// ([`needs_context`](crate::samples::needs_context)).
    pub needing_context: usize,
}

/// What is evaluated.
pub struct Evaluation<'a> {
    /// The reader.
    pub reader: &'a mut EngineReader,
    /// The encoder.
    pub encoder: &'a mut dyn ChunkEncoder,
    /// The paper's projector.
    pub projector: Option<&'a TrainedProjector>,
    /// xRAG's.
    pub xrag: Option<&'a TrainedProjector>,
    /// Further projectors by name, each a lane of its own.
    pub ablations: &'a [(String, TrainedProjector)],
    /// Prompts in both placements.
    pub placements: &'a Placements,
    /// Those of them that are measured.
    pub measured: &'a [ContextPlacement],
    /// What the encoder reads.
    pub input: EncoderInput<'a>,
    /// Formats for the quantized pass.
    pub formats: (WeightFormat, WeightFormat),
}

/// Where a lane's vectors come from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Vectors {
    None,
    Projector,
    Xrag,
    Mean,
    Bags,
    Ablation(usize),
}

/// A lane of the reader, where its vectors come from, and its name in the report.
type Kind<'a> = (Lane, Vectors, &'a str);

/// What is measured. With the page's rounded weights only the first three: they say what rounding
/// costs.
const LANES: [Kind<'_>; 6] = [
    (Lane::Base, Vectors::None, "base"),
    (Lane::FullRag, Vectors::None, "full_rag"),
    (Lane::Compressed, Vectors::Projector, "compressed"),
    (Lane::Xrag, Vectors::Xrag, "xrag"),
    (Lane::Compressed, Vectors::Mean, "control"),
    (Lane::Compressed, Vectors::Bags, "bags"),
];

/// A placement's name in the report.
pub fn placement_key(placement: ContextPlacement) -> &'static str {
    match placement {
        ContextPlacement::BeforePrefix => "before_prefix",
        ContextPlacement::AfterSuffix => "after_suffix",
    }
}

/// Runs every lane on the tasks.
///
/// # Errors
/// If there are no tasks, or the parts do not fit.
pub fn evaluate(
    parts: &mut Evaluation<'_>,
    samples: &SampleFile,
    counts: TaskCounts,
    (split, mark): (Split, &str),
) -> Result<Report> {
    let lines = samples.first(counts.lines)?;
    let needing = samples.needing_context(counts.needing_context)?;
    ensure!(!lines.is_empty(), "there are no tasks: run the step `samples` first");
    ensure!(!parts.measured.is_empty(), "no placement of the chunks is to be measured");
    let ablations = parts.ablations;
    let further = ablations.iter().enumerate();
    let further = further.map(|(i, (name, _))| (Lane::Compressed, Vectors::Ablation(i), name.as_str()));
    let all: Vec<Kind<'_>> = LANES.into_iter().chain(further).collect();
    let (scores, scores_needing) = (run_lanes(parts, &lines, &all), run_lanes(parts, &needing, &all));
    let dense = parts.reader.model.clone();
    parts.reader.model = dense.quantized(parts.formats.0, parts.formats.1);
    let quantized = run_lanes(parts, &lines, &LANES[..3]);
    let quantized_needing = run_lanes(parts, &needing, &LANES[..3]);
    parts.reader.model = dense;
    Ok(Report {
        tasks: lines.len(),
        split,
        samples: mark.into(),
        inside_a_line: lines.iter().filter(|task| task.is_inside_a_line()).count(),
        lanes: summarise(&scores),
        needing_context: needing.len(),
        lanes_needing_context: summarise(&scores_needing),
        quantized: summarise(&quantized),
        quantized_needing_context: summarise(&quantized_needing),
        retrieval: BTreeMap::new(),
        retrieval_tasks: 0,
        readers: BTreeMap::new(),
    })
}

/// Runs `base`, `full_rag` and `compressed` with each ranker's chunks for the first `tasks` samples
/// and puts it into the report.
///
/// # Errors
/// If a sample cannot be read.
pub fn ablate_retrieval(
    parts: &mut Evaluation<'_>,
    packages: &[Vec<SourceFile>],
    samples: &SampleFile,
    tasks: usize,
    report: &mut Report,
) -> Result<()> {
    let tasks = samples.first(tasks)?;
    let mut by_ranker: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for files in packages {
        let Some(package) = files.first().map(|file| &file.package) else { continue };
        let own: Vec<&Sample> = tasks.iter().filter(|task| task.package == *package).collect();
        if !own.is_empty() {
            for (ranker, samples) in
                retrieve(files, &own, parts.encoder, parts.input, parts.placements.before.soft_tokens())
            {
                by_ranker.entry(ranker).or_default().extend(samples);
            }
        }
    }
    report.retrieval_tasks = by_ranker.values().next().map_or(0, Vec::len);
    for (ranker, tasks) in by_ranker {
        let lanes = summarise(&run_lanes(parts, &tasks, &LANES[..3]));
        report.retrieval.extend(lanes.into_iter().map(|(lane, found)| (format!("{ranker}.{lane}"), found)));
    }
    Ok(())
}

fn run_lanes(parts: &mut Evaluation<'_>, tasks: &[Sample], lanes: &[Kind<'_>]) -> Scores {
    let mut all = Scores::new();
    let mean = mean_vector(parts, tasks);
    for block in tasks.chunks(BLOCK) {
        let (texts, first_vectors) = parts_of(parts, block);
        let bags = texts.iter().map(|text| bag(parts.input.tokenizer, text, parts.input.max_tokens));
        let bags = bags.collect();
        let texts: Vec<Vec<u32>> = texts.iter().map(|text| parts.input.tokens(text)).collect();
        let made_of = MadeOf { raw: parts.encoder.raw(&texts), bags, mean: mean.as_deref() };
        for &(lane, which, name) in lanes {
            let Some(vectors) = vectors(parts, which, &made_of) else { continue };
            // Without context there is nothing to place.
            let placements = if lane == Lane::Base { &parts.measured[..1] } else { parts.measured };
            for &placement in placements {
                let prompts = match placement {
                    ContextPlacement::BeforePrefix => parts.placements.before.clone(),
                    ContextPlacement::AfterSuffix => parts.placements.after.clone(),
                };
                let key = match lane {
                    Lane::Base => name.into(),
                    _ => format!("{name}.{}", placement_key(placement)),
                };
                let scores = score(parts.reader, &prompts, lane, block, (&vectors, &first_vectors));
                all.entry(key).or_default().extend(scores);
            }
        }
    }
    all
}

/// Every part of some tasks' chunks, a soft token each, and each task's first.
fn parts_of<'a>(parts: &Evaluation<'_>, tasks: &'a [Sample]) -> (Vec<Cow<'a, str>>, Vec<usize>) {
    let (mut texts, mut first) = (Vec::new(), Vec::new());
    for task in tasks {
        first.push(texts.len());
        texts.extend(parts.placements.before.parts(task));
    }
    (texts, first)
}

fn project(projector: &TrainedProjector, raw: &[f32]) -> Vec<f32> {
    values(projector.differentiate(raw.to_vec(), &Device::flex().autodiff()).output)
}

/// What vectors of some chunks' parts are made of.
struct MadeOf<'a> {
    /// Embeddings, `[parts, width]`.
    raw: Vec<f32>,
    /// The tokens of each part's names.
    bags: Vec<Vec<u32>>,
    /// The projector's mean vector.
    mean: Option<&'a [f32]>,
}

/// A lane's vectors, one a part; `None` if there is no such projector.
fn vectors(parts: &Evaluation<'_>, which: Vectors, made_of: &MadeOf<'_>) -> Option<Vec<f32>> {
    let projected = |projector: &TrainedProjector| project(projector, &made_of.raw);
    match which {
        Vectors::None => Some(Vec::new()),
        Vectors::Projector => parts.projector.map(projected),
        Vectors::Xrag => parts.xrag.map(projected),
        Vectors::Ablation(i) => parts.ablations.get(i).map(|(_, projector)| projected(projector)),
        Vectors::Mean => Some(made_of.mean?.repeat(made_of.bags.len())),
        Vectors::Bags => {
            let embedding = parts.reader.embedding()?;
            Some(bag_vectors(embedding, parts.reader.hidden(), &made_of.bags))
        }
    }
}

/// The projector's mean vector over the chunks of some of the tasks.
fn mean_vector(parts: &mut Evaluation<'_>, tasks: &[Sample]) -> Option<Vec<f32>> {
    let (texts, _) = parts_of(parts, &tasks[..tasks.len().min(2 * BLOCK)]);
    let texts: Vec<Vec<u32>> = texts.iter().map(|text| parts.input.tokens(text)).collect();
    if texts.is_empty() {
        return None;
    }
    let vectors = project(parts.projector?, &parts.encoder.raw(&texts));
    let width = vectors.len() / texts.len();
    let mut mean = vec![0.0; width];
    for vector in vectors.chunks_exact(width) {
        mean.iter_mut().zip(vector).for_each(|(mean, v)| *mean += v / texts.len() as f32);
    }
    Some(mean)
}

fn score(
    reader: &mut EngineReader,
    prompts: &Prompts,
    lane: Lane,
    tasks: &[Sample],
    (vectors, first_vectors): (&[f32], &[usize]),
) -> Vec<Score> {
    let sequences: Vec<Sequence> =
        tasks.iter().map(|task| prompts.sequence(lane, task, Weights::COMPLETION)).collect();
    let batch = SoftBatch { sequences: &sequences, first_vectors, vectors };
    let (end, tokenizer) = (prompts.end(), &prompts.tokenizer);
    let stop = |token: u32| token == end || tokenizer.token_bytes(token).contains(&b'\n');
    let judged = reader.judge(batch, 50, &stop);
    let all = tasks.iter().zip(&sequences).zip(judged);
    all.map(|((task, sequence), judged)| {
        let (text, target) = (tokenizer.decode(&judged.completion), task.target.as_str());
        let percent = |yes: bool| if yes { 100.0 } else { 0.0 };
        Score {
            prompt_tokens: sequence.prompt as f64,
            soft_tokens: sequence.soft.len() as f64,
            exact_match: percent(exact_match(&text, target)),
            exact_match_tokens: percent(exact_match_tokens(&text, target)),
            edit_similarity: 100.0 * edit_similarity(&text, target),
            edit_ratio: 100.0 * edit_ratio(&text, target),
            cross_entropy: judged.cross_entropy,
            target_tokens: sequence.targets.len() as f64,
        }
    })
    .collect()
}
