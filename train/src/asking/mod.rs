//! What a frozen reader says of lines: their cross-entropies, and the gradients of soft vectors, or of the
//! factors of an adapter.
//!
//! | file | holds |
//! |---|---|
//! | this | the reader |
//! | [`task`] | prompts and what is to be predicted behind them |
//! | [`taught`] | what a teacher says of a line |
//! | [`cost`] | nats of many lines, by lane |
//!
//! Terms of the loss:
//!
//! | term | of |
//! |---|---|
//! | cross-entropy | each true token |
//! | KL | the teacher's likeliest tokens, all others as one, against the pupil's |
//! | hidden states | `‖pupil − teacher‖² / ‖teacher‖²` after the final norm, token by token |

pub mod cost;
pub mod task;
pub mod taught;

use std::sync::{Arc, Mutex};

use llavacode_core::tokenize::Tokenizer;
use serde::Serialize;

use self::{
    task::Task,
    taught::{TOP, Taught},
};
use crate::{
    frozen::places_by_target,
    micro_batch::{MicroBatch, micro_batches},
    model::Model,
    nn::{decoder::Tape, ops, parallel::Workers},
    prompts::Sequence,
};

/// A frozen reader.
#[derive(Debug)]
pub struct Asking {
    model: Model,
    tokenizer: Arc<Tokenizer>,
    workers: Workers<f32, Tape<f32>>,
    micro_batch: usize,
}

/// Weights of a teacher's terms beside cross-entropy, of tasks that have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Terms {
    /// KL(teacher ‖ pupil).
    pub kl: f32,
    /// The distance of hidden states.
    pub hidden: f32,
}

/// What it said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// −ln of each task's completion, among completions that begin with what is held.
    pub nats: Vec<f64>,
    /// Gradient of the weighted sum, like the vectors; empty where it was not asked for.
    pub d_vectors: Vec<f32>,
    /// The same for the factors of the model's adapter; empty without one.
    pub d_factors: Vec<f32>,
}

impl Asking {
    /// Asks on so many threads, each of which reads about `micro_batch` rows at once.
    pub fn new(model: Model, tokenizer: Arc<Tokenizer>, threads: usize, micro_batch: usize) -> Self {
        Self { model, tokenizer, workers: Workers::new(threads), micro_batch }
    }

    /// Width of a soft vector.
    pub fn hidden(&self) -> usize {
        self.model.decoder.shape.hidden
    }

    /// Input vectors of all tokens, `[vocabulary, hidden]`.
    pub fn embedding(&self) -> &[f32] {
        &self.model.parameters[self.model.decoder.layout.embedding.clone()]
    }

    /// Root mean square of the tokens' input vectors' numbers.
    pub fn embedding_scale(&self) -> f64 {
        let embedding = self.embedding();
        let squares: f64 = embedding.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        (squares / embedding.len() as f64).sqrt()
    }

    /// Asks for every task; `vectors` are `[n, hidden]`. With `terms` it gives gradients too.
    ///
    /// The weights need none, but for an adapter's.
    pub fn ask(&mut self, tasks: &[Task], vectors: &[f32], terms: Option<Terms>) -> Asked {
        let sequences: Vec<Sequence> = tasks.iter().map(|task| task.sequence.clone()).collect();
        let batches = micro_batches(&sequences, &[], self.micro_batch);
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let tokenizer = &self.tokenizer;
        let nats = Mutex::new(vec![0.0; tasks.len()]);
        let factors = decoder.adapter().map_or(0, |adapter| adapter.len);
        let wanted = if terms.is_some() { vectors.len() + factors } else { 0 };
        let (_, gradients) = self.workers.run(&batches, wanted, |micro, worker| {
            let tape = &mut worker.scratch;
            decoder.forward(parameters, micro.input(vectors), tape);
            let places = places_by_target(micro);
            let mut found = vec![0.0; micro.targets.len()];
            let rows = micro.target_rows();
            let mut judge = |at: usize, logits: &mut [f32], kl: f32| {
                let (number, place) = places[at];
                let (task, target) = (&tasks[number], micro.targets[at]);
                task.hold(tokenizer, place, logits);
                let top = task.taught.as_ref().filter(|_| kl > 0.0).map(|taught| taught.top(place));
                let (nats, loss) = loss(logits, target.token as usize, target.weight, top, kl);
                found[at] = f64::from(nats);
                loss
            };
            if let Some(Terms { kl, hidden }) = terms {
                decoder.clear_gradient(tape);
                decoder.head_loss(parameters, &rows, tape, None, |at, logits| judge(at, logits, kl));
                if hidden > 0.0 {
                    let states = decoder.normed_rows(parameters, &rows, tape);
                    let d_states = d_distance(&states, tasks, &places, micro, hidden);
                    decoder.normed_rows_backward(parameters, &rows, &d_states, tape, None);
                }
                let (d_vectors, d_factors) = worker.gradients.split_at_mut(vectors.len());
                let d_factors = (factors > 0).then_some(d_factors);
                decoder.backward(parameters, micro.input(vectors), tape, d_factors, d_vectors);
            } else {
                for (at, row) in rows.iter().enumerate() {
                    judge(at, &mut decoder.logits(parameters, &[*row], tape), 0.0);
                }
            }
            if let Ok(mut nats) = nats.lock() {
                places.iter().zip(found).for_each(|(&(task, _), found)| nats[task] += found);
            }
            [0.0]
        });
        let (d_vectors, d_factors) = gradients.split_at(vectors.len().min(gradients.len()));
        let (d_vectors, d_factors) = (d_vectors.to_vec(), d_factors.to_vec());
        Asked { nats: nats.into_inner().unwrap_or_default(), d_vectors, d_factors }
    }
}

