//! Step `soft`: soft tokens for a reader that stays as it is, out of a GGUF file; or, to see what is lost
//! by that, for one with an adapter that learns along.
//!
//! The encoder is the reader itself: its first layers' hidden states of a chunk, pooled over each part
//! of its lines ([`features`]; mean pooling beats compression tokens, arXiv 2510.20797). They do not
//! change while the projector learns, so a chunk is read once. The projector is the paper's (arXiv
//! 2510.19644); its vectors stand where the page puts them, before the file's own text.
//!
//! Two kinds of task are learned from ([`asking::task`](crate::asking::task)): lines to complete, most of them lines that need a
//! name which only a chunk has; and chunks told on from their first line, all chunks' vectors in the
//! prompt: of these every token teaches where a line has a dozen (xRAG restates too, arXiv 2405.13792,
//! with one chunk's vector alone).
//!
//! | file | holds |
//! |---|---|
//! | [`form`] | what a run's soft tokens are, for who uses them |
//! | [`features`] | what the projector reads of a chunk |
//! | [`teacher`] | what the reader says with the chunks as text, kept on disk |
//! | [`standard`] | the projector's inputs brought to mean 0 and deviation 1 |
//! | [`start`] | where the projector begins |
//! | [`validation`] | the lanes on held-out packages while it learns |
//! | [`free`] | step `free-vectors`: what the reader could be told, if nothing were lost on the way |

pub mod features;
pub mod form;
pub mod free;
pub mod standard;
mod start;
pub mod teacher;
mod validation;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Result, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;

use crate::{
    adapter::{export, factors::Factors},
    asking::{
        Asked, Asking, Terms,
        cost::table,
        task::{Task, Tasks},
    },
    checkpoint::{Checkpoint, fingerprint},
    log::RunLog,
    nn::optimizer::{Optimizer, OptimizerConfig, Schedule},
    projector::{TrainedProjector, values},
    random::SplitMix64,
    samples::{Sample, SampleFile},
};

use features::ChunkReader;
use form::{PROJECTOR, SoftForm};
use standard::Standard;
use teacher::Teacher;
pub use validation::ValidationSet;

/// What a run is started with.
#[derive(Debug, Clone, Serialize)]
pub struct SoftOptions {
    /// Where checkpoint, log and projector go.
    #[serde(skip)]
    pub out: PathBuf,
    /// What names the samples.
    pub samples: String,
    /// What names the reader.
    pub reader: String,
    /// How many soft tokens a chunk has, and what they are made of.
    pub form: SoftForm,
    /// Seed of everything.
    pub seed: u64,
    /// Steps of the whole run.
    #[serde(skip)]
    pub steps: u64,
    /// Lines of a step.
    pub lines: usize,
    /// Share of them that need a name only a chunk has.
    pub needing: f64,
    /// Chunks of a step that are told on from their first line.
    pub restated: usize,
    /// Weight of these beside the lines'.
    pub restating: f64,
    /// Weights of the teacher's terms, for lines.
    pub terms: Terms,
    /// Whether lines weigh by how much text helps them.
    pub by_gain: bool,
    /// Whether the projector begins by passing input vectors on; else with fresh weights.
    pub pass_on: bool,
    /// Learning rate at its peak.
    pub rate: f64,
    /// Share of the run over which the rate falls to nothing.
    #[serde(skip)]
    pub decay: f64,
    /// Steps between checkpoints.
    #[serde(skip)]
    pub checkpoint_every: u64,
    /// Steps between validations.
    #[serde(skip)]
    pub validate_every: u64,
}

/// What learns, and from what.
pub struct Learning<'a> {
    /// Frozen, but for an adapter where its decoder has one.
    pub asking: Asking,
    /// Frozen.
    pub chunks: ChunkReader,
    /// Trained.
    pub projector: TrainedProjector,
    /// Prompts to learn from.
    pub tasks: &'a Tasks,
    /// Who says what lines cost with text; needed where the options use it.
    pub teacher: Option<Teacher>,
    /// Held out.
    pub validation: ValidationSet,
}

#[derive(Debug, Serialize)]
struct Entry {
    step: u64,
    /// Nats a token of the lines.
    lines: f64,
    /// Of the chunks told on.
    restated: f64,
    /// Length of the projector's gradients.
    gradient: f64,
    /// Root mean square of the soft vectors' numbers, against that of tokens'.
    size: f64,
    /// Seconds since the entry before.
    seconds: f64,
}

/// Samples whose chunks say what the inputs' mean and deviation are.
const STANDARD_SAMPLES: usize = 60;

