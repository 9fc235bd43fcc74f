//! Step `reader`: next-token and fill-in-the-middle training with retrieved chunks in the prompt.
//!
//! Every sequence is a prompt of the page: of the lane `base`, or of `full_rag` in one of the two
//! placements, with some of its chunks or all; or laid out as in `compressed`, with [bags](crate::bags) in
//! the places of soft tokens. A part is bags and the text of one of them: in a completion few words come
//! from a chunk, here every name does. The loss is on every token; the completion's count more. In
//! part of the samples the identifiers that the completion shares with a chunk are renamed at
//! random, so that looking them up in the context is the only way to know them: it brings copying
//! forward.

mod batches;
mod validation;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use anyhow::{Context, Result};
use llavacode_core::{config::ContextPlacement, tokenize::Tokenizer};
use serde::Serialize;

use crate::{
    bags::{bag_gradients, bag_vectors},
    checkpoint::{Checkpoint, fingerprint},
    log::RunLog,
    model::Model,
    nn::{
        decoder::Tape,
        ops,
        optimizer::{Optimizer, OptimizerConfig, Schedule},
        parallel::Workers,
    },
    prompts::{ChunkLayout, Prompts, pico_prompt},
    samples::SampleFile,
};

use batches::{Material, batch};
pub use validation::cross_entropy;
use validation::validate;

/// What a run is started with. A checkpoint belongs to these settings, all but `steps`: a run can
/// be made longer, or be brought to its end sooner.
#[derive(Debug, Clone, Serialize)]
pub struct ReaderOptions {
    /// Where the model, the checkpoint and the log go.
    #[serde(skip)]
    pub out: PathBuf,
    /// SHA-256 of the samples' file.
    pub samples: String,
    /// Seed of everything.
    pub seed: u64,
    /// Steps of the whole run.
    #[serde(skip)]
    pub steps: u64,
    /// Rows of a step.
    pub tokens: usize,
    /// Rows of a micro-batch.
    pub micro_batch: usize,
    /// Learning rate at its peak.
    pub rate: f64,
    /// Steps of the rise to it.
    pub warm_up: u64,
    /// Share of the run over which it falls to nothing.
    #[serde(skip)]
    pub decay: f64,
    /// Muon for the matrices; AdamW otherwise.
    pub muon: bool,
    /// Weight of a completion's token against a prompt's.
    pub completion_weight: f32,
    /// Share of samples with chunks.
    pub with_chunks: f64,
    /// Share of those whose target holds a name that a chunk has and nothing around the cursor.
    pub needing: f64,
    /// Share of those with renamed identifiers.
    pub renamed: f64,
    /// Share of those with the chunks after the suffix, the paper's placement.
    pub after_suffix: f64,
    /// Share of those whose chunks stand as bags.
    pub bags: f64,
    /// Share of these with renamed identifiers.
    pub renamed_bags: f64,
    /// Share of these that restate one of their chunks.
    pub restated: f64,
    /// Most tokens of a chunk that its bag is made of.
    pub chunk_tokens: usize,
    /// Steps between checkpoints.
    #[serde(skip)]
    pub checkpoint_every: u64,
    /// Steps between validations.
    #[serde(skip)]
    pub validate_every: u64,
}

/// Prompts in both placements.
#[derive(Debug, Clone)]
pub struct Placements {
    /// Chunks before the prefix.
    pub before: Prompts,
    /// Chunks after the suffix.
    pub after: Prompts,
}

impl Placements {
    /// Pico's budgets in both.
    ///
    /// # Errors
    /// If the tokenizer lacks a special token.
    pub fn new(tokenizer: Arc<Tokenizer>, chunks: ChunkLayout) -> Result<Self> {
        let prompts = |placement| Prompts::new(Arc::clone(&tokenizer), pico_prompt(placement, chunks));
        Ok(Self {
            before: prompts(ContextPlacement::BeforePrefix)?,
            after: prompts(ContextPlacement::AfterSuffix)?,
        })
    }
}

/// Loss and tokens of a step.
#[derive(Debug, Clone, Copy, Serialize)]
struct Entry {
    step: u64,
    tokens: u64,
    loss: f64,
    rate: f64,
    gradient_norm: f64,
    tokens_per_s: f64,
}

