//! How well the reader completes held-out lines, in each lane.

use anyhow::Result;
use llavacode_core::engine::Lane;
use serde::Serialize;

use super::{Placements, ReaderOptions, batches::bags_of};
use crate::{
    bags::bag_vectors,
    micro_batch::{MicroBatch, micro_batches},
    model::Model,
    nn::{decoder::Tape, ops, parallel::Workers},
    prompts::{Prompts, Sequence, Weights},
    random::SplitMix64,
    samples::{Sample, SampleFile, rename_identifiers},
};

/// Cross-entropy of the completions of held-out samples, in nats a token.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Validation {
    pub(super) step: u64,
    pub(super) base: f64,
    pub(super) full_rag_before_prefix: f64,
    pub(super) full_rag_after_suffix: f64,
    pub(super) bags_before_prefix: f64,
    pub(super) bags_after_suffix: f64,
    /// The same where identifiers are renamed: how well names are looked up.
    pub(super) renamed_base: f64,
    pub(super) renamed_full_rag: f64,
    pub(super) renamed_bags: f64,
    /// The same for samples that need a name only a chunk has.
    pub(super) needing_base: f64,
    pub(super) needing_full_rag: f64,
    pub(super) needing_bags: f64,
}

/// Measures every lane on held-out samples.
pub(super) fn validate(
    model: &Model,
    placements: &Placements,
    samples: &SampleFile,
    step: u64,
    options: &ReaderOptions,
    workers: &mut Workers<f32, Tape<f32>>,
) -> Result<Validation> {
    const SAMPLES: usize = 256;
    let (natural, needing) = (samples.first(SAMPLES)?, samples.needing_context(SAMPLES)?);
    let mut random = SplitMix64::new(options.seed);
    let renamed: Vec<Sample> =
        natural.iter().filter_map(|sample| rename_identifiers(sample, &mut random)).collect();
    let embedding = &model.parameters[model.decoder.layout.embedding.clone()];
    let mut entropy = |samples: &[Sample], prompts: &Prompts, lane| {
        let (mut bags, mut first_bags) = (Vec::new(), Vec::new());
        for sample in samples {
            first_bags.push(bags.len());
            bags.extend(bags_of(sample, prompts, options.chunk_tokens));
        }
        let vectors = bag_vectors(embedding, model.decoder.shape.hidden, &bags);
        let sequence = |sample| prompts.sequence(lane, sample, Weights::COMPLETION);
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