/// Trains, or goes on training; the projector is in `projector.safetensors` after each checkpoint.
///
/// # Errors
/// If files cannot be read or written, or the checkpoint is of another run or damaged.
pub fn train(learning: &mut Learning<'_>, samples: &SampleFile, options: &SoftOptions) -> Result<()> {
    ensure!(options.lines + options.restated > 0, "a step without lines and chunks teaches nothing");
    let taught = options.by_gain || options.terms != Terms::default();
    ensure!(!taught || learning.teacher.is_some(), "there is no teacher for the terms that need one");
    let adam =
        OptimizerConfig { muon: false, weight_decay: 0.01, variance: 0.98, ..OptimizerConfig::default() };
    let mut optimizer = Optimizer::new(learning.projector.parameters.len(), adam);
    let mut factors = Factors::of(&learning.asking, adam);
    let form = &learning.projector.config;
    let settings = (options, &form.widths, form.norm, learning.tasks.soft_tokens());
    let mark = match &factors {
        Some(factors) => fingerprint(&(settings, factors.form()))?,
        None => fingerprint(&settings)?,
    };
    let folder = options.out.join("checkpoint");
    let standard = match Checkpoint::load(&folder, &mark)? {
        Some(mut checkpoint) => {
            let len = learning.projector.parameters.len();
            learning.projector.parameters = checkpoint.take("projector", len)?;
            optimizer.momentum = checkpoint.take("projector.momentum", len)?;
            optimizer.variance = checkpoint.take("projector.variance", len)?;
            optimizer.step = checkpoint.step;
            if let Some(factors) = &mut factors {
                factors.restore(&mut learning.asking, &mut checkpoint)?;
            }
            let width = learning.chunks.width();
            Standard {
                mean: checkpoint.take("mean", width)?,
                deviation: checkpoint.take("deviation", width)?,
                size: learning.asking.embedding_scale() as f32,
            }
        }
        None => begin(learning, samples, options.pass_on)?,
    };
    let first = optimizer.step;
    let schedule = Schedule { peak: options.rate, warm_up: 20, steps: options.steps, decay: options.decay };
    let device = Device::flex().autodiff();
    let mut log = RunLog::open(&options.out, first, options.steps)?;
    if first == 0 {
        validate(learning, &standard, &mut log, 0)?;
    }
    let mut since = std::time::Instant::now();
    for step in first..options.steps {
        let (tasks, chunks) = draw(learning, samples, options, step)?;
        let inputs = standard.apply(learning.chunks.features(&chunks));
        let pass = learning.projector.differentiate_as_is(inputs, &device);
        let vectors = standard.sized(values(pass.output.clone()));
        let squares: f64 = vectors.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let size = (squares / vectors.len() as f64).sqrt() / f64::from(standard.size);
        let Asked { nats, d_vectors, d_factors } = learning.asking.ask(&tasks, &vectors, Some(options.terms));
        let [rows, width] = pass.output.dims();
        let pull = Tensor::<2>::from_data(TensorData::new(standard.sized(d_vectors), [rows, width]), &device);
        // Its gradient for the output is the reader's.
        let loss = (pass.output.clone() * pull).sum();
        let gradients = pass.backward_with(loss, &learning.projector, None).projector;
        let tensors = learning.projector.tensors.clone();
        let rate = schedule.at(step);
        let gradient = optimizer.update(&tensors, &mut learning.projector.parameters, &gradients, rate);
        if let Some(factors) = &mut factors {
            factors.update(&mut learning.asking, &d_factors, rate);
        }

        let done = step + 1;
        let mean = |of: &[Task], nats: &[f64]| {
            let tokens: usize = of.iter().map(|task| task.sequence.targets.len()).sum();
            nats.iter().sum::<f64>() / tokens.max(1) as f64
        };
        let (lines, restated) = (
            mean(&tasks[..options.lines], &nats[..options.lines]),
            mean(&tasks[options.lines..], &nats[options.lines..]),
        );
        let seconds = since.elapsed().as_secs_f64();
        since = std::time::Instant::now();
        log.write(&Entry { step: done, lines, restated, gradient, size, seconds })?;
        log.step(done, &format!("lines {lines:.3}  restated {restated:.3}"));
        let last = done == options.steps;
        if done % options.checkpoint_every == 0 || last {
            save(learning, &standard, (&optimizer, factors.as_ref()), &mark, options)?;
        }
        if done % options.validate_every == 0 || last {
            validate(learning, &standard, &mut log, done)?;
            since = std::time::Instant::now();
        }
    }
    Ok(())
}

