//! Steps `encoder`, `projector` and `xrag`: making chunks into soft tokens, the reader frozen.
//!
//! One loop, whose terms a [`Recipe`] weighs:
//!
//! | term | of | from |
//! |---|---|---|
//! | cross-entropy | the target after a prompt with soft tokens | LlavaCode |
//! | REINFORCE | −(EM + ES) · Σ log p over a greedy rollout; SCST: a sampled rollout, its reward less the greedy one's | LlavaCode |
//! | alignment | cosines between projections against those between embeddings | LlavaCode |
//! | restating | a chunk's text after its soft tokens alone | xRAG's first stage |
//! | KL | full RAG's reader against the compressed one | xRAG's second stage |
//! | bag | the squared distance of a vector from the [bag](crate::bags) of its part of the chunk | the encoder's own |
//! | contrastive | the lines before the cursor against the best chunk | the encoder's own |
//!
//! A batch's chunks are embedded and projected once (burn differentiates the projector); the reader
//! gives the gradient of every soft vector; where the encoder is trained it takes the rest.

mod projector_terms;
mod reader_terms;
mod recipe;
pub mod start;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use llavacode_core::index::{chunker::parts, lexical::query_window};
use serde::Serialize;

use crate::{
    bags::{bag, bag_vectors},
    checkpoint::{Checkpoint, fingerprint},
    embed::{ChunkEncoder, EncoderInput},
    frozen::FrozenReader,
    log::RunLog,
    nn::optimizer::{Optimizer, OptimizerConfig, Schedule},
    projector::{TrainedProjector, values},
    prompts::Prompts,
    random::SplitMix64,
    samples::{Sample, SampleFile},
};

use projector_terms::Terms;
pub use projector_terms::alignment;
use reader_terms::ask_reader;
pub use recipe::Recipe;

/// What a run is started with.
#[derive(Debug, Clone, Serialize)]
pub struct CompressorOptions {
    /// Where the checkpoint and the log go.
    #[serde(skip)]
    pub out: PathBuf,
    /// SHA-256 of the samples' file.
    pub samples: String,
    /// Terms of the loss.
    pub recipe: Recipe,
    /// Whether the encoder learns too.
    pub train_encoder: bool,
    /// Seed of everything.
    pub seed: u64,
    /// Steps of the run.
    #[serde(skip)]
    pub steps: u64,
    /// Samples of a step.
    pub batch: usize,
    /// Share of samples whose target holds a name that a chunk has and nothing around the cursor.
    pub needing: f64,
    /// Learning rate of the projector at its peak.
    pub rate: f64,
    /// Of the encoder.
    pub encoder_rate: f64,
    /// Steps between checkpoints.
    #[serde(skip)]
    pub checkpoint_every: u64,
    /// Tokens of a rollout.
    pub rollout: usize,
}

/// What is trained, and what it is trained against.
pub struct Trio<'a> {
    /// Frozen.
    pub reader: &'a mut dyn FrozenReader,
    /// Trained where the options say so.
    pub encoder: &'a mut dyn ChunkEncoder,
    /// Trained.
    pub projector: &'a mut TrainedProjector,
    /// Prompts of the compressed lane.
    pub prompts: &'a Prompts,
    /// What the encoder reads.
    pub input: EncoderInput<'a>,
    /// Where burn runs the projector; with autodiff.
    pub device: Device,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Entry {
    step: u64,
    reader_loss: f64,
    alignment: f64,
    bag: f64,
    contrastive: f64,
    reward: f64,
}

/// A step's material.
struct Batch {
    samples: Vec<Sample>,
    /// The parts of all samples' chunks, one after the other, as the encoder reads them: a soft token each.
    texts: Vec<Vec<u32>>,
    /// First part of each sample.
    first_part: Vec<usize>,
}