/// Trains, or goes on training, and writes the model.
///
/// # Errors
/// If files cannot be read or written, or the checkpoint is of another run or damaged.
pub fn train(
    mut model: Model,
    placements: &Placements,
    samples: &SampleFile,
    validation: &SampleFile,
    options: &ReaderOptions,
) -> Result<Model> {
    let len = model.parameters.len();
    let config = OptimizerConfig { muon: options.muon, ..OptimizerConfig::default() };
    let mut optimizer = Optimizer::new(len, config);
    let chunks = placements.before.layout();
    let mark = fingerprint(&(options, model.decoder.shape.vocabulary, len, chunks))?;
    let folder = options.out.join("checkpoint");
    let mut tokens = 0;
    if let Some(mut checkpoint) = Checkpoint::load(&folder, &mark)? {
        model.parameters = checkpoint.take("parameters", len)?;
        optimizer.momentum = checkpoint.take("momentum", len)?;
        optimizer.variance = checkpoint.take("variance", len)?;
        optimizer.step = checkpoint.step;
        tokens =
            checkpoint.take("millions_of_tokens", 1)?.first().map_or(0, |m| (f64::from(*m) * 1e6) as u64);
    }
    let first = optimizer.step;
    let schedule =
        Schedule { peak: options.rate, warm_up: options.warm_up, steps: options.steps, decay: options.decay };
    let mut log = RunLog::open(&options.out, first, options.steps)?;
    let mut workers = Workers::<f32, Tape<f32>>::of_machine();
    let layout = model.decoder.layout.clone();
    thread::scope(|scope| -> Result<()> {
        // Sequences are made while the step before is computed.
        let (send, receive) = mpsc::sync_channel(2);
        scope.spawn(move || {
            for step in first..options.steps {
                if send.send(batch(placements, samples, options, step)).is_err() {
                    return;
                }
            }
        });
        let mut started = Instant::now();
        let mut since = tokens;
        for step in first..options.steps {
            let material = receive.recv().context("the thread that makes batches has ended")??;
            let rows: usize = material.batches.iter().map(|b| b.tokens.len()).sum();
            let ([loss], gradients) = pass(&model, &material, &mut workers);
            let rate = schedule.at(step);
            let norm = optimizer.update(&layout.tensors, &mut model.parameters, gradients, rate);
            tokens += rows as u64;
            let done = step + 1;
            if done % 10 == 0 || done == options.steps {
                let tokens_per_s = (tokens - since) as f64 / started.elapsed().as_secs_f64();
                let entry = Entry { step: done, tokens, loss, rate, gradient_norm: norm, tokens_per_s };
                log.write(&entry)?;
                log.step(done, &format!("loss {loss:.3}  {tokens_per_s:.0} tokens/s"));
                (started, since) = (Instant::now(), tokens);
            }
            let last = done == options.steps;
            if last || done % options.validate_every == 0 {
                let found = validate(&model, placements, validation, done, options, &mut workers)?;
                log.write(&found)?;
                log.say(&format!(
                    "step {done}, {:.1} M tokens: completion's cross-entropy {:.3} base; with chunks {:.3} before the prefix, {:.3} after the suffix; as bags {:.3} and {:.3}",
                    tokens as f64 / 1e6,
                    found.base,
                    found.full_rag_before_prefix,
                    found.full_rag_after_suffix,
                    found.bags_before_prefix,
                    found.bags_after_suffix
                ));
                started = Instant::now();
            }
            if last || done % options.checkpoint_every == 0 {
                save(&folder, &mark, &model, &optimizer, tokens)?;
            }
        }
        Ok(())
    })?;
    model.save(&options.out)?;
    Ok(model)
}

fn save(folder: &Path, mark: &str, model: &Model, optimizer: &Optimizer, tokens: u64) -> Result<()> {
    let vectors = [
        ("parameters", model.parameters.clone()),
        ("momentum", optimizer.momentum.clone()),
        ("variance", optimizer.variance.clone()),
        ("millions_of_tokens", vec![(tokens as f64 / 1e6) as f32]),
    ];
    let vectors = vectors.map(|(name, values)| (String::from(name), values)).into();
    Checkpoint { step: optimizer.step, fingerprint: mark.into(), vectors }.save(folder)
}

/// Forward and backward over a step's micro-batches: the mean loss, and gradients of it.
fn pass<'w>(
    model: &Model,
    Material { batches, bags }: &Material,
    workers: &'w mut Workers<f32, Tape<f32>>,
) -> ([f64; 1], &'w [f32]) {
    let (decoder, parameters) = (&model.decoder, &model.parameters);
    let (embedding, hidden) = (decoder.layout.embedding.clone(), decoder.shape.hidden);
    let weight: f64 = batches.iter().flat_map(|b| &b.targets).map(|t| f64::from(t.weight)).sum();
    let vectors = bag_vectors(&parameters[embedding.clone()], hidden, bags);
    workers.run(batches, parameters.len(), |batch, worker| {
        let tape = &mut worker.scratch;
        decoder.forward(parameters, batch.input(&vectors), tape);
        decoder.clear_gradient(tape);
        let loss = decoder.head_loss(
            parameters,
            &batch.target_rows(),
            tape,
            Some(&mut worker.gradients),
            |i, logits| {
                let target = &batch.targets[i];
                let share = (f64::from(target.weight) / weight) as f32;
                share * ops::cross_entropy(logits, target.token as usize, share)
            },
        );
        let mut d_vectors = vec![0.0; vectors.len()];
        let gradients = &mut worker.gradients;
        decoder.backward(parameters, batch.input(&vectors), tape, Some(gradients), &mut d_vectors);
        bag_gradients(&mut gradients[embedding.clone()], hidden, bags, &d_vectors);
        [loss]
    })
}
