//! Step `evaluate`: every lane on the same held-out tasks.
//!
//! | lane | context |
//! |---|---|
//! | `base` | none |
//! | `full_rag` | chunks as text |
//! | `compressed` | a soft token (or several) a chunk |
//! | `xrag` | the same with xRAG's projector |
//! | `control` | as compressed, every vector the mean of all: says nothing of the chunks |
//! | others | as compressed, with the projector of that name: ablations |
//!
//! Decoding is greedy, to the end of the line. Differences are paired over the tasks, with 95 %
//! bootstrap intervals.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use llavacode_core::{
    config::{ContextPlacement, WeightFormat},
    engine::Lane,
    metrics::{
        Interval, edit_ratio, edit_similarity, exact_match, exact_match_tokens, mean, paired_bootstrap,
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    corpus::SourceFile,
    embed::{ChunkEncoder, EncoderInput},
    frozen::{EngineReader, FrozenReader, SoftBatch},
    projector::{TrainedProjector, values},
    prompts::{Prompts, Sequence, Weights},
    reader::Placements,
    retrieval::retrieve,
    samples::{Sample, SampleFile, needs_context},
};

const RESAMPLES: usize = 2000;
const SEED: u64 = 20_251_019;
/// Tasks whose sequences are held at once.
const BLOCK: usize = 64;

/// Means of a lane, in percent, nats and tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaneReport {
    /// Mean length of the prompt, soft tokens included.
    pub prompt_tokens: f64,
    /// Mean number of soft tokens.
    pub soft_tokens: f64,
    /// Percent.
    pub exact_match: f64,
    /// LlavaCode's looser variant, percent.
    pub exact_match_tokens: f64,
    /// 1 − Levenshtein / longer length, percent.
    pub edit_similarity: f64,
    /// Indel ratio, percent.
    pub edit_ratio: f64,
    /// Nats a token of the target, its end included.
    pub cross_entropy: f64,
    /// Against `base`, in percent points; none for it.
    pub against_base: Option<Differences>,
    /// Against `full_rag` of the same placement.
    pub against_full_rag: Option<Differences>,
}

/// Paired differences with their 95 % intervals.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Differences {
    /// Percent points.
    pub exact_match: Interval,
    /// Percent points.
    pub edit_similarity: Interval,
    /// Nats a token, task by task.
    pub cross_entropy: Interval,
}

/// What an evaluation found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Tasks of every lane.
    pub tasks: usize,
    /// SHA-256 of the tasks' file.
    pub samples: String,
    /// Tasks whose cursor stands inside a line.
    pub inside_a_line: usize,
    /// By lane: `base`, then `full_rag.before_prefix` and the like.
    pub lanes: BTreeMap<String, LaneReport>,
    /// Tasks whose target holds a name that a chunk has and that stands nowhere around the cursor.
    #[serde(default)]
    pub needing_context: usize,
    /// The lanes on these tasks alone.
    #[serde(default)]
    pub lanes_needing_context: BTreeMap<String, LaneReport>,
    /// The same with the reader's weights as the page holds them, for the lanes it was run on.
    pub quantized: BTreeMap<String, LaneReport>,
    /// Other rankers' chunks: `bm25.full_rag.after_suffix` and the like; empty where the ablation
    /// was not asked for.
    #[serde(default)]
    pub retrieval: BTreeMap<String, LaneReport>,
    /// Tasks of the ablation.
    #[serde(default)]
    pub retrieval_tasks: usize,
}

/// The scores of one lane, task by task.
#[derive(Debug, Default, Clone)]
struct Scores {
    prompt_tokens: Vec<f64>,
    soft_tokens: Vec<f64>,
    exact_match: Vec<f64>,
    exact_match_tokens: Vec<f64>,
    edit_similarity: Vec<f64>,
    edit_ratio: Vec<f64>,
    cross_entropy: Vec<f64>,
    target_tokens: Vec<f64>,
}

impl Scores {
    /// Those of the tasks that `keep` says.
    fn only(&self, keep: &[bool]) -> Self {
        let of = |values: &Vec<f64>| {
            values.iter().zip(keep).filter_map(|(&value, &keep)| keep.then_some(value)).collect()
        };
        Self {
            prompt_tokens: of(&self.prompt_tokens),
            soft_tokens: of(&self.soft_tokens),
            exact_match: of(&self.exact_match),
            exact_match_tokens: of(&self.exact_match_tokens),
            edit_similarity: of(&self.edit_similarity),
            edit_ratio: of(&self.edit_ratio),
            cross_entropy: of(&self.cross_entropy),
            target_tokens: of(&self.target_tokens),
        }
    }
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
    Ablation(usize),
}

