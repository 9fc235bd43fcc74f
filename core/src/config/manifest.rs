//! The bundle's manifest.

use std::{collections::BTreeMap, num::NonZeroUsize};

use serde::{Deserialize, Serialize};

use super::QuantizationConfig;

/// `bundle.json`: what a folder of model files is, and how to use it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleManifest {
    /// Short name, shown in the status line.
    pub name: String,
    /// Version of this bundle.
    pub version: String,
    /// SPDX expression.
    pub license: String,
    /// One sentence for a user.
    pub description: String,
    /// Every file of the bundle by its path: length and hash.
    pub files: BTreeMap<String, FileEntry>,
    /// How prompts are laid out and how long their parts may be.
    #[serde(default)]
    pub prompt: PromptConfig,
    /// How files are cut for the index.
    #[serde(default)]
    pub chunking: ChunkingConfig,
    /// What goes into the encoder.
    #[serde(default)]
    pub encoder: EncoderInput,
    /// A suggestion that nobody asked for is held back if its reader is less sure of it, in 0..=1
    /// ([`Completion::confidence`](crate::engine::Completion::confidence)); 0 to show them all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least_confidence: f64,
    /// Formats of the weights on the device.
    #[serde(default)]
    pub quantization: QuantizationConfig,
    /// What the release measured, by lane; empty where nothing was.
    #[serde(default)]
    pub evaluation: serde_json::Value,
    /// What a device that computes rightly gives; without it devices are not tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTest>,
}

/// Some logits of the reader, to tell a device that computes wrongly by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// What the reader reads.
    pub tokens: Vec<u32>,
    /// Logits of the next token, by id: some of the largest.
    pub logits: BTreeMap<u32, f32>,
}

/// Length and SHA-256 of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Length in bytes.
    pub bytes: u64,
    /// Lower-case hex digest; a file without one is taken as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Layout and budgets of a prompt, in tokens. What a manifest leaves out is [`Default`]'s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptConfig {
    /// What the reader was trained to do. If it is left out: fill in the middle where the tokenizer
    /// has the tokens for it.
    pub style: Option<PromptStyle>,
    /// Where retrieved context stands in a fill-in-the-middle prompt.
    pub context_placement: ContextPlacement,
    /// Which end the best chunk stands at.
    pub chunk_order: ChunkOrder,
    /// Text before the prompt's retrieved part, if the reader was trained with one.
    pub context_header: String,
    /// A token that the cached lane puts before everything, and before each chunk that is read by itself;
    /// a causal prompt's soft tokens stand behind it too.
    /// Readers attend to the first position for want of anything better (StreamingLLM, arXiv 2309.17453,
    /// calls it the attention sink); without such a token each chunk would bring one of its own. If it
    /// is left out: the end of text, where the tokenizer has it, which is what begins a document in many
    /// readers' training. Empty for none: the bundle then has no cached lane.
    pub sink_token: Option<String>,
    /// Most tokens kept before the cursor.
    pub prefix_tokens: usize,
    /// Most tokens kept after the cursor; a causal reader gets them only with `suffix_as_context`.
    pub suffix_tokens: usize,
    /// Whether a causal reader gets what stands after the cursor as one more piece of context, before
    /// the file's own text.
    pub suffix_as_context: bool,
    /// Most tokens of one chunk's text.
    pub chunk_tokens: usize,
    /// Most tokens of retrieved text altogether.
    pub context_tokens: usize,
    /// Most tokens of what the digest lane says of the chunks; 0 for a bundle without that lane.
    #[serde(skip_serializing_if = "is_nought")]
    pub digest_tokens: usize,
    /// Most tokens of the excerpt lane's context; 0 for a bundle without that lane.
    #[serde(skip_serializing_if = "is_nought")]
    pub excerpt_tokens: usize,
    /// Most tokens of the chunks that the expansion lane has as text; 0 for a bundle without that lane.
    #[serde(skip_serializing_if = "is_nought")]
    pub expansion_tokens: usize,
    /// Chunks retrieved.
    pub top_k: usize,
    /// Soft tokens of a chunk in the lanes that have any, one for each of so many parts of its lines
    /// ([`parts`](crate::index::chunker::parts)). The paper's chunks have one.
    pub soft_tokens: NonZeroUsize,
    /// Positions at a prompt's end that are read anew where only what stands before the text around the
    /// cursor has changed. The text further up keeps the keys and values that it was last read with, turned
    /// to its new place. 0: all of it is read anew.
    #[serde(skip_serializing_if = "is_nought")]
    pub reread_tokens: usize,
    /// Most tokens generated.
    pub max_new_tokens: usize,
    /// Whether the last token or two before the cursor are taken back and decoding is held to begin
    /// with their text: a cursor often stands inside what would be one token, and a reader whose
    /// training never cut a text there does not know how to go on. Off for readers trained with
    /// cursors anywhere.
    pub token_healing: bool,
    /// Most tokens that are looked up in the prompt and the chunks, to be checked in one pass; 0 to decode
    /// token by token, which on the CPU is as fast.
    #[serde(skip_serializing_if = "is_nought")]
    pub draft_tokens: usize,
}