impl Asking {
    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The factors of the model's adapter; empty without one.
    pub fn factors_mut(&mut self) -> &mut [f32] {
        let own = self.model.decoder.layout.len;
        &mut self.model.parameters[own..]
    }

    /// The weighted mean of the targets' nats, of sequences without soft vectors, and its gradient for the
    /// factors of the model's adapter.
    pub fn adapt(&mut self, sequences: &[Sequence]) -> (f64, Vec<f32>) {
        let batches = micro_batches(sequences, &[], self.micro_batch);
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let weight: f64 = batches.iter().flat_map(|b| &b.targets).map(|t| f64::from(t.weight)).sum();
        let factors = decoder.adapter().map_or(0, |adapter| adapter.len);
        let ([loss], gradients) = self.workers.run(&batches, factors, |micro, worker| {
            let (tape, gradients) = (&mut worker.scratch, &mut worker.gradients);
            decoder.forward(parameters, micro.input(&[]), tape);
            decoder.clear_gradient(tape);
            let loss = decoder.head_loss(parameters, &micro.target_rows(), tape, None, |at, logits| {
                let target = &micro.targets[at];
                let share = (f64::from(target.weight) / weight) as f32;
                share * ops::cross_entropy(logits, target.token as usize, share)
            });
            decoder.backward(parameters, micro.input(&[]), tape, Some(gradients), &mut []);
            [loss]
        });
        (loss, gradients.to_vec())
    }

    /// What it says of tasks without soft vectors, for a pupil: see [`Taught`]. What costs without chunks
    /// is left at nought.
    pub fn teach(&mut self, tasks: &[Task]) -> Vec<Taught> {
        let sequences: Vec<Sequence> = tasks.iter().map(|task| task.sequence.clone()).collect();
        let batches = micro_batches(&sequences, &[], self.micro_batch);
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let tokenizer = &self.tokenizer;
        let taught = Mutex::new(vec![Taught::default(); tasks.len()]);
        self.workers.run(&batches, 0, |micro, worker| {
            decoder.forward(parameters, micro.input(&[]), &mut worker.scratch);
            let mut found = vec![Taught::default(); tasks.len()];
            for (&(number, place), target) in places_by_target(micro).iter().zip(&micro.targets) {
                let rows = [target.row];
                let mut log_p = decoder.logits(parameters, &rows, &worker.scratch);
                tasks[number].hold(tokenizer, place, &mut log_p);
                let sum = ops::softmax(&mut log_p.clone());
                log_p.iter_mut().for_each(|x| *x -= sum);
                let mut ids: Vec<u32> = (0..log_p.len() as u32).collect();
                let likelier = |a: &u32, b: &u32| log_p[*b as usize].total_cmp(&log_p[*a as usize]);
                ids.select_nth_unstable_by(TOP.min(log_p.len()) - 1, likelier);
                // As many of every token, whatever is held.
                let top = ids.into_iter().chain(std::iter::repeat(0)).take(TOP).collect::<Vec<u32>>();
                let of = &mut found[number];
                of.nats -= log_p[target.token as usize];
                of.log_p.extend(top.iter().map(|&id| log_p[id as usize]));
                of.ids.extend(top);
                of.hidden.extend(decoder.normed_rows(parameters, &rows, &worker.scratch));
            }
            if let Ok(mut taught) = taught.lock() {
                for &number in &micro.numbers {
                    taught[number] = std::mem::take(&mut found[number]);
                }
            }
            [0.0]
        });
        taught.into_inner().unwrap_or_default()
    }
}

