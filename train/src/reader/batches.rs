//! What a step reads: sequences drawn from the samples, as the options share them out.

use anyhow::Result;
use llavacode_core::engine::Lane;

use super::{Placements, ReaderOptions};
use crate::{
    bags::bag,
    micro_batch::{MicroBatch, micro_batches},
    prompts::{Prompts, Sequence, Weights},
    random::SplitMix64,
    samples::{Sample, SampleFile, rename_identifiers},
};

/// Bags before a restated chunk, at most.
const MOST_RESTATED: usize = 4;

/// A step's material.
#[derive(Debug, Default)]
pub(super) struct Material {
    pub(super) batches: Vec<MicroBatch>,
    /// What the soft rows read.
    pub(super) bags: Vec<Vec<u32>>,
}

/// The sequences of a step, drawn by its number alone.
pub(super) fn batch(
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
        let mut sample = samples.draw(needing, &mut random)?;
        let with_chunks = with_chunks && !sample.chunks.is_empty();
        sample.keep_some_chunks(placements.before.layout().top_k, &mut random);
        first_bags.push(bags.len());
        let sequence = if with_chunks {
            let as_bags = random.uniform() < options.bags;
            let renamed = if as_bags { options.renamed_bags } else { options.renamed };
            if random.uniform() < renamed {
                sample = rename_identifiers(&sample, &mut random).unwrap_or(sample);
            }
            let after = random.uniform() < options.after_suffix;
            let prompts = if after { &placements.after } else { &placements.before };
            if as_bags && random.uniform() < options.restated {
                sample.chunks.truncate(MOST_RESTATED);
                bags.extend(bags_of(&sample, prompts, options.chunk_tokens));
                let chunks = sample.chunks.len();
                let text = &sample.chunks[random.below(chunks)].text;
                prompts.restate(chunks, text, options.chunk_tokens, 1.0)
            } else if as_bags {
                bags.extend(bags_of(&sample, prompts, options.chunk_tokens));
                prompts.sequence(Lane::Compressed, &sample, weights)
            } else {
                prompts.sequence(Lane::FullRag, &sample, weights)
            }
        } else {
            placements.before.sequence(Lane::Base, &sample, weights)
        };
        rows += sequence.tokens.len();
        sequences.push(sequence);
    }
    Ok(Material { batches: micro_batches(&sequences, &first_bags, options.micro_batch), bags })
}

/// The bags of the chunks a sample's prompt has, one a soft token.
pub(super) fn bags_of<'a>(
    sample: &'a Sample,
    prompts: &'a Prompts,
    most: usize,
) -> impl Iterator<Item = Vec<u32>> + 'a {
    prompts.parts(sample).map(move |part| bag(&prompts.tokenizer, &part, most))
}
