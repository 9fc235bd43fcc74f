//! What the frozen reader says of tasks: their cross-entropies, and the gradients of soft vectors.

use std::sync::{Arc, Mutex};

use llavacode_core::tokenize::Tokenizer;

use super::task::Task;
use crate::{
    frozen::places_by_target,
    micro_batch::micro_batches,
    model::Model,
    nn::{decoder::Tape, ops, parallel::Workers},
    prompts::Sequence,
    readers::held::keep_agreeing,
};

/// A frozen reader.
#[derive(Debug)]
pub struct Asking {
    model: Model,
    tokenizer: Arc<Tokenizer>,
    workers: Workers<f32, Tape<f32>>,
    micro_batch: usize,
}

/// What it said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// −ln of each task's completion, among completions that begin with what is held.
    pub nats: Vec<f64>,
    /// Gradient of the weighted sum, like the vectors; empty where it was not asked for.
    pub d_vectors: Vec<f32>,
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

    /// Root mean square of the tokens' input vectors' numbers.
    pub fn embedding_scale(&self) -> f64 {
        let embedding = &self.model.parameters[self.model.decoder.layout.embedding.clone()];
        let squares: f64 = embedding.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        (squares / embedding.len() as f64).sqrt()
    }

    /// Asks for every task; `vectors` are `[n, hidden]`.
    ///
    /// What stands before the first soft vector has no gradient to give, and the weights need none.
    pub fn ask(&mut self, tasks: &[Task], vectors: &[f32], gradient: bool) -> Asked {
        let sequences: Vec<Sequence> = tasks.iter().map(|task| task.sequence.clone()).collect();
        let batches = micro_batches(&sequences, &[], self.micro_batch);
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let tokenizer = &self.tokenizer;
        let vocabulary = decoder.shape.vocabulary;
        let nats = Mutex::new(vec![0.0; tasks.len()]);
        let wanted = if gradient { vectors.len() } else { 0 };
        let (_, d_vectors) = self.workers.run(&batches, wanted, |micro, worker| {
            let (tape, d_vectors) = (&mut worker.scratch, &mut worker.gradients);
            decoder.forward(parameters, micro.input(vectors), tape);
            let places = places_by_target(micro);
            let mut found = vec![0.0; micro.targets.len()];
            let mut judge = |at: usize, logits: &mut [f32]| {
                let (task, place) = (&tasks[places[at].0], places[at].1);
                let said: Vec<u8> = task.sequence.targets[..place]
                    .iter()
                    .flat_map(|target| tokenizer.token_bytes(target.token))
                    .copied()
                    .collect();
                keep_agreeing(logits, tokenizer, &task.held, &said);
                let target = micro.targets[at];
                let nats = ops::cross_entropy(logits, target.token as usize, target.weight);
                found[at] = f64::from(nats);
                nats * target.weight
            };
            let rows = micro.target_rows();
            if gradient {
                decoder.clear_gradient(tape);
                decoder.head_loss(parameters, &rows, tape, None, judge);
                decoder.backward(parameters, micro.input(vectors), tape, None, d_vectors);
            } else {
                for (at, row) in rows.iter().enumerate() {
                    let mut logits = decoder.logits(parameters, &[*row], tape);
                    debug_assert_eq!(logits.len(), vocabulary);
                    judge(at, &mut logits);
                }
            }
            if let Ok(mut nats) = nats.lock() {
                places.iter().zip(found).for_each(|(&(task, _), found)| nats[task] += found);
            }
            [0.0]
        });
        let d_vectors = if gradient { d_vectors.to_vec() } else { Vec::new() };
        Asked { nats: nats.into_inner().unwrap_or_default(), d_vectors }
    }
}
