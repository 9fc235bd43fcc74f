//! The frozen reader: losses with gradients for soft vectors, and rollouts.
//!
//! [`FrozenReader`] is what training a projector needs of a reader. The engine implements it for
//! pico ([`EngineReader`]); [`crate::burn_reader`] for any checkpoint on any of burn's devices.

use std::sync::Mutex;

use anyhow::Result;

use crate::{
    micro_batch::{MicroBatch, micro_batches},
    model::Model,
    nn::{decode::Pick, decoder::Tape, ops, parallel::Workers},
    prompts::Sequence,
    random::SplitMix64,
};

/// Sequences, and at which of the step's vectors each one's own begin.
#[derive(Debug, Clone, Copy)]
pub struct SoftBatch<'a> {
    /// The sequences.
    pub sequences: &'a [Sequence],
    /// One a sequence.
    pub first_vectors: &'a [usize],
    /// `[n, hidden]`.
    pub vectors: &'a [f32],
}

/// A teacher for a Kullback-Leibler term: the same completions behind other prompts, full RAG's.
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a> {
    /// One a sequence of the batch; none where its `targets` are empty.
    pub sequences: &'a [Sequence],
    /// Weight of KL(teacher ‖ student) on every target.
    pub weight: f32,
}

/// How a rollout picks tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rollout {
    /// The likeliest.
    Greedy,
    /// Temperature 0.9, top-p 0.9 (the paper's code), from a seed.
    Sampled(u64),
}

/// A reader whose parameters stay.
pub trait FrozenReader {
    /// Width of a soft vector.
    fn hidden(&self) -> usize;

    /// Input vectors of all tokens, `[vocabulary, hidden]`, where they are at hand.
    fn embedding(&self) -> Option<&[f32]> {
        None
    }

    /// The weighted sum of the targets' cross-entropies, plus the teacher's term, and its gradient
    /// for every vector.
    ///
    /// # Errors
    /// Those of the device.
    fn loss(&mut self, batch: SoftBatch<'_>, teacher: Option<Teacher<'_>>) -> Result<(f64, Vec<f32>)>;

    /// Completes each sequence's prompt with at most `most` tokens; a token in `stop` ends it and
    /// is not kept.
    ///
    /// # Errors
    /// Those of the device.
    fn rollout(
        &mut self,
        batch: SoftBatch<'_>,
        most: usize,
        how: Rollout,
        stop: &(dyn Fn(u32) -> bool + Sync),
    ) -> Result<Vec<Vec<u32>>>;
}

/// The engine's reader.
#[derive(Debug)]
pub struct EngineReader {
    /// The model.
    pub model: Model,
    workers: Workers<f32, Tape<f32>>,
    micro_batch: usize,
}

impl EngineReader {
    /// On all processors.
    pub fn new(model: Model, micro_batch: usize) -> Self {
        Self { model, workers: Workers::of_machine(), micro_batch }
    }

    /// Logits of every target of some sequences without soft vectors, sequence by sequence.
    pub(crate) fn target_logits(&mut self, sequences: &[Sequence]) -> Vec<Vec<f32>> {
        let batches = micro_batches(sequences, &[], self.micro_batch);
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let found = Mutex::new(vec![Vec::new(); sequences.len()]);
        self.workers.run(&batches, 0, |batch, worker| {
            decoder.forward(parameters, batch.input(&[]), &mut worker.scratch);
            for (&number, rows) in batch.numbers.iter().zip(rows_by_sequence(batch)) {
                let logits = decoder.logits(parameters, &rows, &worker.scratch);
                if let Ok(mut found) = found.lock() {
                    found[number] = logits;
                }
            }
            [0.0]
        });
        found.into_inner().unwrap_or_default()
    }
}

/// What an evaluation asks of one sequence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// Mean cross-entropy of the targets, in nats a token.
    pub cross_entropy: f64,
    /// What the reader decodes after the prompt, greedily.
    pub completion: Vec<u32>,
}

