//! Any Qwen2 reader and Qwen3 encoder through burn, on any of its devices: what a projector for
//! the real pair is trained with.
//!
//! The models are `llavacode_core`'s own. Under autodiff their operations are the kernels' CPU
//! twins, made of burn's operations, which burn differentiates; the weights stay frozen, so only
//! activations and the soft vectors' gradients are kept.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use anyhow::{Context, Result};
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use llavacode_core::{
    config::{DecoderConfig, FileEntry},
    kernel::Span,
    model::{
        decoder::{DecoderFormats, name_prefix},
        encoder::Encoder,
        reader::Reader,
        token_ids,
    },
    weights::{BundleFiles, FolderFiles, Header, Plan, Weights, load_weights},
};
use sha2::{Digest, Sha256};

use crate::{
    embed::ChunkEncoder,
    frozen::{FrozenReader, Rollout, SoftBatch, Teacher},
    nn::decode::Pick,
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
    /// Reads `config.json` and `model.safetensors` of a folder; `device` is one with autodiff.
    ///
    /// # Errors
    /// Those of core's loader.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        let config = config(folder)?;
        let plan = |header: &Header| Ok(Reader::plan(&config, DecoderFormats::DENSE, name_prefix(header)));
        let mut weights = weights(folder, device, plan)?;
        let reader = Reader::from_weights(&config, &mut weights)?.no_grad();
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
    /// Reads `config.json` and `model.safetensors` of a folder.
    ///
    /// # Errors
    /// Those of core's loader.
    pub fn load(folder: &Path, device: &Device, batch: usize) -> Result<Self> {
        let config = config(folder)?;
        let plan = |header: &Header| Ok(Encoder::plan(&config, DecoderFormats::DENSE, name_prefix(header)));
        let mut weights = weights(folder, device, plan)?;
        Ok(Self { encoder: Encoder::from_weights(&config, &mut weights)?.no_grad(), batch })
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

/// A folder's `config.json`.
///
/// # Errors
/// If it is missing or not one of the two architectures.
pub fn config(folder: &Path) -> Result<DecoderConfig> {
    let path = folder.join("config.json");
    let json = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(DecoderConfig::from_json(&path.to_string_lossy(), &json)?)
}

fn weights(
    folder: &Path,
    device: &Device,
    plan: impl FnOnce(&Header) -> llavacode_core::Result<Plan>,
) -> Result<Weights> {
    const FILE: &str = "model.safetensors";
    let entry = entry(&folder.join(FILE))?;
    let files = FolderFiles { root: folder.into() };
    let load = async {
        let source = files.open(FILE).await?;
        load_weights(&source, FILE, &entry, plan, device, &mut |_| ()).await
    };
    Ok(pollster::block_on(load)?)
}

fn entry(path: &Path) -> Result<FileEntry> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut reader = BufReader::new(file);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
    Ok(FileEntry { bytes, sha256: Some(hex::encode(hash.finalize())) })
}

/// Bytes that training a projector takes on the device: weights of reader and encoder, and the
/// activations of one sequence of `rows` rows through the reader, kept for the backward pass.
///
/// An upper bound by count: every intermediate tensor of a layer is kept once, attention's scores
/// twice (before and after softmax), logits three times for `targets` rows.
pub fn memory_estimate(
    reader: &DecoderConfig,
    encoder: &DecoderConfig,
    rows: usize,
    targets: usize,
) -> MemoryEstimate {
    let weights = |config: &DecoderConfig| {
        let (hidden, dim) = (config.hidden_size, config.head_dim());
        let attention = config.qkv_size() * hidden + hidden * config.num_attention_heads * dim;
        let layer = attention + 3 * config.intermediate_size * hidden + 2 * hidden;
        let embeddings = if config.tie_word_embeddings { 1 } else { 2 };
        4 * (config.num_hidden_layers * layer + embeddings * config.vocab_size * hidden) as u64
    };
    let row = 8 * reader.hidden_size + 6 * reader.qkv_size() + 6 * reader.intermediate_size;
    let scores = 2 * reader.num_attention_heads * rows;
    let activations = 4 * (reader.num_hidden_layers * rows * (row + scores)) as u64;
    MemoryEstimate {
        reader: weights(reader),
        encoder: weights(encoder),
        activations,
        logits: 3 * 4 * (targets * reader.vocab_size) as u64,
    }
}

/// Bytes, by what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The reader's weights in 32-bit floats.
    pub reader: u64,
    /// The encoder's.
    pub encoder: u64,
    /// Of one sequence through the reader.
    pub activations: u64,
    /// Of the rows that predict.
    pub logits: u64,
}

impl MemoryEstimate {
    /// Altogether.
    pub fn total(&self) -> u64 {
        self.reader + self.encoder + self.activations + self.logits
    }
}