/// The tasks of a step, drawn by its number alone, lines first; and the chunks their vectors stand for.
fn draw(
    learning: &mut Learning<'_>,
    samples: &SampleFile,
    options: &SoftOptions,
    step: u64,
) -> Result<(Vec<Task>, Vec<String>)> {
    let tasks = learning.tasks;
    let mut random = SplitMix64::at(options.seed, step);
    let (mut drawn, mut chunks) = (Vec::new(), Vec::new());
    let mut take = |sample: &Sample, task: Task, weight: f64| {
        let soft = chunks.len() * tasks.soft_tokens();
        chunks.extend(tasks.chunks(sample).map(String::from));
        let weight = weight / task.sequence.targets.len().max(1) as f64;
        drawn.push(task.behind(soft).weighing(weight as f32));
    };
    let mut lines = Vec::with_capacity(options.lines);
    for _ in 0..options.lines {
        let needing = random.uniform() < options.needing;
        lines.push(draw_with_chunks(samples, needing, &mut random)?);
    }
    let taught = match &mut learning.teacher {
        Some(teacher) => {
            teacher.teach(&mut learning.asking, &Vec::from_iter(&lines))?.into_iter().map(Some).collect()
        }
        None => vec![None; lines.len()],
    };
    for (sample, taught) in lines.iter().zip(taught) {
        let task = tasks.compressed(sample);
        let by_gain = taught.as_ref().filter(|_| options.by_gain).map_or(1.0, |taught| taught.weight());
        let task = match taught {
            Some(taught) => task.taught_by(taught),
            None => task,
        };
        take(sample, task, by_gain / options.lines as f64);
    }
    for number in 0..options.restated {
        // Chunks that a line has are read already.
        let sample = match lines.get(number) {
            Some(sample) => sample.clone(),
            None => draw_with_chunks(samples, false, &mut random)?,
        };
        let (sample, task) = tasks.restated(&sample, &mut random);
        take(&sample, task, options.restating / options.restated as f64);
    }
    Ok((drawn, chunks))
}

/// A sample that has chunks.
fn draw_with_chunks(samples: &SampleFile, needing: bool, random: &mut SplitMix64) -> Result<Sample> {
    for _ in 0..100 {
        let sample = samples.draw(needing, random)?;
        if !sample.chunks.is_empty() {
            return Ok(sample);
        }
    }
    anyhow::bail!("of a hundred samples none has a chunk: cut samples from a larger corpus")
}

/// What the inputs' mean and deviation are, of the first samples' chunks.
fn begin(learning: &mut Learning<'_>, samples: &SampleFile, pass_on: bool) -> Result<Standard> {
    let mut inputs = Vec::new();
    for sample in samples.first(STANDARD_SAMPLES)? {
        let chunks: Vec<String> = learning.tasks.chunks(&sample).map(String::from).collect();
        inputs.extend(learning.chunks.features(&chunks));
    }
    let size = learning.asking.embedding_scale() as f32;
    let standard = Standard::of(&inputs, learning.chunks.width(), size);
    if pass_on {
        start::pass_on(&mut learning.projector, &standard, &standard.apply(inputs));
    }
    Ok(standard)
}

fn validate(learning: &mut Learning<'_>, standard: &Standard, log: &mut RunLog, step: u64) -> Result<()> {
    let Learning { asking, chunks, projector, validation, .. } = learning;
    let mut project =
        |texts: &[String]| standard.sized(projector.project(standard.apply(chunks.features(texts))));
    let lanes = validation.measure(asking, &mut project)?;
    log.write(&validation::Entry { step, validation: &lanes })?;
    log.say(&format!("step {step}\n{}", table(&lanes)));
    Ok(())
}

fn save(
    learning: &mut Learning<'_>,
    standard: &Standard,
    (optimizer, factors): (&Optimizer, Option<&Factors>),
    mark: &str,
    options: &SoftOptions,
) -> Result<()> {
    let parts = [
        ("projector", &learning.projector.parameters),
        ("projector.momentum", &optimizer.momentum),
        ("projector.variance", &optimizer.variance),
        ("mean", &standard.mean),
        ("deviation", &standard.deviation),
    ];
    let mut vectors = BTreeMap::from(parts.map(|(name, values)| (name.to_owned(), values.clone())));
    if let Some(factors) = factors {
        vectors.extend(factors.vectors(&mut learning.asking));
        export::save(learning.asking.model(), &options.out)?;
    }
    let checkpoint = Checkpoint { step: optimizer.step, fingerprint: mark.into(), vectors };
    checkpoint.save(&options.out.join("checkpoint"))?;
    standard.fold(&learning.projector).save(&options.out.join(PROJECTOR))?;
    match factors {
        // They are of no use to the reader as it is.
        Some(_) => Ok(()),
        None => options.form.write(&options.out),
    }
}
