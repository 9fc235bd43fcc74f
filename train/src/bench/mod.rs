//! How fast training is: tokens and floating-point operations a second, against the machine's own
//! matrix products and against burn's autodiff, in one run.

mod frozen;

use std::{thread, time::Instant};

use anyhow::Result;
use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use llavacode_core::{
    config::DecoderConfig,
    kernel::Span,
    model::{reader::Reader, token_ids},
};

use crate::{
    model::Model,
    nn::{
        decoder::{Input, Tape},
        matrix::linear,
        ops,
        optimizer::{Optimizer, OptimizerConfig},
        parallel::Workers,
    },
    random::SplitMix64,
};

pub use frozen::{FrozenSpeed, frozen};

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    /// Matrix products of 1024 × 1024, one on each processor, together: FLOP/s.
    pub peak: f64,
    /// A reader step of the engine, optimiser included: tokens/s.
    pub engine: f64,
    /// The same step through burn's autodiff on flex, without an optimiser: tokens/s.
    pub burn: f64,
    /// Floating-point operations a token, forward and backward.
    pub flop_per_token: f64,
    /// The optimiser's share of the engine's step.
    pub optimizer_share: f64,
}

/// Floating-point operations of a training step, a token of a sequence of `len`: two a weight and
/// token forward, four backward; attention's two products over the half that is not hidden.
pub fn flop_per_token(config: &DecoderConfig, len: usize) -> f64 {
    let (hidden, dim) = (config.hidden_size, config.head_dim());
    let heads = config.num_attention_heads * dim;
    let layer = config.qkv_size() * hidden + heads * hidden + 3 * config.intermediate_size * hidden;
    let weights = config.num_hidden_layers * layer + config.vocab_size * hidden;
    let attention = config.num_hidden_layers * 2 * heads * len / 2;
    6.0 * (weights + attention) as f64
}

/// Measures with sequences of `len` tokens, all predicting.
///
/// # Errors
/// If the model cannot be made.
pub fn bench(config: &DecoderConfig, len: usize, micro_batch: usize) -> Result<Speed> {
    let mut random = SplitMix64::new(1);
    let mut model = Model::init(config, &mut random)?;
    let sequences = micro_batch.div_ceil(len).max(1);
    let mut batch =
        || -> Vec<u32> { (0..sequences * len).map(|_| random.below(config.vocab_size) as u32).collect() };
    let batches: Vec<Vec<u32>> = (0..16).map(|_| batch()).collect();
    let tokens: usize = batches.iter().map(Vec::len).sum();
    let lengths = vec![len; sequences];
    let mut workers = Workers::<f32, Tape<f32>>::of_machine();
    let mut optimizer = Optimizer::new(model.parameters.len(), OptimizerConfig::default());
    let (mut best, mut optimizing) = (f64::INFINITY, 0.0);
    let peak_before = peak();
    for _ in 0..3 {
        let start = Instant::now();
        let (decoder, parameters) = (&model.decoder, &model.parameters);
        let (_, gradients) = workers.run(&batches, parameters.len(), |tokens, worker| {
            let input = Input { tokens, lengths: &lengths, soft: &[], vectors: &[] };
            let tape = &mut worker.scratch;
            decoder.forward(parameters, input, tape);
            decoder.clear_gradient(tape);
            let rows: Vec<usize> = (0..tokens.len()).collect();
            let loss =
                decoder.head_loss(parameters, &rows, tape, Some(&mut worker.gradients), |i, logits| {
                    ops::cross_entropy(logits, tokens[(i + 1) % tokens.len()] as usize, 1e-4)
                });
            decoder.backward(parameters, input, tape, Some(&mut worker.gradients), &mut []);
            [loss]
        });
        let gradients = gradients.to_vec();
        let passed = start.elapsed().as_secs_f64();
        optimizer.update(&model.decoder.layout.tensors, &mut model.parameters, &gradients, 1e-4);
        let whole = start.elapsed().as_secs_f64();
        if whole < best {
            (best, optimizing) = (whole, (whole - passed) / whole);
        }
    }
    let burn = burn_step(config, &batches[0], len)?;
    Ok(Speed {
        peak: peak_before.max(peak()),
        engine: tokens as f64 / best,
        burn,
        flop_per_token: flop_per_token(config, len),
        optimizer_share: optimizing,
    })
}

/// The best of several products on each processor at once.
fn peak() -> f64 {
    const SIZE: usize = 1024;
    on_every_processor(|| {
        let (a, b) = (vec![0.5f32; SIZE * SIZE], vec![0.25f32; SIZE * SIZE]);
        let mut c = vec![0f32; SIZE * SIZE];
        let mut best = f64::INFINITY;
        for _ in 0..6 {
            let start = Instant::now();
            linear(&mut c, &a, &b, SIZE, false);
            best = best.min(start.elapsed().as_secs_f64());
        }
        Some(2.0 * (SIZE as f64).powi(3) / best)
    })
}

/// What a processor does in a second, as all of them do it at once; nought where it cannot.
fn on_every_processor(one: impl Fn() -> Option<f64> + Copy + Send) -> f64 {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        handles.into_iter().filter_map(|handle| handle.join().ok().flatten()).sum()
    })
}

/// Core's reader under burn's autodiff: forward, loss, backward.
fn burn_step(config: &DecoderConfig, tokens: &[u32], len: usize) -> Result<f64> {
    let device = Device::flex().autodiff();
    let reader = Reader::init(config, &device)?;
    let batch = tokens.len() / len;
    let targets: Vec<i32> = (0..tokens.len()).map(|i| tokens[(i + 1) % tokens.len()] as i32).collect();
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        let mut cache = reader.cache(batch, len);
        let x = reader.embed(token_ids(tokens, &device));
        let hidden = reader.forward(x, &mut cache, Span { batch, start: 0, len });
        let log_p = log_softmax(reader.logits(hidden), 1);
        let ids = TensorData::new(targets.clone(), [tokens.len(), 1]);
        let loss = -log_p.gather(1, Tensor::<2, Int>::from_data(ids, &device)).mean();
        let gradients = loss.backward();
        // Reading a gradient waits for all of it.
        let norm = reader.decoder.norm.weight.val().grad(&gradients).map(crate::projector::values);
        anyhow::ensure!(norm.is_some_and(|g| g.iter().any(|v| *v != 0.0)), "burn gave no gradient");
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(tokens.len() as f64 / best)
}