/// Cross-entropy of `target`, and the loss: `weight · (cross-entropy + kl · KL)`. Overwrites the logits
/// by the loss's gradient.
fn loss(
    logits: &mut [f32],
    target: usize,
    weight: f32,
    top: Option<(&[u32], &[f32])>,
    kl: f32,
) -> (f32, f32) {
    let at_target = logits[target];
    let Some((ids, log_p)) = top else {
        let nats = ops::cross_entropy(logits, target, weight);
        return (nats, weight * nats);
    };
    let said: Vec<f32> = ids.iter().map(|&id| logits[id as usize]).collect();
    let sum = ops::softmax(logits);
    let nats = sum - at_target;
    let pupil: f32 = ids.iter().map(|&id| logits[id as usize]).sum();
    let teacher: f32 = log_p.iter().map(|p| p.exp()).sum();
    let [theirs, ours] = [teacher, pupil].map(|top| (1.0 - top).max(1e-6));
    let mut divergence = theirs * (theirs / ours).ln();
    // What is held leaves some tokens no probability.
    for (&log_p, &said) in log_p.iter().zip(&said).filter(|(log_p, _)| log_p.is_finite()) {
        divergence += log_p.exp() * (log_p - (said - sum));
    }
    // Of a token beyond the likeliest, whose share of the rest is the pupil's own.
    let rest = weight * (1.0 + kl * (1.0 - theirs / ours));
    let at_top: Vec<f32> = ids
        .iter()
        .zip(log_p)
        .map(|(&id, log_p)| weight * (logits[id as usize] + kl * (logits[id as usize] - log_p.exp())))
        .collect();
    logits.iter_mut().for_each(|p| *p *= rest);
    ids.iter().zip(at_top).for_each(|(&id, d)| logits[id as usize] = d);
    logits[target] -= weight;
    (nats, weight * (nats + kl * divergence))
}

/// Gradient of `hidden · weight · ‖state − teacher's‖² / ‖teacher's‖²`; nought where there is no teacher.
fn d_distance(
    states: &[f32],
    tasks: &[Task],
    places: &[(usize, usize)],
    micro: &MicroBatch,
    hidden: f32,
) -> Vec<f32> {
    let width = states.len() / places.len().max(1);
    let mut gradient = vec![0.0; states.len()];
    let rows = gradient.chunks_exact_mut(width).zip(states.chunks_exact(width));
    for (((d, state), &(number, place)), target) in rows.zip(places).zip(&micro.targets) {
        let Some(taught) = &tasks[number].taught else { continue };
        let theirs = &taught.hidden[place * width..][..width];
        let size: f32 = theirs.iter().map(|x| x * x).sum();
        let scale = 2.0 * hidden * target.weight / size.max(1e-12);
        d.iter_mut().zip(state).zip(theirs).for_each(|((d, x), t)| *d = scale * (x - t));
    }
    gradient
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn the_losss_gradient_agrees_with_finite_differences() {
        let random = &mut SplitMix64::new(91);
        let x: Vec<f32> = (0..9).map(|_| random.normal() as f32).collect();
        let ids = [6, 2, 3];
        let log_p = [0.4f32, 0.25, 0.0].map(f32::ln);
        // The true token is one of the likeliest, or none of them.
        for target in [2, 5] {
            let top = Some((&ids[..], &log_p[..]));
            let value = |x: &[f32]| f64::from(loss(&mut x.to_vec(), target, 0.3, top, 0.8).1);
            let mut gradient = x.clone();
            let (nats, _) = loss(&mut gradient, target, 0.3, top, 0.8);
            assert!((nats - ops::cross_entropy(&mut x.clone(), target, 1.0)).abs() < 1e-5);
            for i in 0..9 {
                let mut moved = x.clone();
                moved[i] += 1e-2;
                let above = value(&moved);
                moved[i] -= 2e-2;
                let difference = (above - value(&moved)) / 2e-2;
                let error = (difference - f64::from(gradient[i])).abs();
                assert!(error < 2e-4, "{target} {i}: {} {difference}", gradient[i]);
            }
        }
    }
}