/// A lane of the reader, where its vectors come from, and its name in the report.
type Kind<'a> = (Lane, Vectors, &'a str);

/// What is measured. With the page's rounded weights only the first three: they say what rounding
/// costs.
const LANES: [Kind<'_>; 5] = [
    (Lane::Base, Vectors::None, "base"),
    (Lane::FullRag, Vectors::None, "full_rag"),
    (Lane::Compressed, Vectors::Projector, "compressed"),
    (Lane::Xrag, Vectors::Xrag, "xrag"),
    (Lane::Compressed, Vectors::Mean, "control"),
];

/// A placement's name in the report.
pub fn placement_key(placement: ContextPlacement) -> &'static str {
    match placement {
        ContextPlacement::BeforePrefix => "before_prefix",
        ContextPlacement::AfterSuffix => "after_suffix",
    }
}

/// Runs every lane on the first `tasks` samples.
///
/// # Errors
/// If there are no tasks, or the parts do not fit.
pub fn evaluate(
    parts: &mut Evaluation<'_>,
    samples: &SampleFile,
    tasks: usize,
    mark: &str,
) -> Result<Report> {
    let tasks = (0..samples.len().min(tasks)).map(|i| samples.get(i)).collect::<Result<Vec<Sample>>>()?;
    ensure!(!tasks.is_empty(), "there are no tasks: run the step `samples` first");
    ensure!(!parts.measured.is_empty(), "no placement of the chunks is to be measured");
    let ablations = parts.ablations;
    let further = ablations.iter().enumerate();
    let further = further.map(|(i, (name, _))| (Lane::Compressed, Vectors::Ablation(i), name.as_str()));
    let all: Vec<Kind<'_>> = LANES.into_iter().chain(further).collect();
    let lanes = run_lanes(parts, &tasks, &all);
    let dense = parts.reader.model.clone();
    parts.reader.model = dense.quantized(parts.formats.0, parts.formats.1);
    let quantized = run_lanes(parts, &tasks, &LANES[..3]);
    parts.reader.model = dense;
    let needs: Vec<bool> = tasks.iter().map(needs_context).collect();
    let needing = lanes.iter().map(|(name, scores)| (name.clone(), scores.only(&needs))).collect();
    let inside = |task: &&Sample| task.prefix.rsplit('\n').next().is_some_and(|line| !line.trim().is_empty());
    Ok(Report {
        tasks: tasks.len(),
        samples: mark.into(),
        inside_a_line: tasks.iter().filter(inside).count(),
        lanes: summarise(&lanes),
        needing_context: needs.iter().filter(|&&needs| needs).count(),
        lanes_needing_context: summarise(&needing),
        quantized: summarise(&quantized),
        retrieval: BTreeMap::new(),
        retrieval_tasks: 0,
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
    let tasks = (0..samples.len().min(tasks)).map(|i| samples.get(i)).collect::<Result<Vec<Sample>>>()?;
    let mut by_ranker: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for files in packages {
        let Some(package) = files.first().map(|file| &file.package) else { continue };
        let own: Vec<&Sample> = tasks.iter().filter(|task| task.package == *package).collect();
        if !own.is_empty() {
            for (ranker, samples) in retrieve(files, &own, parts.encoder, parts.input) {
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

fn run_lanes(parts: &mut Evaluation<'_>, tasks: &[Sample], lanes: &[Kind<'_>]) -> BTreeMap<String, Scores> {
    let mut all: BTreeMap<String, Scores> = BTreeMap::new();
    let mean = mean_vector(parts, tasks);
    for block in tasks.chunks(BLOCK) {
        let (texts, first_chunk) = chunks_of(parts, block);
        let raw = parts.encoder.raw(&texts);
        for &(lane, which, name) in lanes {
            let Some((vectors, soft)) = vectors(parts, which, &raw, &mean) else { continue };
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
                let firsts: Vec<usize> = first_chunk.iter().map(|first| first * soft).collect();
                let scores = all.entry(key).or_default();
                score(parts.reader, &prompts, lane, block, (&vectors, &firsts), scores);
            }
        }
    }
    all
}

/// Every chunk of some tasks as the encoder reads it, and each task's first.
fn chunks_of(parts: &Evaluation<'_>, tasks: &[Sample]) -> (Vec<Vec<u32>>, Vec<usize>) {
    let (mut texts, mut first) = (Vec::new(), Vec::new());
    for task in tasks {
        first.push(texts.len());
        texts.extend(task.chunks.iter().map(|chunk| parts.input.tokens(&chunk.text)));
    }
    (texts, first)
}

fn project(projector: &TrainedProjector, raw: &[f32]) -> Vec<f32> {
    values(projector.differentiate(raw.to_vec(), &Device::flex().autodiff()).output)
}

/// A lane's vectors and how many a chunk has; `None` if there is no such projector.
fn vectors(
    parts: &Evaluation<'_>,
    which: Vectors,
    raw: &[f32],
    mean: &Option<Vec<f32>>,
) -> Option<(Vec<f32>, usize)> {
    let hidden = parts.reader.hidden();
    let soft = |projector: &TrainedProjector| projector.config.widths.last().map_or(1, |w| w / hidden);
    match which {
        Vectors::None => Some((Vec::new(), 1)),
        Vectors::Projector => parts.projector.map(|p| (project(p, raw), soft(p))),
        Vectors::Xrag => parts.xrag.map(|p| (project(p, raw), soft(p))),
        Vectors::Ablation(i) => parts.ablations.get(i).map(|(_, p)| (project(p, raw), soft(p))),
        Vectors::Mean => {
            let (mean, projector) = (mean.as_ref()?, parts.projector?);
            let chunks = raw.len() / parts.encoder.width();
            Some((mean.repeat(chunks), soft(projector)))
        }
    }
}

/// The projector's mean vector over the chunks of a part of the tasks.
fn mean_vector(parts: &mut Evaluation<'_>, tasks: &[Sample]) -> Option<Vec<f32>> {
    let (texts, _) = chunks_of(parts, &tasks[..tasks.len().min(2 * BLOCK)]);
    if texts.is_empty() {
        return None;
    }
    let raw = parts.encoder.raw(&texts);
    let (vectors, _) = vectors(parts, Vectors::Projector, &raw, &None)?;
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
    scores: &mut Scores,
) {
    let sequences: Vec<Sequence> =
        tasks.iter().map(|task| prompts.sequence(lane, task, 10, Weights::COMPLETION)).collect();
    let batch = SoftBatch { sequences: &sequences, first_vectors, vectors };
    let (end, tokenizer) = (prompts.end(), &prompts.tokenizer);
    let stop = |token: u32| token == end || tokenizer.token_bytes(token).contains(&b'\n');
    let judged = reader.judge(batch, 50, &stop);
    for ((task, sequence), judged) in tasks.iter().zip(&sequences).zip(judged) {
        let (text, target) = (tokenizer.decode(&judged.completion), task.target.as_str());
        let percent = |yes: bool| if yes { 100.0 } else { 0.0 };
        scores.prompt_tokens.push(sequence.prompt as f64);
        scores.soft_tokens.push(sequence.soft.len() as f64);
        scores.exact_match.push(percent(exact_match(&text, target)));
        scores.exact_match_tokens.push(percent(exact_match_tokens(&text, target)));
        scores.edit_similarity.push(100.0 * edit_similarity(&text, target));
        scores.edit_ratio.push(100.0 * edit_ratio(&text, target));
        scores.cross_entropy.push(judged.cross_entropy);
        scores.target_tokens.push(sequence.targets.len() as f64);
    }
}

fn summarise(lanes: &BTreeMap<String, Scores>) -> BTreeMap<String, LaneReport> {
    let differences = |lane: &Scores, other: Option<&Scores>| {
        let other = other?;
        let between = |a: &[f64], b: &[f64]| paired_bootstrap(a, b, RESAMPLES, SEED);
        Some(Differences {
            exact_match: between(&lane.exact_match, &other.exact_match)?,
            edit_similarity: between(&lane.edit_similarity, &other.edit_similarity)?,
            cross_entropy: between(&lane.cross_entropy, &other.cross_entropy)?,
        })
    };
    let report = |(name, scores): (&String, &Scores)| {
        let mean = |values: &[f64]| mean(values).unwrap_or_default();
        let placement = name.split_once('.').map(|(_, placement)| placement);
        let full = placement.filter(|_| !name.starts_with("full_rag")).map(|p| format!("full_rag.{p}"));
        let tokens: f64 = scores.target_tokens.iter().sum();
        let nats: f64 = scores.cross_entropy.iter().zip(&scores.target_tokens).map(|(e, n)| e * n).sum();
        let report = LaneReport {
            prompt_tokens: mean(&scores.prompt_tokens),
            soft_tokens: mean(&scores.soft_tokens),
            exact_match: mean(&scores.exact_match),
            exact_match_tokens: mean(&scores.exact_match_tokens),
            edit_similarity: mean(&scores.edit_similarity),
            edit_ratio: mean(&scores.edit_ratio),
            cross_entropy: nats / tokens.max(1.0),
            against_base: differences(scores, lanes.get("base").filter(|_| name != "base")),
            against_full_rag: differences(scores, full.and_then(|full| lanes.get(&full))),
        };
        (name.clone(), report)
    };
    lanes.iter().map(report).collect()
}
