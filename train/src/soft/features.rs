//! What the projector reads of a chunk: hidden states of the reader's first layers, pooled over each
//! part of its lines.
//!
//! A chunk is read once, whole, behind one token that ends a text: a reader's first position takes
//! attention that goes nowhere else, and its hidden state, many times as long as the others', says
//! nothing. Each other position's state is divided by its root mean square, and a part's features are
//! the mean of its tokens'. A part without tokens has those of the whole chunk.

use std::{collections::HashMap, ops::Range, sync::Arc, sync::Mutex};

use llavacode_core::{
    index::{TextHash, chunker::part_spans},
    tokenize::Tokenizer,
};

use crate::{
    micro_batch::{MicroBatch, micro_batches},
    model::Model,
    nn::{
        decoder::{Decoder, Tape},
        parallel::Workers,
    },
    prompts::Sequence,
};

/// Most tokens of a chunk that are read.
const MOST_TOKENS: usize = 256;

/// The reader's first layers, and what they said of chunks.
#[derive(Debug)]
pub struct ChunkReader {
    decoder: Decoder<f32>,
    parameters: Vec<f32>,
    depths: Vec<usize>,
    soft_tokens: usize,
    tokenizer: Arc<Tokenizer>,
    /// Ends a text.
    end: u32,
    workers: Workers<f32, Tape<f32>>,
    micro_batch: usize,
    cache: HashMap<TextHash, Vec<f32>>,
    room: usize,
}

/// A chunk to be read.
struct Reading {
    tokens: Vec<u32>,
    /// Positions of each part.
    parts: Vec<Range<usize>>,
}

impl ChunkReader {
    /// Reads chunks in `soft_tokens` parts and takes the hidden states after each of `depths` layers, 0
    /// being the input vectors, side by side. `room`: numbers kept of chunks that were read.
    ///
    /// # Panics
    /// If the model has fewer layers.
    pub fn new(
        model: &Model,
        depths: Vec<usize>,
        soft_tokens: usize,
        (tokenizer, end): (Arc<Tokenizer>, u32),
        (threads, micro_batch): (usize, usize),
        room: usize,
    ) -> Self {
        let layers = depths.iter().copied().max().unwrap_or(0);
        let (decoder, parameters) = model.decoder.first_layers(&model.parameters, layers);
        let workers = Workers::new(threads);
        let cache = HashMap::new();
        Self { decoder, parameters, depths, soft_tokens, tokenizer, end, workers, micro_batch, cache, room }
    }

    /// Numbers of a part's features.
    pub fn width(&self) -> usize {
        self.depths.len() * self.decoder.shape.hidden
    }

    /// Features of chunks, `[chunks · soft tokens, width]`.
    pub fn features(&mut self, chunks: &[String]) -> Vec<f32> {
        let hashes: Vec<TextHash> = chunks.iter().map(|text| TextHash::of(text)).collect();
        let mut new: Vec<(TextHash, &String)> = Vec::new();
        for (&hash, text) in hashes.iter().zip(chunks) {
            if !self.cache.contains_key(&hash) && !new.iter().any(|(other, _)| *other == hash) {
                new.push((hash, text));
            }
        }
        let readings: Vec<Reading> = new.iter().map(|(_, text)| self.reading(text)).collect();
        let found = self.read(&readings);
        let size = self.soft_tokens * self.width();
        if (self.cache.len() + new.len()) * size > self.room {
            // Chunks of one step are seldom those of the next: a fresh start costs little.
            self.cache.retain(|hash, _| hashes.contains(hash));
        }
        for ((hash, _), features) in new.into_iter().zip(found) {
            self.cache.insert(hash, features);
        }
        hashes.iter().flat_map(|hash| self.cache[hash].iter().copied()).collect()
    }

    fn reading(&self, text: &str) -> Reading {
        let mut tokens = self.tokenizer.encode(text);
        tokens.truncate(MOST_TOKENS);
        let mut ends = part_spans(text, self.soft_tokens).map(|span| span.end);
        let (mut at, mut end) = (0, ends.next().unwrap_or(0));
        let mut bounds = vec![1];
        for (position, &token) in tokens.iter().enumerate() {
            // A token belongs to the part in which it begins.
            while at >= end && bounds.len() < self.soft_tokens {
                bounds.push(position + 1);
                end = ends.next().unwrap_or(usize::MAX);
            }
            at += self.tokenizer.token_bytes(token).len();
        }
        bounds.resize(self.soft_tokens + 1, tokens.len() + 1);
        tokens.insert(0, self.end);
        Reading { tokens, parts: bounds.windows(2).map(|pair| pair[0]..pair[1]).collect() }
    }

    fn read(&mut self, readings: &[Reading]) -> Vec<Vec<f32>> {
        let sequence = |reading: &Reading| Sequence { tokens: reading.tokens.clone(), ..Sequence::default() };
        let sequences: Vec<Sequence> = readings.iter().map(sequence).collect();
        let batches = micro_batches(&sequences, &[], self.micro_batch);
        let found = Mutex::new(vec![Vec::new(); readings.len()]);
        let (decoder, parameters, depths) = (&self.decoder, &self.parameters, &self.depths);
        self.workers.run(&batches, 0, |batch: &MicroBatch, worker| {
            decoder.forward(parameters, batch.input(&[]), &mut worker.scratch);
            for (&number, &start) in batch.numbers.iter().zip(&batch.starts) {
                let features =
                    pooled(&worker.scratch, &readings[number], start, depths, decoder.shape.hidden);
                if let Ok(mut found) = found.lock() {
                    found[number] = features;
                }
            }
            [0.0]
        });
        found.into_inner().unwrap_or_default()
    }
}

/// Features of one chunk's parts, `[parts, depths · hidden]`.
fn pooled(tape: &Tape<f32>, reading: &Reading, start: usize, depths: &[usize], hidden: usize) -> Vec<f32> {
    let whole = 1..reading.tokens.len();
    let mut features = Vec::with_capacity(reading.parts.len() * depths.len() * hidden);
    for part in &reading.parts {
        let positions = if part.is_empty() { whole.clone() } else { part.clone() };
        let count = positions.len().max(1) as f32;
        for &depth in depths {
            let states = tape.after(depth);
            let at = features.len();
            features.resize(at + hidden, 0.0);
            for position in positions.clone() {
                let state = &states[(start + position) * hidden..][..hidden];
                let square = state.iter().map(|x| x * x).sum::<f32>() / hidden as f32;
                let scale = 1.0 / (count * (square + 1e-12).sqrt());
                features[at..].iter_mut().zip(state).for_each(|(sum, &x)| *sum += scale * x);
            }
        }
    }
    features
}
