//! From samples to what a reader trains on: the page's own prompts, and which rows are to
//! predict what.

use std::{borrow::Cow, num::NonZeroUsize, sync::Arc};

use anyhow::Result;
use llavacode_core::{
    config::{ChunkOrder, ContextPlacement, PromptConfig, PromptStyle},
    engine::{ChunkSpan, Lane},
    index::{ChunkId, chunker::parts},
    prompt::{Cursor, Prompt, PromptBuilder, PromptChunk, Segment},
    tokenize::Tokenizer,
};
use serde::Serialize;

use crate::samples::Sample;

/// A row that is to predict a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The row that reads what stands before it.
    pub row: usize,
    /// What comes next.
    pub token: u32,
    /// Weight of its loss.
    pub weight: f32,
}

/// One sequence of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sequence {
    /// A row each.
    pub tokens: Vec<u32>,
    /// Rows that read a soft vector, and its number.
    pub soft: Vec<(usize, usize)>,
    /// What is to be predicted, rows ascending.
    pub targets: Vec<Target>,
    /// Rows of the prompt: the completion's first token is predicted by the last of them.
    pub prompt: usize,
}

impl Sequence {
    /// A prompt of [`prompt_of`] and nothing behind it, of a sample with so many chunks. Soft vectors
    /// are numbered by chunk: `soft_tokens · chunk + i`.
    pub fn of_prompt(prompt: &Prompt, chunks: usize, soft_tokens: usize) -> Self {
        let mut sequence = Self::default();
        for segment in &prompt.segments {
            match segment {
                Segment::Tokens(tokens) | Segment::Alone(tokens) => sequence.tokens.extend_from_slice(tokens),
                Segment::Soft(id) => {
                    let chunk = chunk_number(*id, chunks);
                    for i in 0..soft_tokens {
                        sequence.soft.push((sequence.tokens.len(), chunk * soft_tokens + i));
                        sequence.tokens.push(0);
                    }
                }
            }
        }
        sequence.prompt = sequence.tokens.len();
        sequence
    }

    /// The sequence with another completion: only it is to be predicted, each token with `weight`.
    pub fn with_completion(&self, completion: &[u32], weight: f32) -> Self {
        let mut sequence = self.clone();
        sequence.tokens.truncate(self.prompt);
        sequence.targets.clear();
        for &token in completion {
            sequence.targets.push(Target { row: sequence.tokens.len() - 1, token, weight });
            sequence.tokens.push(token);
        }
        sequence
    }

    /// The prompt alone.
    pub fn prompt_only(&self) -> Self {
        self.with_completion(&[], 0.0)
    }
}

/// Weights of the loss by what a token is.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    /// Every token of the prompt but the first; 0 where only the completion counts.
    pub prompt: f32,
    /// The completion's tokens.
    pub completion: f32,
}

impl Weights {
    /// Only the completion counts.
    pub const COMPLETION: Self = Self { prompt: 0.0, completion: 1.0 };
}

/// Prompts of one placement and budget.
#[derive(Debug, Clone)]
pub struct Prompts {
    /// The reader's.
    pub tokenizer: Arc<Tokenizer>,
    builder: PromptBuilder,
    end: u32,
    layout: ChunkLayout,
}

/// How chunks stand in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChunkLayout {
    /// Most chunks of a prompt.
    pub top_k: usize,
    /// Soft tokens of a chunk.
    pub soft_tokens: NonZeroUsize,
}

/// Pico's budgets.
pub fn pico_prompt(context_placement: ContextPlacement, chunks: ChunkLayout) -> PromptConfig {
    PromptConfig {
        context_placement,
        chunk_order: ChunkOrder::BestLast,
        context_header: String::new(),
        // It was trained without one.
        sink_token: Some(String::new()),
        prefix_tokens: 320,
        suffix_tokens: 64,
        suffix_as_context: false,
        chunk_tokens: 96,
        context_tokens: 512,
        digest_tokens: 0,
        excerpt_tokens: 64,
        expansion_tokens: 0,
        top_k: chunks.top_k,
        soft_tokens: chunks.soft_tokens,
        reread_tokens: 0,
        max_new_tokens: 50,
        // Pico is trained with cursors anywhere, in a middle that it fills in.
        token_healing: false,
        draft_tokens: 0,
        style: Some(PromptStyle::Fim),
    }
}

