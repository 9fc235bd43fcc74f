//! The terms that the frozen reader gives: cross-entropy, restating, KL, REINFORCE.

use anyhow::Result;
use llavacode_core::{
    engine::Lane,
    metrics::{edit_similarity, exact_match},
};

use super::{Batch, CompressorOptions, Trio};
use crate::{
    frozen::{Rollout, SoftBatch, Teacher},
    prompts::{Sequence, Weights},
    samples::Sample,
};

/// Everything the reader says of the vectors: the loss, its gradient, the mean reward.
pub(super) fn ask_reader(
    trio: &mut Trio<'_>,
    batch: &Batch,
    vectors: &[f32],
    options: &CompressorOptions,
    step: u64,
) -> Result<(f64, Vec<f32>, f64)> {
    let recipe = options.recipe;
    let (mut sequences, mut firsts) = (Vec::new(), Vec::new());
    let compressed: Vec<Sequence> = batch
        .samples
        .iter()
        .map(|sample| trio.prompts.sequence(Lane::Compressed, sample, Weights::COMPLETION))
        .collect();
    let own = &batch.first_part;
    let tokens: usize = compressed.iter().map(|s| s.targets.len()).sum();
    let mut teachers = Vec::new();
    if recipe.cross_entropy > 0.0 || recipe.kl > 0.0 {
        let weights = Weights { prompt: recipe.prompt as f32, completion: 1.0 };
        let weighed = |sample| trio.prompts.sequence(Lane::Compressed, sample, weights);
        let mut of_samples: Vec<Sequence> = batch.samples.iter().map(weighed).collect();
        scale_weights(&mut of_samples, recipe.cross_entropy);
        sequences.extend(of_samples);
        firsts.extend(own);
        if recipe.kl > 0.0 {
            for sample in &batch.samples {
                teachers.push(trio.prompts.sequence(Lane::FullRag, sample, Weights::COMPLETION));
            }
        }
    }
    if recipe.restate > 0.0 {
        let mut restated = restated(trio, batch);
        scale_weights(&mut restated, recipe.restate);
        teachers.extend(restated.iter().map(|_| Sequence::default()));
        firsts.extend(own.iter().copied());
        sequences.extend(restated);
    }
    let mut reward = 0.0;
    if recipe.reinforce > 0.0 {
        let asked = SoftBatch { sequences: &compressed, first_vectors: own, vectors };
        let (rollouts, advantages, mean) = rewards(trio, batch, asked, options, step)?;
        reward = mean;
        for ((i, rollout), advantage) in rollouts.into_iter().enumerate().zip(advantages) {
            let weight = recipe.reinforce * advantage / compressed.len() as f64;
            sequences.push(compressed[i].with_completion(&rollout, weight as f32));
            firsts.push(own[i]);
            teachers.push(Sequence::default());
        }
    }
    let batch = SoftBatch { sequences: &sequences, first_vectors: &firsts, vectors };
    let weight = (recipe.kl / tokens.max(1) as f64) as f32;
    let teacher = (recipe.kl > 0.0).then_some(Teacher { sequences: &teachers, weight });
    let (loss, d_vectors) = trio.reader.loss(batch, teacher)?;
    Ok((loss, d_vectors, reward))
}

/// Makes the targets' weights sum to `sum`, in proportion to what they are.
fn scale_weights(sequences: &mut [Sequence], sum: f64) {
    let targets = || sequences.iter().flat_map(|sequence| &sequence.targets);
    let before: f64 = targets().map(|target| f64::from(target.weight)).sum();
    let scale = if before > 0.0 { (sum / before) as f32 } else { 0.0 };
    let targets = sequences.iter_mut().flat_map(|sequence| &mut sequence.targets);
    targets.for_each(|target| target.weight *= scale);
}

/// Each sample's best chunk after its own soft tokens.
fn restated(trio: &Trio<'_>, batch: &Batch) -> Vec<Sequence> {
    let texts = batch.samples.iter().map(|sample| &sample.chunks[0].text);
    texts.map(|text| trio.prompts.restate(1, text, trio.input.max_tokens, 1.0)).collect()
}

/// Rollouts, the weight of each one's log-probability, and the mean reward (EM + ES).
fn rewards(
    trio: &mut Trio<'_>,
    batch: &Batch,
    asked: SoftBatch<'_>,
    options: &CompressorOptions,
    step: u64,
) -> Result<(Vec<Vec<u32>>, Vec<f64>, f64)> {
    let (end, tokenizer) = (trio.prompts.end(), trio.prompts.tokenizer.clone());
    let stop = |token: u32| token == end || tokenizer.token_bytes(token).contains(&b'\n');
    let reward = |tokens: &Vec<u32>, sample: &Sample| {
        let text = tokenizer.decode(tokens);
        f64::from(exact_match(&text, &sample.target)) + edit_similarity(&text, &sample.target)
    };
    let score = |rollouts: &[Vec<u32>]| -> Vec<f64> {
        rollouts.iter().zip(&batch.samples).map(|(tokens, sample)| reward(tokens, sample)).collect()
    };
    let greedy = trio.reader.rollout(asked, options.rollout, Rollout::Greedy, &stop)?;
    let greedy_rewards = score(&greedy);
    let mean = greedy_rewards.iter().sum::<f64>() / greedy_rewards.len().max(1) as f64;
    let (mut rollouts, advantages) = if options.recipe.scst {
        let how = Rollout::Sampled(options.seed ^ step);
        let sampled = trio.reader.rollout(asked, options.rollout, how, &stop)?;
        let gains = score(&sampled).iter().zip(&greedy_rewards).map(|(s, g)| s - g).collect();
        (sampled, gains)
    } else {
        (greedy, greedy_rewards)
    };
    // Ending is a choice too.
    rollouts.iter_mut().for_each(|tokens| tokens.push(end));
    Ok((rollouts, advantages, mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::Target;

    #[test]
    fn weights_are_scaled_together() {
        let sequence = |weights: &[f32]| Sequence {
            targets: weights.iter().map(|&weight| Target { row: 0, token: 0, weight }).collect(),
            ..Sequence::default()
        };
        let mut sequences = [sequence(&[1.0, 0.25]), sequence(&[]), sequence(&[0.75])];
        scale_weights(&mut sequences, 3.0);
        assert_eq!(sequences, [sequence(&[1.5, 0.375]), sequence(&[]), sequence(&[1.125])]);
        let mut none = [sequence(&[0.0])];
        scale_weights(&mut none, 1.0);
        assert_eq!(none, [sequence(&[0.0])], "nothing is divided by nought");
    }
}
