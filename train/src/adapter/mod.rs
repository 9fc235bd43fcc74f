//! Step `adapter`: LoRA on a reader out of a GGUF file, for the page's prompts: the line's end, chunks as
//! context, and what stands after the cursor where the bundle shows it.
//!
//! The reader's weights stay, as the page holds them; thin products are added to each of its matrices
//! ([`nn::adapter`](crate::nn::adapter)). It learns from lines in the lanes the page has, every token of
//! the file's own text and of the line; what stands in chunks is not predicted. So it learns from some
//! three hundred tokens of a prompt where the line alone has a dozen.
//!
//! | file | holds |
//! |---|---|
//! | this | the run |
//! | [`factors`] | the factors and what moves them |
//! | [`export`] | the factors as PEFT's files, and the model with them added |

pub mod export;
pub mod factors;

use std::{path::PathBuf, time::Instant};

use anyhow::{Result, ensure};
use llavacode_core::engine::Lane;
use serde::Serialize;

use crate::{
    asking::{
        Asking,
        cost::{Lanes, cost, table},
        task::{Task, Tasks},
    },
    checkpoint::{Checkpoint, fingerprint},
    log::RunLog,
    nn::optimizer::{OptimizerConfig, Schedule},
    random::SplitMix64,
    samples::{Sample, SampleFile},
};

use factors::Factors;

/// What a run is started with.
#[derive(Debug, Clone, Serialize)]
pub struct AdapterOptions {
    /// Where checkpoint, log and adapter go.
    #[serde(skip)]
    pub out: PathBuf,
    /// What names the samples.
    pub samples: String,
    /// What names the reader, and the layout of its prompts.
    pub reader: String,
    /// Seed of everything.
    pub seed: u64,
    /// Steps of the whole run.
    #[serde(skip)]
    pub steps: u64,
    /// Lines of a step.
    pub lines: usize,
    /// Share of them that need a name only a chunk has.
    pub needing: f64,
    /// How often lines stand in each lane, in the proportions of these.
    pub lanes: Shares,
    /// Weight of a token of the file's own text, where the line's have 1.
    pub text: f32,
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

/// Proportions of lanes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shares {
    /// Without chunks.
    pub base: f64,
    /// With an excerpt of them.
    pub excerpt: f64,
    /// With their text.
    pub full_rag: f64,
}

impl Shares {
    fn draw(self, random: &mut SplitMix64) -> Lane {
        let at = random.uniform() * (self.base + self.excerpt + self.full_rag);
        match at {
            at if at < self.base => Lane::Base,
            at if at < self.base + self.excerpt => Lane::Excerpt,
            _ => Lane::FullRag,
        }
    }
}

/// What learns, and from what.
pub struct Adapting<'a> {
    /// The reader; its decoder is adapted.
    pub asking: Asking,
    /// Prompts to learn from.
    pub tasks: &'a Tasks,
    /// Prompts to validate by.
    pub as_the_page: &'a Tasks,
    /// Lines to validate on, by kind.
    pub held_out: Vec<(&'static str, Vec<Sample>)>,
}

#[derive(Debug, Serialize)]
struct Entry {
    step: u64,
    /// Weighted mean of the tokens' nats.
    loss: f64,
    /// Length of the gradients.
    gradient: f64,
    tokens: usize,
    /// Since the entry before.
    seconds: f64,
}

#[derive(Serialize)]
struct Validation<'a> {
    step: u64,
    validation: &'a Lanes,
}

/// Trains, or goes on training; the factors are in the checkpoint.
///
/// # Errors
/// If files cannot be read or written, the checkpoint is of another run or damaged, or the reader has no
/// adapter.
pub fn train(adapting: &mut Adapting<'_>, samples: &SampleFile, options: &AdapterOptions) -> Result<()> {
    let adam =
        OptimizerConfig { muon: false, weight_decay: 0.01, variance: 0.98, ..OptimizerConfig::default() };
    let Some(mut factors) = Factors::of(&adapting.asking, adam) else {
        anyhow::bail!("the reader has no adapter to train");
    };
    ensure!(options.lines > 0, "a step without lines teaches nothing");
    let (rank, scale, len) = factors.form();
    let mark = fingerprint(&(options, rank, scale, len))?;
    let folder = options.out.join("checkpoint");
    if let Some(mut checkpoint) = Checkpoint::load(&folder, &mark)? {
        factors.restore(&mut adapting.asking, &mut checkpoint)?;
    }
    let first = factors.step();
    let schedule = Schedule { peak: options.rate, warm_up: 20, steps: options.steps, decay: options.decay };
    let mut log = RunLog::open(&options.out, first, options.steps)?;
    if first == 0 {
        validate(adapting, &mut log, 0)?;
    }
    let mut since = Instant::now();
    for step in first..options.steps {
        let mut random = SplitMix64::at(options.seed, step);
        let mut drawn = Vec::with_capacity(options.lines);
        for _ in 0..options.lines {
            let needing = random.uniform() < options.needing;
            let sample = samples.draw(needing, &mut random)?;
            drawn.push(adapting.tasks.with_text(options.lanes.draw(&mut random), &sample, options.text));
        }
        let tokens = drawn.iter().map(|sequence| sequence.tokens.len()).sum();
        let (loss, gradients) = adapting.asking.adapt(&drawn);
        let gradient = factors.update(&mut adapting.asking, &gradients, schedule.at(step));

        let done = step + 1;
        let seconds = since.elapsed().as_secs_f64();
        since = Instant::now();
        log.write(&Entry { step: done, loss, gradient, tokens, seconds })?;
        log.step(done, &format!("loss {loss:.3}  {:.0} tokens/s", tokens as f64 / seconds));
        let last = done == options.steps;
        if done % options.checkpoint_every == 0 || last {
            let vectors = factors.vectors(&mut adapting.asking).into();
            Checkpoint { step: done, fingerprint: mark.clone(), vectors }.save(&folder)?;
        }
        if done % options.validate_every == 0 || last {
            validate(adapting, &mut log, done)?;
            since = Instant::now();
        }
    }
    Ok(())
}

fn validate(adapting: &mut Adapting<'_>, log: &mut RunLog, step: u64) -> Result<()> {
    let Adapting { asking, as_the_page, held_out, .. } = adapting;
    let lanes = measure(asking, as_the_page, held_out);
    log.write(&Validation { step, validation: &lanes })?;
    log.say(&format!("step {step}\n{}", table(&lanes)));
    Ok(())
}

/// What held-out lines cost a reader in each lane.
pub fn measure(asking: &mut Asking, as_the_page: &Tasks, held_out: &[(&'static str, Vec<Sample>)]) -> Lanes {
    let mut lanes = Lanes::new();
    for (kind, samples) in held_out {
        let of_kind = lanes.entry(String::from(*kind)).or_default();
        for (name, lane) in [("base", Lane::Base), ("excerpt", Lane::Excerpt), ("full_rag", Lane::FullRag)] {
            let tasks: Vec<Task> = samples.iter().map(|sample| as_the_page.task(lane, sample)).collect();
            of_kind.insert(name.into(), cost(asking, &tasks, &[]));
        }
    }
    lanes
}