impl EngineReader {
    /// Judges sequences of a prompt and its true completion, each in one pass: attention is causal,
    /// so what the prompt's rows hold does not depend on the completion behind them.
    pub fn judge(
        &mut self,
        batch: SoftBatch<'_>,
        most: usize,
        stop: &(dyn Fn(u32) -> bool + Sync),
    ) -> Vec<Judged> {
        let batches = micro_batches(batch.sequences, batch.first_vectors, self.micro_batch);
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let vocabulary = decoder.shape.vocabulary;
        let found = Mutex::new(vec![Judged::default(); batch.sequences.len()]);
        self.workers.run(&batches, 0, |micro, worker| {
            let tape = &mut worker.scratch;
            decoder.forward(parameters, micro.input(batch.vectors), tape);
            let targets = micro.numbers.iter().zip(&micro.starts).zip(rows_by_sequence(micro));
            for ((&number, &start), rows) in targets {
                let sequence = &batch.sequences[number];
                let mut logits = decoder.logits(parameters, &rows, tape);
                // The first target is predicted by the prompt's last row.
                let first = logits[..vocabulary].to_vec();
                let each = logits.chunks_exact_mut(vocabulary).zip(&sequence.targets);
                let sum: f64 =
                    each.map(|(row, t)| f64::from(ops::cross_entropy(row, t.token as usize, 1.0))).sum();
                let mut cache = decoder.cache(tape, start, sequence.prompt);
                let completion =
                    decoder.generate(parameters, &mut cache, first, most, &mut Pick::Greedy, stop);
                if let Ok(mut found) = found.lock() {
                    found[number] = Judged { cross_entropy: sum / rows.len() as f64, completion };
                }
            }
            [0.0]
        });
        found.into_inner().unwrap_or_default()
    }
}

/// Target rows of each sequence of a micro-batch.
fn rows_by_sequence(batch: &MicroBatch) -> impl Iterator<Item = Vec<usize>> {
    batch.starts.iter().zip(&batch.lengths).map(|(&start, &len)| {
        batch.targets.iter().map(|t| t.row).filter(|row| (start..start + len).contains(row)).collect()
    })
}

impl FrozenReader for EngineReader {
    fn hidden(&self) -> usize {
        self.model.decoder.shape.hidden
    }

    fn embedding(&self) -> Option<&[f32]> {
        Some(&self.model.parameters[self.model.decoder.layout.embedding.clone()])
    }

    fn loss(&mut self, batch: SoftBatch<'_>, teacher: Option<Teacher<'_>>) -> Result<(f64, Vec<f32>)> {
        let taught = teacher.map(|teacher| (self.target_logits(teacher.sequences), teacher.weight));
        let batches = micro_batches(batch.sequences, batch.first_vectors, self.micro_batch);
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let vocabulary = decoder.shape.vocabulary;
        let ([loss], gradients) = self.workers.run(&batches, batch.vectors.len(), |micro, worker| {
            // The worker's gradients are those of the vectors here.
            let (tape, d_vectors) = (&mut worker.scratch, &mut worker.gradients);
            decoder.forward(parameters, micro.input(batch.vectors), tape);
            decoder.clear_gradient(tape);
            let places = places_by_target(micro);
            let loss = decoder.head_loss(parameters, &micro.target_rows(), tape, None, |i, logits| {
                let target = &micro.targets[i];
                let (number, place) = places[i];
                let teacher = taught.as_ref().and_then(|(logits, weight)| {
                    Some((logits.get(number)?.get(place * vocabulary..(place + 1) * vocabulary)?, *weight))
                });
                with_teacher(logits, target.token as usize, target.weight, teacher)
            });
            decoder.backward(parameters, micro.input(batch.vectors), tape, None, d_vectors);
            [loss]
        });
        Ok((loss, gradients.to_vec()))
    }