/// Trains, or goes on training. The caller saves what was trained.
///
/// # Errors
/// If files cannot be read or written, the checkpoint is of another run or damaged, or the parts do
/// not fit.
pub fn train(trio: &mut Trio<'_>, samples: &SampleFile, options: &CompressorOptions) -> Result<()> {
    let hidden = trio.reader.hidden();
    let width = trio.projector.config.widths.last().copied().unwrap_or_default();
    ensure!(width == hidden, "the projector's vectors have {width} numbers, the reader's {hidden}");
    let adam =
        OptimizerConfig { muon: false, weight_decay: 0.0, variance: 0.98, ..OptimizerConfig::default() };
    let mut projector_optimizer = Optimizer::new(trio.projector.parameters.len(), adam);
    let muon = OptimizerConfig { weight_decay: 0.01, ..OptimizerConfig::default() };
    let encoder_parameters = trio.encoder.trained().map_or(0, |encoder| encoder.model.parameters.len());
    ensure!(!options.train_encoder || encoder_parameters > 0, "this encoder can only be used, not trained");
    let mut encoder_optimizer = Optimizer::new(encoder_parameters, muon);
    let form = &trio.projector.config;
    let mark = fingerprint(&(options, &form.widths, form.norm, trio.prompts.layout()))?;
    let folder = options.out.join("checkpoint");
    if let Some(mut checkpoint) = Checkpoint::load(&folder, &mark)? {
        restore(&mut checkpoint, "projector", &mut trio.projector.parameters, &mut projector_optimizer)?;
        if let Some(encoder) = trio.encoder.trained().filter(|_| options.train_encoder) {
            restore(&mut checkpoint, "encoder", &mut encoder.model.parameters, &mut encoder_optimizer)?;
        }
    }
    let first = projector_optimizer.step;
    let schedule =
        |peak| Schedule { peak, warm_up: options.steps * 3 / 100 + 1, steps: options.steps, decay: 0.5 };
    let mut log = RunLog::open(&options.out, first, options.steps)?;
    for step in first..options.steps {
        let batch = draw(trio, samples, options, step)?;
        let raw = trio.encoder.raw(&batch.texts);
        let pass = trio.projector.differentiate(raw, &trio.device);
        let vectors = values(pass.output.clone());
        let (reader_loss, d_vectors, reward) = ask_reader(trio, &batch, &vectors, options, step)?;

        let queries = (options.recipe.contrastive > 0.0).then(|| query_texts(trio, &batch));
        let query_raw = queries.as_ref().map(|texts| trio.encoder.raw(texts));
        let bags = if options.recipe.bag > 0.0 { Some(bag_targets(trio, &batch)?) } else { None };
        let terms = Terms { d_vectors, query_raw, bags };
        let (loss, mut entry, query_leaf) = terms.loss(&pass, &batch, trio, options);
        let gradients = pass.backward_with(loss, trio.projector, query_leaf);

        let rate = schedule(options.rate).at(step);
        let tensors = trio.projector.tensors.clone();
        projector_optimizer.update(&tensors, &mut trio.projector.parameters, &gradients.projector, rate);
        if let Some(encoder) = trio.encoder.trained().filter(|_| options.train_encoder) {
            let (mut texts, mut d_raw) = (batch.texts, gradients.raw);
            if let (Some(queries), Some(d_queries)) = (queries, gradients.queries) {
                texts.extend(queries);
                d_raw.extend(d_queries);
            }
            let d_encoder = encoder.backward(&texts, &d_raw);
            let rate = schedule(options.encoder_rate).at(step);
            let model = &mut encoder.model;
            encoder_optimizer.update(&model.decoder.layout.tensors, &mut model.parameters, &d_encoder, rate);
        }

        let done = step + 1;
        (entry.step, entry.reader_loss, entry.reward) = (done, reader_loss, reward);
        if done % 10 == 0 || done == options.steps {
            log.write(&entry)?;
        }
        log.step(done, &format!("loss {reader_loss:.3}  bag {:.3}", entry.bag));
        if done % options.checkpoint_every == 0 || done == options.steps {
            let mut checkpoint =
                Checkpoint { step: done, fingerprint: mark.clone(), vectors: Default::default() };
            keep(&mut checkpoint, "projector", &trio.projector.parameters, &projector_optimizer);
            if let Some(encoder) = trio.encoder.trained().filter(|_| options.train_encoder) {
                keep(&mut checkpoint, "encoder", &encoder.model.parameters, &encoder_optimizer);
            }
            checkpoint.save(&folder)?;
        }
    }
    Ok(())
}

fn keep(checkpoint: &mut Checkpoint, name: &str, parameters: &[f32], optimizer: &Optimizer) {
    let parts = [("", parameters), (".momentum", &optimizer.momentum), (".variance", &optimizer.variance)];
    for (part, values) in parts {
        checkpoint.vectors.insert(format!("{name}{part}"), values.to_vec());
    }
}

fn restore(
    checkpoint: &mut Checkpoint,
    name: &str,
    parameters: &mut Vec<f32>,
    optimizer: &mut Optimizer,
) -> Result<()> {
    let len = parameters.len();
    *parameters = checkpoint.take(name, len)?;
    optimizer.momentum = checkpoint.take(&format!("{name}.momentum"), len)?;
    optimizer.variance = checkpoint.take(&format!("{name}.variance"), len)?;
    optimizer.step = checkpoint.step;
    Ok(())
}

/// The samples of a step, drawn by its number alone; those without chunks teach nothing.
fn draw(trio: &Trio<'_>, samples: &SampleFile, options: &CompressorOptions, step: u64) -> Result<Batch> {
    let mut random = SplitMix64::at(options.seed, step);
    let mut batch = Batch { samples: Vec::new(), texts: Vec::new(), first_part: Vec::new() };
    let mut tries = 0;
    while batch.samples.len() < options.batch && tries < 100 * options.batch {
        tries += 1;
        let needing = random.uniform() < options.needing;
        let mut sample = samples.draw(needing, &mut random)?;
        if sample.chunks.is_empty() {
            continue;
        }
        sample.keep_some_chunks(trio.prompts.layout().top_k, &mut random);
        batch.first_part.push(batch.texts.len());
        batch.texts.extend(trio.prompts.parts(&sample).map(|part| trio.input.tokens(&part)));
        batch.samples.push(sample);
    }
    ensure!(!batch.samples.is_empty(), "no sample has a chunk: cut samples from a larger corpus");
    Ok(batch)
}

/// The lines before the cursor, as retrieval asks for them.
fn query_texts(trio: &Trio<'_>, batch: &Batch) -> Vec<Vec<u32>> {
    let windows = batch.samples.iter().map(|sample| query_window(&sample.prefix, 10));
    let parts = windows.flat_map(|window| parts(window, trio.prompts.soft_tokens()));
    parts.map(|part| trio.input.tokens(&part)).collect()
}

/// What every vector of the batch would be if it were its part's bag.
fn bag_targets(trio: &Trio<'_>, batch: &Batch) -> Result<Vec<f32>> {
    let embedding = trio.reader.embedding().context("this reader's embedding is not at hand for bags")?;
    let parts = batch.samples.iter().flat_map(|sample| trio.prompts.parts(sample));
    let bags: Vec<Vec<u32>> =
        parts.map(|part| bag(&trio.prompts.tokenizer, &part, trio.input.max_tokens)).collect();
    Ok(bag_vectors(embedding, trio.reader.hidden(), &bags))
}
