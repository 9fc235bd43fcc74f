//! Vectors of no encoder: what a frozen reader can be told by vectors at all.
//!
//! A chunk's vectors are found for it alone, by descent through the reader, until it tells the chunk on
//! from them (arXiv 2502.13063 crams texts into vectors so). Too slow for an index, and no compressor. They
//! tell apart where soft tokens are lost: a chunk that the reader retells from found vectors, and not from a
//! trained projector's, is lost before the reader; what a line lacks with vectors from which the chunk is
//! retold is lost in it, as far as vectors that were found for retelling can say. Vectors found for more
//! may do better: this is no bound.

use std::path::Path;

use anyhow::Result;
use llavacode_core::{engine::Lane, tokenize::Tokenizer, words::words};
use serde::Serialize;

use crate::{
    asking::{
        Asking, Terms,
        cost::{Cost, cost},
        task::{Task, Tasks},
    },
    checkpoint::{Checkpoint, fingerprint},
    log::RunLog,
    nn::{
        layout::{Kind, Tensor},
        optimizer::{Optimizer, OptimizerConfig},
    },
    random::SplitMix64,
    samples::{Sample, needed},
};

/// Steps between checkpoints.
const CHECKPOINT_EVERY: u64 = 20;
/// Steps in which the rate halves. It does not depend on the run's length: a finished run goes on if it is
/// given more steps.
const HALVING: f64 = 50.0;

/// How vectors are found.
#[derive(Debug, Clone, Serialize)]
pub struct FreeOptions {
    /// What names samples and reader.
    pub mark: String,
    /// Steps of descent.
    #[serde(skip)]
    pub steps: u64,
    /// Learning rate of a number at first, in sizes of a token's.
    pub rate: f64,
    /// Of the places from which a chunk is told on.
    pub seed: u64,
}

/// What lines and their chunks cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Told {
    /// The line that needs the chunk.
    pub line: Cost,
    /// The chunk itself, told on from its first lines.
    pub chunk: Cost,
}

/// The sample with one chunk alone: the best of those that have a name which the line needs. `None` where
/// there is none.
pub fn with_the_needed_chunk(sample: &Sample) -> Option<Sample> {
    let names = needed(sample);
    let has = |text: &str| words(text).any(|word| names.contains(&word));
    let chunk = sample.chunks.iter().find(|chunk| has(&chunk.text))?.clone();
    Some(Sample { chunks: vec![chunk], ..sample.clone() })
}

