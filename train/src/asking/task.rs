//! Prompts as the page lays them out for the reader, and what is to be predicted behind them.

use std::sync::Arc;

use anyhow::Result;
use llavacode_core::{config::PromptConfig, engine::Lane, prompt::PromptBuilder, tokenize::Tokenizer};

use super::taught::Taught;
use crate::{
    prompts::{Sequence, Target, prompt_of},
    random::SplitMix64,
    readers::held::keep_agreeing,
    samples::{Sample, SampleChunk},
};

/// Most tokens of a chunk that are told on.
const MOST_RESTATED: usize = 96;
/// Lines of a chunk that are given, at most.
const MOST_GIVEN: usize = 3;

/// A prompt and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its soft vectors are numbered among those of the step.
    pub sequence: Sequence,
    /// Text that the completion is held to begin with, taken back from the prompt by token healing.
    pub held: String,
    /// Characters of the line, what is held not counted.
    pub characters: usize,
    /// What a teacher says of it.
    pub taught: Option<Taught>,
}

impl Task {
    /// With its soft vectors numbered from `first` on.
    pub fn behind(mut self, first: usize) -> Self {
        self.sequence.soft.iter_mut().for_each(|(_, vector)| *vector += first);
        self
    }

    /// Takes every token out of the choice that does not agree with what is held, at the target of this
    /// number.
    pub fn hold(&self, tokenizer: &Tokenizer, target: usize, logits: &mut [f32]) {
        let before = &self.sequence.targets[..target];
        let said: Vec<u8> =
            before.iter().flat_map(|target| tokenizer.token_bytes(target.token)).copied().collect();
        keep_agreeing(logits, tokenizer, &self.held, &said);
    }

    /// With a teacher.
    pub fn taught_by(mut self, taught: Taught) -> Self {
        self.taught = Some(taught);
        self
    }

    /// With every target weighing so much.
    pub fn weighing(mut self, weight: f32) -> Self {
        self.sequence.targets.iter_mut().for_each(|target| target.weight = weight);
        self
    }
}

/// Lays tasks out.
#[derive(Debug)]
pub struct Tasks {
    tokenizer: Arc<Tokenizer>,
    config: PromptConfig,
    builder: PromptBuilder,
}

impl Tasks {
    /// Prompts of these budgets.
    ///
    /// # Errors
    /// If the tokenizer lacks a token that they need.
    pub fn new(tokenizer: Arc<Tokenizer>, config: PromptConfig) -> Result<Self> {
        let builder = PromptBuilder::new(Arc::clone(&tokenizer), config.clone())?;
        Ok(Self { tokenizer, config, builder })
    }

    /// Soft tokens of a chunk.
    pub fn soft_tokens(&self) -> usize {
        self.config.soft_tokens.get()
    }

    /// The texts of the chunks that a sample's prompt has, best first.
    pub fn chunks<'a>(&self, sample: &'a Sample) -> impl Iterator<Item = &'a str> + use<'a> {
        sample.chunks.iter().take(self.config.top_k).map(|chunk| chunk.text.as_str())
    }

    /// A sample's line with its chunks as soft tokens.
    pub fn compressed(&self, sample: &Sample) -> Task {
        self.task(Lane::Compressed, sample)
    }

    /// A sample's line in a lane; every target weighs 1.
    pub fn task(&self, lane: Lane, sample: &Sample) -> Task {
        let prompt = prompt_of(&self.builder, lane, sample);
        let sequence = Sequence::of_prompt(&prompt, sample.chunks.len(), self.soft_tokens());
        let held = prompt.taken_back;
        let completion = self.tokenizer.encode(&format!("{held}{}", sample.target));
        let sequence = sequence.with_completion(&completion, 1.0);
        Task { sequence, held, characters: sample.target.chars().count(), taught: None }
    }

    /// A sample's line in a lane and the line's end, each token weighing 1; what the file has of its own
    /// before them is to be predicted too, each token weighing `text`. Nothing is held.
    pub fn with_text(&self, lane: Lane, sample: &Sample, text: f32) -> Sequence {
        let prompt = prompt_of(&self.builder, lane, sample);
        let sequence = Sequence::of_prompt(&prompt, sample.chunks.len(), self.soft_tokens());
        let end = if sample.suffix.starts_with('\n') { "\n" } else { "" };
        let line = self.tokenizer.encode(&format!("{}{}{end}", prompt.taken_back, sample.target));
        let mut sequence = sequence.with_completion(&line, 1.0);
        let own = (prompt.before_start + 1..sequence.prompt).map(|row| Target {
            row: row - 1,
            token: sequence.tokens[row],
            weight: text,
        });
        sequence.targets = own.chain(std::mem::take(&mut sequence.targets)).collect();
        sequence
    }

    /// One of the sample's chunks told on from its first lines, as if the cursor stood in it, all
    /// chunks' soft tokens in the prompt; and the sample it was made of.
    pub fn restated(&self, sample: &Sample, random: &mut SplitMix64) -> (Sample, Task) {
        let most = sample.chunks.len().min(self.config.top_k);
        let SampleChunk { path, text, .. } = &sample.chunks[random.below(most)];
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).take(MOST_GIVEN).collect();
        let given = random.choose(&ends).copied().unwrap_or(0);
        let restating = Sample {
            path: path.clone(),
            prefix: text[..given].into(),
            target: text[given..].into(),
            suffix: String::new(),
            ..sample.clone()
        };
        let task = self.retelling(Lane::Compressed, &restating);
        (restating, task)
    }

    /// Such a sample in any lane, of at most 96 tokens to be told on.
    pub fn retelling(&self, lane: Lane, restating: &Sample) -> Task {
        let mut task = self.task(lane, restating);
        task.sequence.targets.truncate(MOST_RESTATED);
        let rows = task.sequence.targets.last().map_or(task.sequence.prompt, |last| last.row + 1);
        task.sequence.tokens.truncate(rows);
        task
    }
}
