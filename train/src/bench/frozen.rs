//! How fast a frozen reader gives soft vectors their gradients, in f32 and with its matrices packed
//! as bf16 ([`crate::nn::bf16`]), and what the rounding changes.

use std::time::Instant;

use anyhow::{Result, ensure};
use llavacode_core::{
    kernel::Span,
    model::{reader::Reader, token_ids},
};

use super::{on_every_processor, peak};
use crate::{
    model::Model,
    nn::{
        bf16::Packed,
        decoder::{Input, Tape},
        ops,
        parallel::Workers,
    },
    projector::values,
    random::SplitMix64,
};

/// Rows of a sequence that are to predict something: about a line.
const PREDICTING: usize = 12;
/// Soft vectors at a sequence's start.
const SOFT: usize = 32;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct FrozenSpeed {
    /// f32 matrix products of 1024 × 1024, one on each processor, together: FLOP/s.
    pub peak: f64,
    /// The same of bf16 numbers; 0 where the processor has no instructions for them.
    pub peak_bf16: f64,
    /// Forward and backward for the soft vectors, in f32: tokens/s.
    pub f32: f64,
    /// The same, matrices packed.
    pub bf16: f64,
    /// Floating-point operations a token, forward and backward, head included.
    pub flop_per_token: f64,
    /// Largest difference of a logit between the engine in f32 and core's reader.
    pub from_core: f32,
    /// The same with matrices packed.
    pub from_core_bf16: f32,
}

/// Measures with sequences of `len` tokens, as many on each processor as `micro_batch` rows hold.
///
/// # Errors
/// If the head is not tied.
pub fn frozen(reader: &Reader, len: usize, micro_batch: usize) -> Result<FrozenSpeed> {
    ensure!(len > SOFT + PREDICTING, "sequences of {len} tokens have no room for soft vectors and a line");
    let mut random = SplitMix64::new(1);
    let mut model = Model::of_reader(reader)?;
    let vocabulary = model.decoder.shape.vocabulary;
    let tokens: Vec<u32> = (0..len).map(|_| random.below(vocabulary) as u32).collect();
    let theirs = logits_of_core(reader, &tokens);
    let difference = |model: &Model| {
        let mut tape = Tape::default();
        let input = Input { tokens: &tokens, lengths: &[len], soft: &[], vectors: &[] };
        model.decoder.forward(&model.parameters, input, &mut tape);
        let ours = model.decoder.logits(&model.parameters, &[len - 1], &tape);
        ours.iter().zip(&theirs).fold(0f32, |most, (a, b)| most.max((a - b).abs()))
    };
    let sequences = micro_batch.div_ceil(len).max(1);
    let (f32, from_core) = (pass(&model, &tokens, sequences), difference(&model));
    model.decoder.freeze(&model.parameters);
    let (bf16, from_core_bf16) = (pass(&model, &tokens, sequences), difference(&model));
    let shape = &model.decoder.shape;
    let layer: usize = model.decoder.layout.layers[0..1]
        .iter()
        .map(|l| l.qkv.len() + l.output.len() + l.gate_up.len() + l.down.len())
        .sum();
    let attention = 2 * shape.heads.query * shape.heads.dim * len / 2;
    let head = shape.vocabulary * shape.hidden * PREDICTING / len;
    let flop_per_token = 4.0 * (shape.layers * (layer + attention) + head) as f64;
    let peak_bf16 = peak_bf16();
    Ok(FrozenSpeed { peak: peak(), peak_bf16, f32, bf16, flop_per_token, from_core, from_core_bf16 })
}

/// Tokens a second of the best of two passes.
fn pass(model: &Model, tokens: &[u32], sequences: usize) -> f64 {
    let (decoder, parameters, len) = (&model.decoder, &model.parameters, tokens.len());
    let mut workers = Workers::<f32, Tape<f32>>::of_machine();
    let batches: Vec<Vec<u32>> = (0..workers.count()).map(|_| tokens.repeat(sequences)).collect();
    let lengths = vec![len; sequences];
    let starts = (0..sequences).map(|sequence| sequence * len);
    let soft: Vec<(usize, usize)> =
        starts.clone().flat_map(|start| (0..SOFT).map(move |row| (start + row, row))).collect();
    let rows: Vec<usize> = starts.flat_map(|start| start + len - PREDICTING..start + len).collect();
    let vectors = parameters[decoder.layout.embedding.clone()][..SOFT * decoder.shape.hidden].to_vec();
    let mut best = f64::INFINITY;
    for _ in 0..2 {
        let start = Instant::now();
        workers.run(&batches, vectors.len(), |tokens, worker| {
            let input = Input { tokens, lengths: &lengths, soft: &soft, vectors: &vectors };
            let tape = &mut worker.scratch;
            decoder.forward(parameters, input, tape);
            decoder.clear_gradient(tape);
            let loss = decoder.head_loss(parameters, &rows, tape, None, |i, logits| {
                ops::cross_entropy(logits, tokens[(i + 1) % tokens.len()] as usize, 1e-4)
            });
            decoder.backward(parameters, input, tape, None, &mut worker.gradients);
            [loss]
        });
        best = best.min(start.elapsed().as_secs_f64());
    }
    (batches.len() * sequences * len) as f64 / best
}

/// Logits after the last token.
fn logits_of_core(reader: &Reader, tokens: &[u32]) -> Vec<f32> {
    let len = tokens.len();
    let mut cache = reader.cache(1, len);
    let x = reader.embed(token_ids(tokens, &reader.device()));
    let hidden = reader.forward(x, &mut cache, Span { batch: 1, start: 0, len });
    values(reader.logits(hidden.narrow(0, len - 1, 1)))
}

fn peak_bf16() -> f64 {
    const SIZE: usize = 1024;
    on_every_processor(|| {
        let (x, w) = (vec![0.5f32; SIZE * SIZE], vec![0.25f32; SIZE * SIZE]);
        let mut y = vec![0f32; SIZE * SIZE];
        let packed = Packed::new(&w, SIZE, SIZE)?;
        let mut best = f64::INFINITY;
        for _ in 0..6 {
            let start = Instant::now();
            packed.multiply(&mut y, &x, SIZE, false);
            best = best.min(start.elapsed().as_secs_f64());
        }
        Some(2.0 * (SIZE as f64).powi(3) / best)
    })
}