/// Where descent begins, `[samples · count, hidden]`: the mean input vectors of `count` even runs of each
/// chunk's tokens, of a token's size.
pub fn mean_input_vectors(
    asking: &Asking,
    tokenizer: &Tokenizer,
    samples: &[Sample],
    count: usize,
) -> Vec<f32> {
    let (width, size, embedding) = (asking.hidden(), asking.embedding_scale() as f32, asking.embedding());
    let mut vectors = Vec::with_capacity(samples.len() * count * width);
    for tokens in samples.iter().map(|sample| tokenizer.encode(&sample.chunks[0].text)) {
        for part in 0..count {
            let run = &tokens[part * tokens.len() / count..(part + 1) * tokens.len() / count];
            let mut sum = vec![0f32; width];
            for &token in run {
                let row = &embedding[token as usize * width..][..width];
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            let square = sum.iter().map(|x| x * x).sum::<f32>() / width as f32;
            let scale = if square > 0.0 { size / square.sqrt() } else { 0.0 };
            vectors.extend(sum.iter().map(|x| x * scale));
        }
    }
    vectors
}

/// Finds the vectors of each sample's chunk, from `start` on; or goes on where a run in `out` was stopped.
///
/// # Errors
/// If `out` cannot be written, or holds a checkpoint of another run.
pub fn find(
    asking: &mut Asking,
    tasks: &Tasks,
    samples: &[Sample],
    start: Vec<f32>,
    (options, out): (&FreeOptions, &Path),
) -> Result<Vec<f32>> {
    let size = asking.embedding_scale() as f32;
    let len = start.len();
    let tensor = Tensor { name: "vectors".into(), rows: 1, cols: len, start: 0, kind: Kind::Bias };
    // Each chunk's vectors move by themselves: all gradients' length together says nothing.
    let adam = OptimizerConfig { muon: false, clip: f64::INFINITY, ..OptimizerConfig::default() };
    let mut optimizer = Optimizer::new(len, adam);
    // In sizes of a token's, so that the rate is one of theirs.
    let mut numbers: Vec<f32> = start.iter().map(|x| x / size).collect();
    let mark = fingerprint(&(options, tasks.soft_tokens(), samples.len()))?;
    let folder = out.join("checkpoint");
    if let Some(mut checkpoint) = Checkpoint::load(&folder, &mark)? {
        numbers = checkpoint.take("vectors", len)?;
        optimizer.momentum = checkpoint.take("momentum", len)?;
        optimizer.variance = checkpoint.take("variance", len)?;
        optimizer.step = checkpoint.step;
    }
    let mut log = RunLog::open(out, optimizer.step, options.steps)?;
    let sized = |numbers: &[f32]| -> Vec<f32> { numbers.iter().map(|x| x * size).collect() };
    for step in optimizer.step..options.steps {
        let retold = retellings(tasks, samples, &mut SplitMix64::at(options.seed, step));
        let targets = |task: &Task| task.sequence.targets.len().max(1);
        let tokens: usize = retold.iter().map(targets).sum();
        let weighed: Vec<Task> = retold
            .into_iter()
            .map(|task| {
                let weight = 1.0 / targets(&task) as f32;
                task.weighing(weight)
            })
            .collect();
        let asked = asking.ask(&weighed, &sized(&numbers), Some(Terms::default()));
        let gradients = asked.d_vectors;
        let rate = options.rate * 0.5f64.powf(step as f64 / HALVING);
        optimizer.update(std::slice::from_ref(&tensor), &mut numbers, &gradients, rate);
        let nats = asked.nats.iter().sum::<f64>() / tokens.max(1) as f64;
        let done = step + 1;
        log.write(&Entry { step: done, nats })?;
        log.step(done, &format!("{nats:.3} nats a token"));
        if done % CHECKPOINT_EVERY == 0 || done == options.steps {
            let vectors = [
                ("vectors".to_owned(), numbers.clone()),
                ("momentum".to_owned(), optimizer.momentum.clone()),
                ("variance".to_owned(), optimizer.variance.clone()),
            ];
            let checkpoint = Checkpoint { step: done, fingerprint: mark.clone(), vectors: vectors.into() };
            checkpoint.save(&folder)?;
        }
    }
    Ok(sized(&numbers))
}

#[derive(Serialize)]
struct Entry {
    step: u64,
    /// Nats a token of the chunks told on.
    nats: f64,
}

/// What the lines and their chunks cost in a lane, with these vectors where it has any.
pub fn told(
    asking: &mut Asking,
    (tasks, lane): (&Tasks, Lane),
    samples: &[Sample],
    (vectors, seed): (&[f32], u64),
) -> Told {
    let soft = if lane == Lane::Compressed { tasks.soft_tokens() } else { 0 };
    let lines = samples.iter().enumerate().map(|(n, sample)| tasks.task(lane, sample).behind(n * soft));
    let lines: Vec<Task> = lines.collect();
    let mut random = SplitMix64::at(seed, u64::MAX);
    let chunks = samples.iter().enumerate().map(|(n, sample)| {
        let (restating, _) = tasks.restated(sample, &mut random);
        tasks.retelling(lane, &restating).behind(n * soft)
    });
    let chunks: Vec<Task> = chunks.collect();
    Told { line: cost(asking, &lines, vectors), chunk: cost(asking, &chunks, vectors) }
}

/// Every sample's chunk told on, each from its own vectors.
fn retellings(tasks: &Tasks, samples: &[Sample], random: &mut SplitMix64) -> Vec<Task> {
    let of = |(n, sample): (usize, &Sample)| tasks.restated(sample, random).1.behind(n * tasks.soft_tokens());
    samples.iter().enumerate().map(of).collect()
}

/// The vectors of each sample's chunk given to the sample before it.
pub fn moved_on(vectors: &[f32], samples: usize) -> Vec<f32> {
    let mut moved = vectors.to_vec();
    moved.rotate_left(vectors.len() / samples.max(1));
    moved
}