    fn rollout(
        &mut self,
        batch: SoftBatch<'_>,
        most: usize,
        how: Rollout,
        stop: &(dyn Fn(u32) -> bool + Sync),
    ) -> Result<Vec<Vec<u32>>> {
        let prompts: Vec<Sequence> = batch.sequences.iter().map(Sequence::prompt_only).collect();
        let batches = micro_batches(&prompts, batch.first_vectors, self.micro_batch);
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let found = Mutex::new(vec![Vec::new(); prompts.len()]);
        self.workers.run(&batches, 0, |micro, worker| {
            decoder.forward(parameters, micro.input(batch.vectors), &mut worker.scratch);
            for ((&number, &start), &len) in micro.numbers.iter().zip(&micro.starts).zip(&micro.lengths) {
                let logits = decoder.logits(parameters, &[start + len - 1], &worker.scratch);
                let mut cache = decoder.cache(&worker.scratch, start, len);
                let mut random =
                    SplitMix64::at(if let Rollout::Sampled(seed) = how { seed } else { 0 }, number as u64);
                let mut pick = match how {
                    Rollout::Greedy => Pick::Greedy,
                    Rollout::Sampled(_) => Pick::Sample { temperature: 0.9, top_p: 0.9, random: &mut random },
                };
                let tokens = decoder.generate(parameters, &mut cache, logits, most, &mut pick, stop);
                if let Ok(mut found) = found.lock() {
                    found[number] = tokens;
                }
            }
            [0.0]
        });
        Ok(found.into_inner().unwrap_or_default())
    }
}

/// Sequence, and number within it, of each target of a micro-batch.
pub(crate) fn places_by_target(batch: &MicroBatch) -> Vec<(usize, usize)> {
    let mut places = Vec::with_capacity(batch.targets.len());
    for (&number, rows) in batch.numbers.iter().zip(rows_by_sequence(batch)) {
        places.extend((0..rows.len()).map(|place| (number, place)));
    }
    places
}

/// Cross-entropy of weight `weight`, plus `KL(teacher ‖ student)`; overwrites the logits by the
/// gradient.
fn with_teacher(logits: &mut [f32], target: usize, weight: f32, teacher: Option<(&[f32], f32)>) -> f32 {
    let Some((teacher, kl)) = teacher else {
        return weight * ops::cross_entropy(logits, target, weight);
    };
    let mut theirs = teacher.to_vec();
    let their_sum = ops::softmax(&mut theirs);
    let student = logits.to_vec();
    let entropy = ops::cross_entropy(logits, target, weight + kl);
    let sum = entropy + student[target];
    let mut divergence = 0.0;
    for (((d, &p), &s), &t) in logits.iter_mut().zip(&theirs).zip(&student).zip(teacher) {
        *d -= kl * p;
        divergence += p * ((t - their_sum) - (s - sum));
    }
    // `cross_entropy` took the whole weight off at the target; the teacher's part goes elsewhere.
    logits[target] += kl;
    weight * entropy + kl * divergence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_teachers_gradient_agrees_with_finite_differences() {
        let mut random = SplitMix64::new(5);
        let mut draw = || (0..9).map(|_| random.normal() as f32).collect::<Vec<_>>();
        let (x, teacher) = (draw(), draw());
        let value = |x: &[f32]| with_teacher(&mut x.to_vec(), 4, 0.3, Some((&teacher, 0.8)));
        let mut gradient = x.clone();
        with_teacher(&mut gradient, 4, 0.3, Some((&teacher, 0.8)));
        for i in 0..9 {
            let mut moved = x.clone();
            moved[i] += 1e-2;
            let above = value(&moved);
            moved[i] -= 2e-2;
            let difference = (above - value(&moved)) / 2e-2;
            assert!((difference - gradient[i]).abs() < 2e-4, "{i}: {} {difference}", gradient[i]);
        }
        let same = with_teacher(&mut teacher.clone(), 0, 0.0, Some((&teacher, 1.0)));
        assert!(same.abs() < 1e-5, "a reader does not differ from itself: {same}");
    }
}
