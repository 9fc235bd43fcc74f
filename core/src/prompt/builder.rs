//! Lays prompts out within the bundle's budgets.

use std::sync::Arc;

use super::window::{first_tokens, prefix_tokens};
use super::{Prompt, PromptChunk};
use crate::Result;
use crate::config::{ChunkOrder, ContextPlacement, PromptConfig};
use crate::engine::Lane;
use crate::tokenize::Tokenizer;

/// The fewest tokens of a chunk that are worth a place: what of the last chunk still fits is cut
/// to the budget, and left out if it is shorter than this.
const MIN_CUT_CHUNK_TOKENS: usize = 16;

/// Builds prompts for one bundle: its tokenizer, layout and budgets.
#[derive(Debug, Clone)]
pub struct PromptBuilder {
    tokenizer: Arc<Tokenizer>,
    config: PromptConfig,
    fim_prefix: Special,
    fim_suffix: Special,
    fim_middle: Special,
    separator: Separator,
    header: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Special {
    id: u32,
    text: &'static str,
}

/// What tells one text chunk from the next.
#[derive(Debug, Clone)]
enum Separator {
    /// A special token before each.
    Before(Special),
    /// Ordinary tokens after each.
    After(Vec<u32>),
}

impl Separator {
    fn tokens(&self) -> usize {
        match self {
            Self::Before(_) => 1,
            Self::After(ids) => ids.len(),
        }
    }
}

impl PromptBuilder {
    /// A builder for this bundle; looks its special tokens up.
    ///
    /// # Errors
    /// [`Error::MissingToken`](crate::Error::MissingToken) if the tokenizer lacks one.
    pub fn new(tokenizer: Arc<Tokenizer>, config: PromptConfig) -> Result<Self> {
        let special =
            |text: &'static str| Ok::<_, crate::Error>(Special { id: tokenizer.special(text)?, text });
        let separator = match config.context_placement {
            ContextPlacement::BeforePrefix => Separator::Before(special("<|file_sep|>")?),
            ContextPlacement::AfterSuffix => Separator::After(tokenizer.encode("\n")),
        };
        let header = match (config.context_header.trim_end_matches('\n'), config.context_placement) {
            ("", _) => Vec::new(),
            (header, ContextPlacement::BeforePrefix) => tokenizer.encode(&format!("{header}\n")),
            // The suffix may end anywhere in a line.
            (header, ContextPlacement::AfterSuffix) => tokenizer.encode(&format!("\n{header}\n")),
        };
        Ok(Self {
            fim_prefix: special("<|fim_prefix|>")?,
            fim_suffix: special("<|fim_suffix|>")?,
            fim_middle: special("<|fim_middle|>")?,
            separator,
            header,
            tokenizer,
            config,
        })
    }

    /// The most positions a prompt of any lane takes: what the KV cache must hold, besides the
    /// new tokens.
    pub fn max_prompt_tokens(&self) -> usize {
        let soft = self.config.top_k.saturating_mul(self.config.soft_tokens.get());
        let context = self.config.context_tokens.max(soft);
        let parts = [3, self.config.prefix_tokens, self.config.suffix_tokens, self.header.len(), context];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    /// Builds a lane's prompt.
    ///
    /// Of the text before the cursor the last `prefix_tokens` are kept (the window's start moves
    /// in steps, so that the KV cache survives typing), of the text after it the first
    /// `suffix_tokens`. Of the chunks, best first, at most `top_k` are used.
    ///
    /// Full RAG takes the chunks by rank, at most `chunk_tokens` of each, until `context_tokens`
    /// are spent, separators included; the chunk that does not fit whole is cut, or left out if
    /// fewer than 16 of its tokens fit. Only then are they laid out in the bundle's order.
    pub fn build(&self, lane: Lane, prefix: &str, suffix: &str, chunks: &[PromptChunk<'_>]) -> Prompt {
        let mut prompt = Prompt::default();
        if self.config.context_placement == ContextPlacement::BeforePrefix {
            self.push_context(&mut prompt, lane, chunks);
        }
        self.push(&mut prompt, &self.fim_prefix);
        self.push_text(&mut prompt, &prefix_tokens(&self.tokenizer, prefix, self.config.prefix_tokens));
        self.push(&mut prompt, &self.fim_suffix);
        self.push_text(&mut prompt, &first_tokens(&self.tokenizer, suffix, self.config.suffix_tokens));
        if self.config.context_placement == ContextPlacement::AfterSuffix {
            self.push_context(&mut prompt, lane, chunks);
        }
        self.push(&mut prompt, &self.fim_middle);
        prompt
    }

    fn push_context(&self, prompt: &mut Prompt, lane: Lane, chunks: &[PromptChunk<'_>]) {
        let chunks = &chunks[..chunks.len().min(self.config.top_k)];
        match lane {
            Lane::Base => {}
            Lane::FullRag => {
                let texts = self.within_budget(chunks);
                self.push_header(prompt, texts.len());
                self.in_order(texts).for_each(|ids| match &self.separator {
                    Separator::Before(special) => {
                        self.push(prompt, special);
                        self.push_text(prompt, &ids);
                    }
                    Separator::After(newline) => self.push_text(prompt, &[&ids[..], newline].concat()),
                });
            }
            Lane::Compressed | Lane::Xrag => {
                self.push_header(prompt, chunks.len());
                let tokens = self.config.soft_tokens.get();
                let soft = self.in_order(chunks.to_vec());
                soft.for_each(|chunk| prompt.push_soft(chunk.id, chunk.place, tokens));
            }
        }
    }

    /// The tokens of the chunks that the budget allows, best first.
    fn within_budget(&self, chunks: &[PromptChunk<'_>]) -> Vec<Vec<u32>> {
        let mut left = self.config.context_tokens;
        let mut texts = Vec::new();
        for chunk in chunks {
            let mut ids = first_tokens(&self.tokenizer, chunk.text, self.config.chunk_tokens);
            let room = left.saturating_sub(self.separator.tokens());
            if ids.len() > room {
                if room < MIN_CUT_CHUNK_TOKENS {
                    break;
                }
                ids.truncate(room);
            }
            if ids.is_empty() {
                break;
            }
            left -= ids.len() + self.separator.tokens();
            texts.push(ids);
        }
        texts
    }

    /// What comes best first, as the bundle orders it.
    fn in_order<T>(&self, mut best_first: Vec<T>) -> impl Iterator<Item = T> {
        if self.config.chunk_order == ChunkOrder::BestLast {
            best_first.reverse();
        }
        best_first.into_iter()
    }

    fn push_header(&self, prompt: &mut Prompt, chunks: usize) {
        prompt.chunks = chunks;
        if chunks > 0 {
            self.push_text(prompt, &self.header);
        }
    }

    fn push(&self, prompt: &mut Prompt, special: &Special) {
        prompt.push_special(special.id, special.text);
    }

    fn push_text(&self, prompt: &mut Prompt, ids: &[u32]) {
        prompt.push_text(ids, self.tokenizer.decode(ids));
    }
}
