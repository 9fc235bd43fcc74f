//! The encoder under training: chunks to hidden states of their last token, and back.

use std::sync::Mutex;

use llavacode_core::tokenize::Tokenizer;

use crate::{
    micro_batch::{MicroBatch, micro_batches},
    model::Model,
    nn::{decoder::Tape, parallel::Workers},
    prompts::Sequence,
};

/// What of a chunk the encoder reads.
#[derive(Debug, Clone, Copy)]
pub struct EncoderInput<'a> {
    /// The encoder's.
    pub tokenizer: &'a Tokenizer,
    /// Most tokens of text.
    pub max_tokens: usize,
    /// A token behind them, whose hidden state is the embedding.
    pub end: Option<u32>,
}

impl EncoderInput<'_> {
    /// A text's tokens.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.tokenizer.encode(text);
        tokens.truncate(self.max_tokens);
        tokens.extend(self.end);
        tokens
    }
}

/// What makes embeddings.
pub trait ChunkEncoder {
    /// Width of an embedding.
    fn width(&self) -> usize;

    /// Embeddings of some texts, `[texts, width]`; of any length, the caller divides by it.
    fn raw(&mut self, texts: &[Vec<u32>]) -> Vec<f32>;

    /// The encoder as one that can be trained, if it is.
    fn trained(&mut self) -> Option<&mut TrainedEncoder> {
        None
    }
}

/// An encoder and the threads it runs on.
#[derive(Debug)]
pub struct TrainedEncoder {
    /// The model.
    pub model: Model,
    workers: Workers<f32, Tape<f32>>,
    micro_batch: usize,
}

impl TrainedEncoder {
    /// On all processors.
    pub fn new(model: Model, micro_batch: usize) -> Self {
        Self { model, workers: Workers::of_machine(), micro_batch }
    }

    /// Gradients of the parameters for those of [`ChunkEncoder::raw`]. The texts are read again: keeping
    /// every layer of every chunk would take more memory than it saves time.
    pub fn backward(&mut self, texts: &[Vec<u32>], d_raw: &[f32]) -> Vec<f32> {
        let width = self.width();
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let batches = layout(texts, self.micro_batch);
        let (_, gradients) = self.workers.run(&batches, parameters.len(), |batch, worker| {
            let (tape, gradients) = (&mut worker.scratch, &mut worker.gradients);
            decoder.forward(parameters, batch.input(&[]), tape);
            decoder.clear_gradient(tape);
            let d_rows: Vec<f32> =
                batch.numbers.iter().flat_map(|n| &d_raw[n * width..][..width]).copied().collect();
            let rows = last_rows(batch);
            decoder.normed_rows_backward(parameters, &rows, &d_rows, tape, Some(gradients));
            decoder.backward(parameters, batch.input(&[]), tape, Some(gradients), &mut []);
            [0.0]
        });
        gradients.to_vec()
    }
}

impl ChunkEncoder for TrainedEncoder {
    fn width(&self) -> usize {
        self.model.decoder.shape.hidden
    }

    /// Hidden states of each text's last token after the final norm.
    fn raw(&mut self, texts: &[Vec<u32>]) -> Vec<f32> {
        let width = self.width();
        let (decoder, parameters) = (&self.model.decoder, &self.model.parameters);
        let batches = layout(texts, self.micro_batch);
        let found = Mutex::new(vec![0.0; texts.len() * width]);
        self.workers.run(&batches, 0, |batch, worker| {
            decoder.forward(parameters, batch.input(&[]), &mut worker.scratch);
            let rows = decoder.normed_rows(parameters, &last_rows(batch), &worker.scratch);
            if let Ok(mut found) = found.lock() {
                for (&number, row) in batch.numbers.iter().zip(rows.chunks_exact(width)) {
                    found[number * width..][..width].copy_from_slice(row);
                }
            }
            [0.0]
        });
        found.into_inner().unwrap_or_default()
    }

    fn trained(&mut self) -> Option<&mut TrainedEncoder> {
        Some(self)
    }
}

fn layout(texts: &[Vec<u32>], rows: usize) -> Vec<MicroBatch> {
    let sequence = |tokens: &Vec<u32>| Sequence { tokens: tokens.clone(), ..Sequence::default() };
    micro_batches(&texts.iter().map(sequence).collect::<Vec<_>>(), &[], rows)
}

fn last_rows(batch: &MicroBatch) -> Vec<usize> {
    batch.starts.iter().zip(&batch.lengths).map(|(start, len)| start + len - 1).collect()
}