/// A sample's prompt in a lane, as the page builds it.
pub fn prompt_of(builder: &PromptBuilder, lane: Lane, sample: &Sample) -> Prompt {
    let spans: Vec<ChunkSpan> = sample
        .chunks
        .iter()
        .map(|chunk| ChunkSpan {
            path: chunk.path.clone(),
            start_line: chunk.start_line,
            end_line: chunk.end_line,
        })
        .collect();
    let numbered = sample.chunks.iter().zip(&spans).enumerate();
    let chunks: Vec<PromptChunk<'_>> = numbered
        .map(|(number, (chunk, span))| PromptChunk { id: chunk_id(number), span, text: &chunk.text })
        .collect();
    let cursor = Cursor { path: &sample.path, prefix: &sample.prefix, suffix: &sample.suffix };
    builder.build(lane, &builder.local_part(cursor), &chunks)
}

/// Which of a sample's chunks soft tokens stand for.
pub(crate) fn chunk_number(id: ChunkId, chunks: usize) -> usize {
    (0..chunks).find(|&number| chunk_id(number) == id).unwrap_or(0)
}

/// What the soft tokens of a sample's chunk are found by.
fn chunk_id(number: usize) -> ChunkId {
    ChunkId::new(number as u32, 0)
}

impl Prompts {
    /// Prompts of this layout.
    ///
    /// # Errors
    /// If the tokenizer lacks a special token.
    pub fn new(tokenizer: Arc<Tokenizer>, config: PromptConfig) -> Result<Self> {
        let layout = ChunkLayout { top_k: config.top_k, soft_tokens: config.soft_tokens };
        let end = tokenizer.special("<|endoftext|>")?;
        let builder = PromptBuilder::new(Arc::clone(&tokenizer), config)?;
        Ok(Self { tokenizer, builder, end, layout })
    }

    /// The token that ends a completion.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// How chunks stand in these prompts.
    pub fn layout(&self) -> ChunkLayout {
        self.layout
    }

    /// Soft tokens of a chunk.
    pub fn soft_tokens(&self) -> usize {
        self.layout.soft_tokens.get()
    }

    /// The parts of the chunks a sample's prompt has, a soft token each.
    pub fn parts<'a>(&self, sample: &'a Sample) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let soft_tokens = self.soft_tokens();
        let chunks = sample.chunks.iter().take(self.layout.top_k);
        chunks.flat_map(move |chunk| parts(&chunk.text, soft_tokens))
    }

    /// A sample in a lane. Soft vectors are numbered by chunk: `soft_tokens · chunk + i`.
    pub fn sequence(&self, lane: Lane, sample: &Sample, weights: Weights) -> Sequence {
        let prompt = prompt_of(&self.builder, lane, sample);
        let mut sequence = Sequence::of_prompt(&prompt, sample.chunks.len(), self.soft_tokens());
        if weights.prompt > 0.0 {
            let is_soft = |row: usize| sequence.soft.binary_search_by_key(&row, |&(at, _)| at).is_ok();
            sequence.targets = (1..sequence.prompt)
                .filter(|&row| !is_soft(row))
                .map(|row| Target { row: row - 1, token: sequence.tokens[row], weight: weights.prompt })
                .collect();
        }
        let completion = self.completion(sample);
        let with_completion = sequence.with_completion(&completion, weights.completion);
        sequence.targets.extend(with_completion.targets);
        sequence.tokens = with_completion.tokens;
        sequence
    }

    /// The target's tokens and the end.
    pub fn completion(&self, sample: &Sample) -> Vec<u32> {
        let mut tokens = self.tokenizer.encode(&sample.target);
        tokens.push(self.end);
        tokens
    }

    /// The soft tokens of `chunks` chunks, then the text one of them stands for: what teaches a vector
    /// to say what its chunk contains, and a reader to take it from there.
    pub fn restate(&self, chunks: usize, text: &str, most: usize, weight: f32) -> Sequence {
        let mut sequence = Sequence::default();
        for i in 0..chunks * self.soft_tokens() {
            sequence.soft.push((i, i));
            sequence.tokens.push(0);
        }
        sequence.prompt = sequence.tokens.len();
        let mut tokens = self.tokenizer.encode(text);
        tokens.truncate(most);
        sequence.with_completion(&tokens, weight)
    }
}