impl Default for PromptConfig {
    /// For a checkpoint that nothing is known of but its architecture.
    fn default() -> Self {
        Self {
            style: None,
            context_placement: ContextPlacement::BeforePrefix,
            chunk_order: ChunkOrder::BestLast,
            context_header: String::new(),
            sink_token: None,
            prefix_tokens: 384,
            suffix_tokens: 128,
            suffix_as_context: false,
            chunk_tokens: 128,
            context_tokens: 512,
            digest_tokens: 0,
            excerpt_tokens: 0,
            expansion_tokens: 0,
            top_k: 8,
            soft_tokens: NonZeroUsize::MIN,
            reread_tokens: 0,
            max_new_tokens: 50,
            token_healing: true,
            draft_tokens: 0,
        }
    }
}

/// Positions of a prompt beside its budgets: special tokens, the line that names the file.
const AROUND: usize = 96;

impl PromptConfig {
    /// The same with budgets lowered, all by the same factor, so that a prompt and its completion have
    /// room in so many positions.
    pub fn within(mut self, positions: usize) -> Self {
        let local = self.prefix_tokens.saturating_add(self.suffix_tokens);
        let wanted = local.saturating_add(self.context_tokens);
        let room = positions.saturating_sub(AROUND.saturating_add(self.max_new_tokens));
        if wanted > room {
            let lower = |budget: usize| (budget as f64 * room as f64 / wanted as f64) as usize;
            self.prefix_tokens = lower(self.prefix_tokens);
            self.suffix_tokens = lower(self.suffix_tokens);
            self.context_tokens = lower(self.context_tokens);
            self.digest_tokens = lower(self.digest_tokens);
            self.excerpt_tokens = lower(self.excerpt_tokens);
            self.expansion_tokens = lower(self.expansion_tokens);
            self.chunk_tokens = lower(self.chunk_tokens);
        }
        self
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_nought(number: &usize) -> bool {
    *number == 0
}

/// What a reader was trained to do with the text around a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptStyle {
    /// Fill in the middle: special tokens mark what stands before and after the cursor.
    Fim,
    /// Go on from left to right: what stands after the cursor is not seen.
    Causal,
}

/// Where retrieved context stands in the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextPlacement {
    /// Before `<|fim_prefix|>`.
    BeforePrefix,
    /// After the suffix, just before `<|fim_middle|>` (the paper's).
    AfterSuffix,
}

/// Which end of the context the best chunk stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkOrder {
    /// Best first.
    BestFirst,
    /// Best last: nearest to what follows.
    BestLast,
}

/// How files are cut into chunks (paper: 10 lines, stride 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChunkingConfig {
    /// Lines of a chunk.
    pub lines: usize,
    /// Lines from one chunk's start to the next one's.
    pub stride: usize,
}

impl Default for ChunkingConfig {
    /// The paper's.
    fn default() -> Self {
        Self { lines: 10, stride: 5 }
    }
}

/// What goes into the encoder for a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderInput {
    /// Most tokens of the chunk's text.
    pub max_tokens: usize,
    /// A token appended to it, whose hidden state is pooled; empty for none.
    pub append: String,
    /// A token put before it, whose hidden state is not; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prepend: String,
    /// The encoder is the reader's own first layers, pooled after so many of them, 0 being the input
    /// vectors ([`Pooling::MeanAfter`](crate::model::encoder::Pooling::MeanAfter)); empty where the bundle
    /// brings an encoder of its own, or has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reader_layers: Vec<usize>,
}

impl Default for EncoderInput {
    /// The paper's: 512 tokens, and no token of its own for pooling.
    fn default() -> Self {
        Self { max_tokens: 512, append: String::new(), prepend: String::new(), reader_layers: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_lowered_to_the_readers_positions() {
        let usual = PromptConfig::default();
        assert_eq!(usual.clone().within(8192), usual);
        for positions in [0, 64, 256, 512, 1024] {
            let config = usual.clone().within(positions);
            let budgets = config.prefix_tokens + config.suffix_tokens + config.context_tokens;
            assert!(budgets + AROUND + config.max_new_tokens <= positions.max(AROUND + 50), "{config:?}");
        }
        let half = usual.clone().within(512 + AROUND + usual.max_new_tokens);
        assert_eq!([half.prefix_tokens, half.suffix_tokens, half.context_tokens], [192, 64, 256]);
    }
}
