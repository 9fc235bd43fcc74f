//! Step `reader`: next-token and fill-in-the-middle training with retrieved chunks in the prompt.
//!
//! Every sequence is a prompt of the page: of the lane `base`, or of `full_rag` in one of the two
//! placements, with one to ten chunks; or laid out as in `compressed`, with a [bag](crate::bags) in
//! each chunk's place. A part is bags and the text of one of them: in a completion few words come
//! from a chunk, here every name does. The loss is on every token; the completion's count more. In
//! part of the samples the identifiers that the completion shares with a chunk are renamed at
//! random, so that looking them up in the context is the only way to know them: it brings copying
//! forward.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use anyhow::{Context, Result};
use llavacode_core::{config::ContextPlacement, engine::Lane, tokenize::Tokenizer};
use serde::Serialize;

use crate::{
    bags::{bag, bag_gradients, bag_vectors},
    checkpoint::{Checkpoint, fingerprint},
    log::RunLog,
    micro_batch::{MicroBatch, micro_batches},
    model::Model,
    nn::{
        decoder::Tape,
        ops,
        optimizer::{Optimizer, OptimizerConfig, Schedule},
        parallel::Workers,
    },
    prompts::{Prompts, Sequence, Weights, pico_prompt},
    random::SplitMix64,
    samples::{Sample, SampleFile, needs_context, rename_identifiers},
};

