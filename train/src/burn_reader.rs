//! Any Qwen2 reader and Qwen3 encoder through burn, on any of its devices: what a projector for
//! the real pair is trained with.
//!
//! The models are `llavacode_core`'s own. Under autodiff their operations are the kernels' CPU
//! twins, made of burn's operations, which burn differentiates; the weights stay frozen, so only
//! activations and the soft vectors' gradients are kept.

use anyhow::Result;
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use llavacode_core::{
    kernel::Span,
    model::{decoder::DecoderFormats, encoder::Encoder, reader::Reader, token_ids},
};

use crate::{
    embed::ChunkEncoder,
    frozen::{FrozenReader, Rollout, SoftBatch, Teacher},
    nn::decode::Pick,
    pretrained::Pretrained,
    projector::values,
    prompts::Sequence,
    random::SplitMix64,
};

/// A frozen reader on a burn device.
#[derive(Debug)]
pub struct BurnReader {
    reader: Reader,
    device: Device,
}

/// A frozen encoder on a burn device.
#[derive(Debug)]
pub struct BurnEncoder {
    encoder: Encoder,
    /// Chunks read at once.
    batch: usize,
}

impl BurnReader {
    /// Reads a model's weights as floats; `device` is one with autodiff.
    ///
    /// # Errors
    /// Those of core's loader.
    pub fn load(model: &Pretrained, device: &Device) -> Result<Self> {
        let plan = |config: &_, prefix: &_| Reader::plan(config, DecoderFormats::DENSE, prefix);
        let mut weights = model.weights(device, plan)?;
        let reader = Reader::from_weights(&model.config, &mut weights)?.no_grad();
        Ok(Self { reader, device: device.clone() })
    }

    /// Root mean square of the input vectors of the first thousand tokens.
    pub fn embedding_scale(&self) -> f64 {
        let count = self.reader.config().vocab_size.min(1000) as u32;
        let ids: Vec<u32> = (0..count).collect();
        let rows = values(self.reader.embed(token_ids(&ids, &self.device)));
        let squares: f64 = rows.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        (squares / rows.len() as f64).sqrt()
    }

    /// Final hidden states of a sequence's rows, and the cache behind them.
    fn read(&self, sequence: &Sequence, vectors: &Tensor<2>, first: usize, room: usize) -> Reading {
        let len = sequence.tokens.len();
        let embedded = self.reader.embed(token_ids(&sequence.tokens, &self.device));
        let mut pieces = Vec::new();
        let mut done = 0;
        for &(row, vector) in &sequence.soft {
            if row > done {
                pieces.push(embedded.clone().narrow(0, done, row - done));
            }
            pieces.push(vectors.clone().narrow(0, first + vector, 1));
            done = row + 1;
        }
        if done < len {
            pieces.push(embedded.narrow(0, done, len - done));
        }
        let mut cache = self.reader.cache(1, len + room);
        let hidden =
            self.reader.forward(Tensor::cat(pieces, 0), &mut cache, Span { batch: 1, start: 0, len });
        Reading { hidden, cache }
    }

    fn target_logits(&self, sequence: &Sequence, hidden: Tensor<2>) -> Tensor<2> {
        let rows: Vec<u32> = sequence.targets.iter().map(|target| target.row as u32).collect();
        self.reader.logits(hidden.select(0, token_ids(&rows, &self.device)))
    }

    fn vectors(&self, batch: &SoftBatch<'_>) -> Tensor<2> {
        let hidden = self.hidden();
        let shape = [batch.vectors.len() / hidden, hidden];
        Tensor::from_data(TensorData::new(batch.vectors.to_vec(), shape), &self.device)
    }
}

/// What reading a sequence gives.
struct Reading {
    hidden: Tensor<2>,
    cache: llavacode_core::model::reader::Cache,
}

impl FrozenReader for BurnReader {
    fn hidden(&self) -> usize {
        self.reader.config().hidden_size
    }

