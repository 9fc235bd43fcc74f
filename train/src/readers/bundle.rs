//! A bundle's reader as the page runs it.

use std::{ops::Range, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use llavacode_core::{
    bundle::load_bundle,
    config::{BundleManifest, PromptConfig},
    engine::{CACHED_TAIL, Lane},
    model::reader::Reader,
    prompt::{PromptBuilder, Segment},
    tokenize::Tokenizer,
    weights::{FolderFiles, sha256_hex},
};

use serde_json::Value;

use crate::{prompts::prompt_of, samples::Sample};

/// A reader, and how prompts are laid out for it.
#[derive(Debug)]
pub struct BundleReader {
    /// What the report calls it.
    pub name: String,
    /// Tells its bundle from others of this name.
    pub mark: String,
    pub(super) reader: Reader,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) config: PromptConfig,
    prompts: PromptBuilder,
    /// The same without token healing.
    unhealed: PromptBuilder,
    /// With a budget of [`SHORT`] for text and digest.
    short: PromptBuilder,
}

/// Tokens of context in the lanes that have few.
const SHORT: usize = 128;

/// A way to ask a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// As in the report.
    pub name: &'static str,
    pub(super) lane: Lane,
    pub(super) healing: bool,
    /// In the cached lane, how many positions before the cursor are read with the chunks in sight.
    pub(super) tail: usize,
    /// Whether the context is short.
    pub(super) short: bool,
}

/// What a reader reads before the first token it chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// A position each.
    pub tokens: Vec<u32>,
    /// What the completion has to begin with; no part of it.
    pub held: String,
    /// Stretches of the tokens that are read by themselves behind the first `sink` tokens, in order.
    pub alone: Vec<Range<usize>>,
    /// Tokens before everything.
    pub sink: usize,
}

impl BundleReader {
    /// Loads a bundle onto the CPU: its weights are rounded as on the page.
    ///
    /// # Errors
    /// If the folder holds no such bundle.
    pub fn load(folder: &Path) -> Result<Self> {
        let files = FolderFiles { root: folder.into() };
        let models = pollster::block_on(load_bundle(&files, &Device::flex(), |_| {}))
            .with_context(|| format!("the bundle {} cannot be loaded", folder.display()))?;
        let tokenizer = Arc::new(models.reader_tokenizer);
        let (mark, name) = (mark(&models.manifest)?, key(&models.manifest.name));
        Self::new(name, mark, models.reader, tokenizer, models.manifest.prompt)
    }

    /// A reader with its tokenizer and prompts.
    ///
    /// # Errors
    /// If the tokenizer lacks a token that the prompts need.
    pub fn new(
        name: String,
        mark: String,
        reader: Reader,
        tokenizer: Arc<Tokenizer>,
        config: PromptConfig,
    ) -> Result<Self> {
        ensure!(!name.is_empty(), "a bundle without a name cannot be reported: give it one in bundle.json");
        let prompts = PromptBuilder::new(Arc::clone(&tokenizer), config.clone())?;
        let without = PromptConfig { token_healing: false, ..config.clone() };
        let unhealed = PromptBuilder::new(Arc::clone(&tokenizer), without)?;
        let few = PromptConfig { context_tokens: SHORT, digest_tokens: SHORT, ..config.clone() };
        let short = PromptBuilder::new(Arc::clone(&tokenizer), few)?;
        Ok(Self { name, mark, reader, tokenizer, config, prompts, unhealed, short })
    }

    /// The model.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What it is asked, in this order.
    pub fn lanes(&self) -> Vec<Asking> {
        let lane = |name, lane, healing| Asking { name, lane, healing, tail: 0, short: false };
        if !self.config.token_healing {
            return vec![lane("base", Lane::Base, false), lane("full_rag", Lane::FullRag, false)];
        }
        vec![
            lane("base", Lane::Base, true),
            lane("base.unhealed", Lane::Base, false),
            lane("full_rag", Lane::FullRag, true),
            lane("full_rag.unhealed", Lane::FullRag, false),
        ]
    }

    /// What it is asked to see what cheaper ways to the chunks' text cost: `full_rag_128` and `digest` have
    /// a quarter of full RAG's budget for the text, and for the digest of it; `cached` as the page does at a
    /// place whose chunks and text it has read before, `cached.whole` with all text before the cursor read
    /// with the chunks in sight, as on the first time.
    pub fn cheaper_lanes(&self) -> Vec<Asking> {
        let healing = self.config.token_healing;
        let lane = |name, lane, tail| Asking { name, lane, healing, tail, short: false };
        let short = |name, lane| Asking { name, lane, healing, tail: 0, short: true };
        vec![
            lane("base", Lane::Base, 0),
            lane("full_rag", Lane::FullRag, 0),
            short("full_rag_128", Lane::FullRag),
            short("digest", Lane::Digest),
            lane("cached", Lane::Cached, CACHED_TAIL),
            lane("cached.whole", Lane::Cached, usize::MAX),
        ]
    }

    /// Most positions a question and its answer take.
    pub(super) fn capacity(&self) -> usize {
        // A line has 500 bytes at most.
        (self.prompts.max_prompt_tokens() + 512 + self.config.max_new_tokens)
            .min(self.reader.config().max_position_embeddings)
    }

    /// A task in a lane.
    pub fn question(&self, lane: Asking, sample: &Sample) -> Question {
        let prompts = match lane {
            Asking { short: true, .. } => &self.short,
            Asking { healing: true, .. } => &self.prompts,
            _ => &self.unhealed,
        };
        let prompt = prompt_of(prompts, lane.lane, sample);
        let mut question = Question { held: prompt.taken_back, ..Question::default() };
        for segment in prompt.segments {
            match segment {
                Segment::Tokens(tokens) => question.tokens.extend(tokens),
                Segment::Alone(tokens) => {
                    let start = question.tokens.len();
                    question.tokens.extend(tokens);
                    question.alone.push(start..question.tokens.len());
                }
                // None of these lanes has any.
                Segment::Soft(_) => {}
            }
        }
        if let Some(last) = question.alone.last() {
            question.sink = usize::from(prompts.sink().is_some());
            let local = last.end..question.tokens.len().saturating_sub(lane.tail).max(last.end);
            question.alone.extend((!local.is_empty()).then_some(local));
        }
        question
    }
}

/// Tells a bundle from others that say something else. What was measured of it changes nothing of what it
/// says.
///
/// # Errors
/// None that a manifest has.
pub fn mark(manifest: &BundleManifest) -> Result<String> {
    let settings = BundleManifest { evaluation: Value::Null, least_confidence: 0.0, ..manifest.clone() };
    Ok(sha256_hex(&serde_json::to_vec(&settings)?)[..16].into())
}

/// A name as keys are written: `SmolLM2 135M` becomes `smollm2-135m`.
fn key(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys() {
        assert_eq!(key("SmolLM2 (135M)"), "smollm2-135m");
        assert_eq!(key("pico"), "pico");
    }
}
