//! What the projector reads of a chunk: hidden states of the reader's first layers, pooled over each
//! part of its lines.
//!
//! Each part is read by itself, as at indexing: neighbouring chunks share parts, and a part is read once.
//! It stands behind one token that ends a text: a reader's first position takes attention that goes
//! nowhere else, and its hidden state, many times as long as the others', says nothing. Each other
//! position's state is divided by its root mean square, and a part's features are the mean of its
//! tokens'. A part without tokens has the features of that first token.

use std::{borrow::Cow, collections::HashMap, sync::Arc, sync::Mutex};

use llavacode_core::{
    index::{TextHash, chunker::parts},
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

/// Most tokens of a part that are read.
pub const MOST_TOKENS: usize = 64;

/// The reader's first layers, and what they said of chunks' parts.
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

impl ChunkReader {
    /// Reads chunks in `soft_tokens` parts and takes the hidden states after each of `depths` layers, 0
    /// being the input vectors, side by side. `room`: numbers kept of parts that were read.
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
        let parts: Vec<Cow<'_, str>> = chunks.iter().flat_map(|text| parts(text, self.soft_tokens)).collect();
        let hashes: Vec<TextHash> = parts.iter().map(|part| TextHash::of(part)).collect();
        let mut new: HashMap<TextHash, Vec<u32>> = HashMap::new();
        for (&hash, part) in hashes.iter().zip(&parts) {
            if !self.cache.contains_key(&hash) {
                new.entry(hash).or_insert_with(|| self.tokens(part));
            }
        }
        let (new, readings): (Vec<TextHash>, Vec<Vec<u32>>) = new.into_iter().unzip();
        let found = self.read(&readings);
        if (self.cache.len() + new.len()) * self.width() > self.room {
            // Parts of one step are seldom those of the next: a fresh start costs little.
            self.cache.retain(|hash, _| hashes.contains(hash));
        }
        self.cache.extend(new.into_iter().zip(found));
        hashes.iter().flat_map(|hash| self.cache[hash].iter().copied()).collect()
    }

    /// What is read of a part.
    fn tokens(&self, part: &str) -> Vec<u32> {
        let mut tokens = self.tokenizer.encode(part);
        tokens.truncate(MOST_TOKENS);
        tokens.insert(0, self.end);
        tokens
    }

    fn read(&mut self, readings: &[Vec<u32>]) -> Vec<Vec<f32>> {
        let sequence = |tokens: &Vec<u32>| Sequence { tokens: tokens.clone(), ..Sequence::default() };
        let sequences: Vec<Sequence> = readings.iter().map(sequence).collect();
        let batches = micro_batches(&sequences, &[], self.micro_batch);
        let found = Mutex::new(vec![Vec::new(); readings.len()]);
        let (decoder, parameters, depths) = (&self.decoder, &self.parameters, &self.depths);
        self.workers.run(&batches, 0, |batch: &MicroBatch, worker| {
            decoder.forward(parameters, batch.input(&[]), &mut worker.scratch);
            for (&number, &start) in batch.numbers.iter().zip(&batch.starts) {
                let span = (start, readings[number].len());
                let features = pooled(&worker.scratch, span, depths, decoder.shape.hidden);
                if let Ok(mut found) = found.lock() {
                    found[number] = features;
                }
            }
            [0.0]
        });
        found.into_inner().unwrap_or_default()
    }
}

/// Features of one part, `[depths · hidden]`, which was read in `len` rows from `start` on.
fn pooled(tape: &Tape<f32>, (start, len): (usize, usize), depths: &[usize], hidden: usize) -> Vec<f32> {
    let rows = if len > 1 { start + 1..start + len } else { start..start + len };
    let count = rows.len().max(1) as f32;
    let mut features = vec![0.0; depths.len() * hidden];
    for (&depth, features) in depths.iter().zip(features.chunks_exact_mut(hidden)) {
        let states = tape.after(depth);
        for row in rows.clone() {
            let state = &states[row * hidden..][..hidden];
            let square = state.iter().map(|x| x * x).sum::<f32>() / hidden as f32;
            let scale = 1.0 / (count * (square + 1e-12).sqrt());
            features.iter_mut().zip(state).for_each(|(sum, &x)| *sum += scale * x);
        }
    }
    features
}