    fn loss(&mut self, batch: SoftBatch<'_>, teacher: Option<Teacher<'_>>) -> Result<(f64, Vec<f32>)> {
        let (mut sum, mut gradient) = (0.0, vec![0.0; batch.vectors.len()]);
        for (number, sequence) in batch.sequences.iter().enumerate() {
            if sequence.targets.is_empty() {
                continue;
            }
            // One sequence's graph at a time: its activations are the most memory this takes.
            let vectors = self.vectors(&batch).require_grad();
            let hidden = self.read(sequence, &vectors, batch.first_vectors[number], 0).hidden;
            let log_p = log_softmax(self.target_logits(sequence, hidden), 1);
            let count = sequence.targets.len();
            let ids: Vec<i32> = sequence.targets.iter().map(|t| t.token as i32).collect();
            let weights: Vec<f32> = sequence.targets.iter().map(|t| t.weight).collect();
            let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [count, 1]), &self.device);
            let weights = Tensor::<2>::from_data(TensorData::new(weights, [count, 1]), &self.device);
            let mut loss = -(log_p.clone().gather(1, ids) * weights).sum();
            let taught = teacher.and_then(|t| Some((t.sequences.get(number)?, t.weight)));
            if let Some((taught, weight)) = taught.filter(|(taught, _)| !taught.targets.is_empty()) {
                let none = Tensor::zeros([1, self.hidden()], &self.device);
                let theirs = self.read(taught, &none, 0, 0).hidden;
                let theirs = log_softmax(self.target_logits(taught, theirs), 1).detach();
                loss = loss + (theirs.clone().exp() * (theirs - log_p)).sum() * weight;
            }
            sum += f64::from(values(loss.clone())[0]);
            let gradients = loss.backward();
            if let Some(part) = vectors.grad(&gradients) {
                gradient.iter_mut().zip(values(part)).for_each(|(sum, part)| *sum += part);
            }
        }
        Ok((sum, gradient))
    }

    fn rollout(
        &mut self,
        batch: SoftBatch<'_>,
        most: usize,
        how: Rollout,
        stop: &(dyn Fn(u32) -> bool + Sync),
    ) -> Result<Vec<Vec<u32>>> {
        let vectors = self.vectors(&batch);
        let mut found = Vec::with_capacity(batch.sequences.len());
        for (number, sequence) in batch.sequences.iter().enumerate() {
            let prompt = sequence.prompt_only();
            let len = prompt.tokens.len();
            let Reading { hidden, mut cache } =
                self.read(&prompt, &vectors, batch.first_vectors[number], most);
            let mut logits = values(self.reader.logits(hidden.narrow(0, len - 1, 1)));
            let seed = if let Rollout::Sampled(seed) = how { seed } else { 0 };
            let mut random = SplitMix64::at(seed, number as u64);
            let mut tokens = Vec::new();
            while tokens.len() < most {
                let mut pick = match how {
                    Rollout::Greedy => Pick::Greedy,
                    Rollout::Sampled(_) => Pick::Sample { temperature: 0.9, top_p: 0.9, random: &mut random },
                };
                let token = pick.take(&mut logits);
                if stop(token) {
                    break;
                }
                tokens.push(token);
                if tokens.len() < most {
                    let x = self.reader.embed(token_ids(&[token], &self.device));
                    let span = cache.next(1, 1);
                    let hidden = self.reader.forward(x, &mut cache, span);
                    logits = values(self.reader.logits(hidden));
                }
            }
            found.push(tokens);
        }
        Ok(found)
    }
}

impl BurnEncoder {
    /// Reads a model's weights as floats.
    ///
    /// # Errors
    /// Those of core's loader.
    pub fn load(model: &Pretrained, device: &Device, batch: usize) -> Result<Self> {
        let plan = |config: &_, prefix: &_| Encoder::plan(config, DecoderFormats::DENSE, prefix);
        let mut weights = model.weights(device, plan)?;
        Ok(Self { encoder: Encoder::from_weights(&model.config, &mut weights)?.no_grad(), batch })
    }
}

impl ChunkEncoder for BurnEncoder {
    fn width(&self) -> usize {
        self.encoder.config().hidden_size
    }

    /// Of length one already.
    fn raw(&mut self, texts: &[Vec<u32>]) -> Vec<f32> {
        texts.chunks(self.batch).flat_map(|texts| values(self.encoder.encode(texts))).collect()
    }
}
