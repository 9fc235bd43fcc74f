//! From chunks and the text around a cursor to what the reader reads: tokens and soft vectors.
//!
//! Every lane has the same local part; they differ in the context, and bundles in its place. Readers
//! that can fill in the middle get one of the first two layouts, all others the third:
//!
//! ```text
//! before_prefix:  context <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|>
//! after_suffix:   <|fim_prefix|> prefix <|fim_suffix|> suffix context <|fim_middle|>
//! causal:         context # path
//!                 prefix
//! ```
//!
//! | lane | context |
//! |---|---|
//! | base | nothing |
//! | full RAG, before the prefix | a chunk: `<\|file_sep\|>` and its text |
//! | full RAG, after the suffix | a chunk: its text and `\n` |
//! | full RAG, causal | a chunk: `# path`, its text and a blank line |
//! | cached | as full RAG; the bundle's `sink_token` before everything |
//! | digest | as full RAG; of a chunk's text its signatures, and names that stand nowhere else |
//! | excerpt | one text: of all chunks the few lines that are likeliest to tell what comes next ([`excerpt`]) |
//! | compressed | a chunk: its soft tokens, no separator |
//! | expansion | the best chunks as full RAG has them, the others as the compressed lane has |
//!
//! The bundle's `context_header`, if it has one, stands before the context on a line of its own.

mod builder;
mod digest;
pub mod excerpt;
mod healing;
mod window;

use llavacode_api::completion::{ChunkSpan, PromptPart};

use crate::index::ChunkId;

pub use builder::PromptBuilder;
pub use healing::Healing;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<'a> {
    /// The file's path in the workspace.
    pub path: &'a str,
    /// Everything before it.
    pub prefix: &'a str,
    /// Everything after it.
    pub suffix: &'a str,
}

/// The text around a cursor, in tokens: what the prompts of all lanes have in common
/// ([`PromptBuilder::local_part`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPart {
    path: String,
    /// The last tokens before the cursor.
    pub(crate) before: Vec<u32>,
    /// The first tokens after it; empty where the prompt has no place for them.
    pub(crate) after: Vec<u32>,
    /// See [`Prompt::taken_back`].
    taken_back: String,
    /// The first text after the cursor, whether the prompt has a place for it or not: excerpts are chosen by
    /// it.
    behind: String,
}

impl LocalPart {
    /// The cursor, with `before` as the text before it ([`PromptBuilder::before_word`]).
    pub fn cursor<'a>(&'a self, before: &'a str) -> Cursor<'a> {
        Cursor { path: &self.path, prefix: before, suffix: &self.behind }
    }
}

/// A stretch of the reader's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Ordinary and special tokens, one position each.
    Tokens(Vec<u32>),
    /// The chunk's soft tokens, as many positions as the bundle gives a chunk.
    Soft(ChunkId),
    /// A chunk's text in tokens, read by itself behind the sink: what stands before it in this prompt
    /// does not matter to it.
    Alone(Vec<u32>),
}

/// A chunk to put into a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptChunk<'a> {
    /// What its soft tokens are found by.
    pub id: ChunkId,
    /// Where it stands.
    pub span: &'a ChunkSpan,
    /// Its text.
    pub text: &'a str,
}

/// What the reader reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    /// In order; no two stretches of ordinary tokens follow each other.
    pub segments: Vec<Segment>,
    /// The same, to be looked at.
    pub parts: Vec<PromptPart>,
    /// Positions, soft tokens included.
    pub prompt_tokens: usize,
    /// Soft tokens among them.
    pub soft_tokens: usize,
    /// Where the text around the cursor begins: behind the retrieved context, where that stands before it.
    pub local_start: usize,
    /// Where the text before the cursor begins: at `local_start`, or behind what stands after the cursor where a
    /// causal prompt has that as context.
    pub before_start: usize,
    /// How many of the chunks given stand in the prompt: the best ones.
    pub chunks: usize,
    /// The end of the text before the cursor that does not stand in the prompt: decoding is held to
    /// begin with it ([`Healing`]). Empty without token healing.
    pub taken_back: String,
}

impl Prompt {
    fn push_special(&mut self, id: u32, text: &str) {
        self.parts.push(PromptPart::Special { text: text.into() });
        self.push_tokens(&[id]);
    }

    fn push_text(&mut self, ids: &[u32], text: String) {
        if !ids.is_empty() {
            self.parts.push(PromptPart::Text { text, tokens: ids.len() });
            self.push_tokens(ids);
        }
    }

    /// A chunk's text, what stands before it (`special`) included, as a stretch of its own.
    fn push_alone(&mut self, special: Option<(u32, &str)>, ids: &[u32], text: String) {
        let tokens: Vec<u32> = special.iter().map(|(id, _)| *id).chain(ids.iter().copied()).collect();
        self.parts.extend(special.map(|(_, text)| PromptPart::Special { text: text.into() }));
        self.parts.push(PromptPart::Text { text, tokens: ids.len() });
        self.prompt_tokens += tokens.len();
        self.segments.push(Segment::Alone(tokens));
    }

    fn push_soft(&mut self, id: ChunkId, span: &ChunkSpan, tokens: usize) {
        self.parts.push(PromptPart::Soft { span: span.clone(), tokens });
        self.segments.push(Segment::Soft(id));
        self.prompt_tokens += tokens;
        self.soft_tokens += tokens;
    }

    fn push_tokens(&mut self, ids: &[u32]) {
        match self.segments.last_mut() {
            Some(Segment::Tokens(tokens)) => tokens.extend_from_slice(ids),
            _ => self.segments.push(Segment::Tokens(ids.to_vec())),
        }
        self.prompt_tokens += ids.len();
    }
}