/// Bags before a restated chunk, at most.
const MOST_RESTATED: usize = 4;
/// Samples looked at for one that needs its chunks: about one in ten does.
const MOST_LOOKED_AT: usize = 64;

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
    /// Pico's budgets in both, with so many soft tokens a chunk.
    ///
    /// # Errors
    /// If the tokenizer lacks a special token.
    pub fn new(tokenizer: Arc<Tokenizer>, soft_tokens: NonZeroUsize) -> Result<Self> {
        let prompts = |placement| Prompts::new(Arc::clone(&tokenizer), pico_prompt(placement, soft_tokens));
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

#[derive(Debug, Clone, Copy, Serialize)]
struct Validation {
    step: u64,
    base: f64,
    full_rag_before_prefix: f64,
    full_rag_after_suffix: f64,
    bags_before_prefix: f64,
    bags_after_suffix: f64,
    /// The same where identifiers are renamed: how well names are looked up.
    renamed_base: f64,
    renamed_full_rag: f64,
    renamed_bags: f64,
    /// The same for samples that need a name only a chunk has.
    needing_base: f64,
    needing_full_rag: f64,
    needing_bags: f64,
}

/// A step's material.
#[derive(Debug, Default)]
struct Material {
    batches: Vec<MicroBatch>,
    /// What the soft rows read.
    bags: Vec<Vec<u32>>,
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
    let soft_tokens = placements.before.soft_tokens();
    let mark = fingerprint(&(options, model.decoder.shape.vocabulary, len, soft_tokens))?;
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

fn save(
    folder: &std::path::Path,
    mark: &str,
    model: &Model,
    optimizer: &Optimizer,
    tokens: u64,
) -> Result<()> {
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

/// The sequences of a step, drawn by its number alone.
fn batch(
    placements: &Placements,
    samples: &SampleFile,
    options: &ReaderOptions,
    step: u64,
) -> Result<Material> {
    let mut random = SplitMix64::at(options.seed, step);
    let weights = Weights { prompt: 1.0, completion: options.completion_weight };
    let (mut sequences, mut rows) = (Vec::<Sequence>::new(), 0);
    let (mut bags, mut first_bags) = (Vec::new(), Vec::new());
    while rows < options.tokens && !samples.is_empty() {
        let with_chunks = random.uniform() < options.with_chunks;
        let needing = with_chunks && random.uniform() < options.needing;
        let mut sample = draw(samples, needing, &mut random)?;
        let with_chunks = with_chunks && !sample.chunks.is_empty();
        first_bags.push(bags.len());
        let sequence = if with_chunks {
            let as_bags = random.uniform() < options.bags;
            let renamed = if as_bags { options.renamed_bags } else { options.renamed };
            if random.uniform() < renamed {
                sample = rename_identifiers(&sample, &mut random).unwrap_or(sample);
            }
            let most = sample.chunks.len();
            let chunks = if needing { most } else { 1 + random.below(most) };
            let after = random.uniform() < options.after_suffix;
            let prompts = if after { &placements.after } else { &placements.before };
            if as_bags && random.uniform() < options.restated {
                let chunks = chunks.min(MOST_RESTATED);
                bags.extend(bags_of(&sample, chunks, prompts, options.chunk_tokens));
                let text = &sample.chunks[random.below(chunks)].text;
                prompts.restate(chunks, text, options.chunk_tokens, 1.0)
            } else if as_bags {
                bags.extend(bags_of(&sample, chunks, prompts, options.chunk_tokens));
                prompts.sequence(Lane::Compressed, &sample, chunks, weights)
            } else {
                prompts.sequence(Lane::FullRag, &sample, chunks, weights)
            }
        } else {
            placements.before.sequence(Lane::Base, &sample, 0, weights)
        };
        rows += sequence.tokens.len();
        sequences.push(sequence);
    }
    Ok(Material { batches: micro_batches(&sequences, &first_bags, options.micro_batch), bags })
}

/// A sample, `needing` its chunks if that is asked for and one is found.
fn draw(samples: &SampleFile, needing: bool, random: &mut SplitMix64) -> Result<Sample> {
    let mut sample = samples.get(random.below(samples.len()))?;
    for _ in 1..MOST_LOOKED_AT {
        if !needing || needs_context(&sample) {
            break;
        }
        sample = samples.get(random.below(samples.len()))?;
    }
    Ok(sample)
}

/// The bags of a sample's first `chunks` chunks, one a soft token.
fn bags_of<'a>(
    sample: &'a Sample,
    chunks: usize,
    prompts: &'a Prompts,
    most: usize,
) -> impl Iterator<Item = Vec<u32>> + 'a {
    prompts.parts(sample, chunks).map(move |part| bag(&prompts.tokenizer, part, most))
}

fn validate(
    model: &Model,
    placements: &Placements,
    samples: &SampleFile,
    step: u64,
    options: &ReaderOptions,
    workers: &mut Workers<f32, Tape<f32>>,
) -> Result<Validation> {
    const SAMPLES: usize = 256;
    const CHUNKS: usize = 10;
    let (natural, needing) = (samples.first(SAMPLES)?, samples.needing_context(SAMPLES)?);
    let mut random = SplitMix64::new(options.seed);
    let renamed: Vec<Sample> =
        natural.iter().filter_map(|sample| rename_identifiers(sample, &mut random)).collect();
    let embedding = &model.parameters[model.decoder.layout.embedding.clone()];
    let mut entropy = |samples: &[Sample], prompts: &Prompts, lane| {
        let (mut bags, mut first_bags) = (Vec::new(), Vec::new());
        for sample in samples {
            first_bags.push(bags.len());
            bags.extend(bags_of(sample, CHUNKS, prompts, options.chunk_tokens));
        }
        let vectors = bag_vectors(embedding, model.decoder.shape.hidden, &bags);
        let sequence = |sample| prompts.sequence(lane, sample, CHUNKS, Weights::COMPLETION);
        let sequences: Vec<Sequence> = samples.iter().map(sequence).collect();
        let batches = micro_batches(&sequences, &first_bags, options.micro_batch);
        cross_entropy(model, &batches, &vectors, workers)
    };
    let Placements { before, after } = placements;
    Ok(Validation {
        step,
        base: entropy(&natural, before, Lane::Base),
        full_rag_before_prefix: entropy(&natural, before, Lane::FullRag),
        full_rag_after_suffix: entropy(&natural, after, Lane::FullRag),
        bags_before_prefix: entropy(&natural, before, Lane::Compressed),
        bags_after_suffix: entropy(&natural, after, Lane::Compressed),
        renamed_base: entropy(&renamed, before, Lane::Base),
        renamed_full_rag: entropy(&renamed, before, Lane::FullRag),
        renamed_bags: entropy(&renamed, before, Lane::Compressed),
        needing_base: entropy(&needing, before, Lane::Base),
        needing_full_rag: entropy(&needing, before, Lane::FullRag),
        needing_bags: entropy(&needing, before, Lane::Compressed),
    })
}

/// Mean cross-entropy of the targets, in nats a token.
pub fn cross_entropy(
    model: &Model,
    batches: &[MicroBatch],
    vectors: &[f32],
    workers: &mut Workers<f32, Tape<f32>>,
) -> f64 {
    let (decoder, parameters) = (&model.decoder, &model.parameters);
    let ([sum, count], _) = workers.run(batches, 0, |batch, worker| {
        let tape = &mut worker.scratch;
        decoder.forward(parameters, batch.input(vectors), tape);
        let vocabulary = decoder.shape.vocabulary;
        let mut logits = decoder.logits(parameters, &batch.target_rows(), tape);
        let rows = logits.chunks_exact_mut(vocabulary).zip(&batch.targets);
        let sum = rows.map(|(row, t)| f64::from(ops::cross_entropy(row, t.token as usize, 1.0))).sum();
        [sum, batch.targets.len() as f64]
    });
    sum / count.max(1.0)
}
