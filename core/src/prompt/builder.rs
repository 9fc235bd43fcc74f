//! Lays prompts out within the bundle's budgets.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use super::{
    Cursor, LocalPart, Prompt, PromptChunk,
    digest::digest,
    excerpt::{self, WEIGHTS},
    healing::take_back,
    window::{first_tokens, prefix_tokens},
};
use llavacode_api::completion::Lane;

use crate::{
    Result,
    config::{ChunkOrder, ContextPlacement, PromptConfig, PromptStyle},
    index::ChunkId,
    tokenize::Tokenizer,
    words::words,
};

/// The fewest tokens of a chunk that are worth a place: what of the last chunk still fits is cut
/// to the budget, and left out if it is shorter than this.
const MIN_CUT_CHUNK_TOKENS: usize = 16;
/// Most tokens of a line that names a file.
const MAX_PATH_TOKENS: usize = 64;

/// Most bytes behind the cursor that excerpts are chosen by.
const MAX_BEHIND_BYTES: usize = 2048;

/// Builds prompts for one bundle: its tokenizer, layout and budgets.
#[derive(Debug, Clone)]
pub struct PromptBuilder {
    tokenizer: Arc<Tokenizer>,
    config: PromptConfig,
    layout: Layout,
    header: Vec<u32>,
    /// Before everything in the cached lane, and before soft tokens in a causal prompt.
    sink: Option<(u32, String)>,
}

#[derive(Debug, Clone)]
enum Layout {
    Fim {
        prefix: Special,
        suffix: Special,
        middle: Special,
        /// Stands before each text chunk; where it is missing, a line break stands after each.
        file_separator: Option<Special>,
        line_break: Vec<u32>,
    },
    Causal {
        /// Stands after each text chunk.
        blank_line: Vec<u32>,
    },
}

#[derive(Debug, Clone)]
struct Special {
    id: u32,
    text: &'static str,
}

/// A chunk's text in tokens, with what stands around it.
struct ChunkText {
    /// The chunk; an excerpt is of several.
    of: Option<ChunkId>,
    before: Vec<u32>,
    text: Vec<u32>,
    after: Vec<u32>,
}

/// What the expansion lane has of a chunk.
enum Either<'a> {
    Text(ChunkText),
    Soft(&'a PromptChunk<'a>),
}

impl PromptBuilder {
    /// A builder for this bundle; looks its special tokens up.
    ///
    /// # Errors
    /// [`Error::MissingToken`](crate::Error::MissingToken) if the tokenizer lacks one that a
    /// fill-in-the-middle prompt needs, and the bundle asks for such prompts, or lacks the bundle's
    /// `sink_token`.
    pub fn new(tokenizer: Arc<Tokenizer>, config: PromptConfig) -> Result<Self> {
        let layout = match config.style.unwrap_or_else(|| style_of(&tokenizer)) {
            PromptStyle::Fim => Layout::fim(&tokenizer, &config)?,
            PromptStyle::Causal => Layout::Causal { blank_line: tokenizer.encode("\n\n") },
        };
        let header = match (config.context_header.trim_end_matches('\n'), &layout, config.context_placement) {
            ("", ..) => Vec::new(),
            // The suffix may end anywhere in a line.
            (header, Layout::Fim { .. }, ContextPlacement::AfterSuffix) => {
                tokenizer.encode(&format!("\n{header}\n"))
            }
            (header, ..) => tokenizer.encode(&format!("{header}\n")),
        };
        let sink = match config.sink_token.as_deref() {
            Some("") => None,
            Some(token) => Some((tokenizer.special(token)?, token.to_owned())),
            None => tokenizer.special(END_OF_TEXT).ok().map(|id| (id, END_OF_TEXT.to_owned())),
        };
        Ok(Self { tokenizer, config, layout, header, sink })
    }

    /// What every stretch of [`Segment::Alone`](super::Segment::Alone) is read behind. Without it there is no
    /// cached lane.
    pub fn sink(&self) -> Option<u32> {
        self.sink.as_ref().map(|(id, _)| *id)
    }

    /// What these prompts ask of the reader.
    pub fn style(&self) -> PromptStyle {
        match self.layout {
            Layout::Fim { .. } => PromptStyle::Fim,
            Layout::Causal { .. } => PromptStyle::Causal,
        }
    }

    /// The most positions a prompt of any lane takes: what the KV cache must hold, besides the
    /// new tokens.
    pub fn max_prompt_tokens(&self) -> usize {
        let soft = self.config.top_k.saturating_mul(self.config.soft_tokens.get());
        let soft = soft.saturating_add(self.config.expansion_tokens);
        let text = self.config.digest_tokens.max(self.config.excerpt_tokens);
        let context = self.config.context_tokens.max(text).max(soft);
        let around = match &self.layout {
            Layout::Fim { .. } => self.config.suffix_tokens.saturating_add(3),
            Layout::Causal { blank_line } if self.config.suffix_as_context => {
                self.config.suffix_tokens.saturating_add(2 * MAX_PATH_TOKENS + blank_line.len())
            }
            Layout::Causal { .. } => MAX_PATH_TOKENS,
        };
        let sink = usize::from(self.sink.is_some());
        let parts = [around, self.config.prefix_tokens, self.header.len(), context, sink];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    /// Tokenises the text around a cursor: of what stands before it the last `prefix_tokens` (the
    /// window's start moves in steps, so that the KV cache survives typing), of what stands after it
    /// the first `suffix_tokens`.
    pub fn local_part(&self, cursor: Cursor<'_>) -> LocalPart {
        let mut before = prefix_tokens(&self.tokenizer, cursor.prefix, self.config.prefix_tokens);
        let taken_back = match self.config.token_healing {
            true => take_back(&self.tokenizer, &mut before),
            false => String::new(),
        };
        let after = match &self.layout {
            Layout::Causal { .. } if !self.config.suffix_as_context => Vec::new(),
            _ => first_tokens(&self.tokenizer, cursor.suffix, self.config.suffix_tokens),
        };
        let behind = cursor.suffix[..cursor.suffix.floor_char_boundary(MAX_BEHIND_BYTES)].to_owned();
        LocalPart { path: cursor.path.to_owned(), before, after, taken_back, behind }
    }

    /// Builds a lane's prompt from what it shares with the other lanes and the chunks, best first, of
    /// which at most `top_k` are used.
    ///
    /// Full RAG takes the chunks by rank, at most `chunk_tokens` of each, until `context_tokens`
    /// are spent, separators included; the chunk that does not fit whole is cut, or left out if
    /// fewer than 16 of its tokens fit. Only then are they laid out in the bundle's order. The digest
    /// lane does the same with `digest_tokens`, and so does the expansion lane with `expansion_tokens`; of the
    /// chunks that it has no text of it has the soft tokens.
    pub fn build(&self, lane: Lane, local: &LocalPart, chunks: &[PromptChunk<'_>]) -> Prompt {
        let LocalPart { path, before, after, taken_back, .. } = local;
        let mut prompt = Prompt { taken_back: taken_back.clone(), ..Prompt::default() };
        // A soft vector is no attention sink either; other layouts begin with a token of their own, or were
        // trained without.
        let with_sink = match (lane, &self.layout) {
            (Lane::Cached, _) => true,
            (_, Layout::Causal { .. }) => lane.has_soft_tokens() && !chunks.is_empty(),
            _ => false,
        };
        if let (true, Some((id, text))) = (with_sink, &self.sink) {
            prompt.push_special(*id, text);
        }
        match &self.layout {
            Layout::Fim { prefix, suffix, middle, .. } => {
                if self.config.context_placement == ContextPlacement::BeforePrefix {
                    self.push_context(&mut prompt, lane, local, chunks);
                }
                (prompt.local_start, prompt.before_start) = (prompt.prompt_tokens, prompt.prompt_tokens);
                prompt.push_special(prefix.id, prefix.text);
                self.push_text(&mut prompt, before);
                prompt.push_special(suffix.id, suffix.text);
                self.push_text(&mut prompt, after);
                if self.config.context_placement == ContextPlacement::AfterSuffix {
                    self.push_context(&mut prompt, lane, local, chunks);
                }
                prompt.push_special(middle.id, middle.text);
            }
            Layout::Causal { blank_line } => {
                self.push_context(&mut prompt, lane, local, chunks);
                prompt.local_start = prompt.prompt_tokens;
                if !after.is_empty() {
                    let line = self.path_line(&format!("{path}, after the cursor"));
                    self.push_text(&mut prompt, &[&line, after.as_slice(), blank_line].concat());
                }
                prompt.before_start = prompt.prompt_tokens;
                self.push_text(&mut prompt, &[&self.path_line(path), before.as_slice()].concat());
            }
        }
        prompt
    }

    fn push_context(&self, prompt: &mut Prompt, lane: Lane, local: &LocalPart, chunks: &[PromptChunk<'_>]) {
        let chunks = &chunks[..chunks.len().min(self.config.top_k)];
        match lane {
            Lane::Base => {}
            Lane::FullRag | Lane::Cached | Lane::Digest | Lane::Excerpt => {
                let texts = match lane {
                    Lane::Digest => self.digests(local, chunks),
                    Lane::Excerpt => Vec::from_iter(self.excerpt(local, chunks)),
                    _ => self.within_budget(chunks, self.config.context_tokens, |chunk| chunk.text.into()),
                };
                // Any of the chunks may have a line in an excerpt.
                let used =
                    if lane == Lane::Excerpt && !texts.is_empty() { chunks.len() } else { texts.len() };
                self.push_header(prompt, used);
                self.in_order(texts)
                    .for_each(|text| self.push_chunk_text(prompt, text, lane == Lane::Cached));
            }
            Lane::Expansion => {
                let texts =
                    self.within_budget(chunks, self.config.expansion_tokens, |chunk| chunk.text.into());
                let as_text: HashSet<_> = texts.iter().filter_map(|text| text.of).collect();
                let others = chunks.iter().filter(|chunk| !as_text.contains(&chunk.id));
                let context = texts.into_iter().map(Either::Text).chain(others.map(Either::Soft));
                self.push_header(prompt, chunks.len());
                for either in self.in_order(context.collect()) {
                    match either {
                        Either::Text(text) => self.push_chunk_text(prompt, text, false),
                        Either::Soft(chunk) => {
                            prompt.push_soft(chunk.id, chunk.span, self.config.soft_tokens.get())
                        }
                    }
                }
            }
            Lane::Compressed | Lane::Xrag => {
                self.push_header(prompt, chunks.len());
                let tokens = self.config.soft_tokens.get();
                let soft = self.in_order(chunks.to_vec());
                soft.for_each(|chunk| prompt.push_soft(chunk.id, chunk.span, tokens));
            }
        }
    }

    /// `alone`: read by itself, behind the sink.
    fn push_chunk_text(&self, prompt: &mut Prompt, text: ChunkText, alone: bool) {
        let separator = match &self.layout {
            Layout::Fim { file_separator: Some(Special { id, text }), .. } => Some((*id, *text)),
            _ => None,
        };
        let ids = [text.before, text.text, text.after].concat();
        if alone {
            return prompt.push_alone(separator, &ids, self.tokenizer.decode(&ids));
        }
        separator.into_iter().for_each(|(id, text)| prompt.push_special(id, text));
        self.push_text(prompt, &ids);
    }

    /// The line that names a file; at most 64 tokens of it.
    fn path_line(&self, path: &str) -> Vec<u32> {
        let mut line = self.tokenizer.encode(&format!("# {path}\n"));
        line.truncate(MAX_PATH_TOKENS);
        line
    }

    /// What the digest lane says of the chunks, best first: a name once.
    fn digests(&self, local: &LocalPart, chunks: &[PromptChunk<'_>]) -> Vec<ChunkText> {
        let around = [&local.before, &local.after].map(|ids| self.tokenizer.decode(ids));
        let mut known: HashSet<String> =
            around.iter().flat_map(|text| words(text)).map(str::to_owned).collect();
        self.within_budget(chunks, self.config.digest_tokens, |chunk| digest(chunk.text, &mut known).into())
    }

    /// The text before the cursor that excerpts are chosen by: what the prompt has of it, without the word
    /// that is being typed.
    pub fn before_word(&self, local: &LocalPart) -> String {
        let above = self.tokenizer.decode(&local.before) + &local.taken_back;
        excerpt::before_word(&above).to_owned()
    }

    /// What the excerpt lane says of all chunks, best first.
    fn excerpt(&self, local: &LocalPart, chunks: &[PromptChunk<'_>]) -> Option<ChunkText> {
        let (before, after, separator) = match &self.layout {
            Layout::Fim { file_separator: Some(_), .. } => (Vec::new(), Vec::new(), 1),
            Layout::Fim { line_break, .. } => (Vec::new(), line_break.clone(), 0),
            // A reader of whole files expects a text to begin with something of its own.
            Layout::Causal { blank_line } => (self.path_line(OTHER_FILES), blank_line.clone(), 0),
        };
        let around = before.len() + after.len() + separator;
        let room = self.config.excerpt_tokens.saturating_sub(around);
        let above = self.before_word(local);
        let cost = |line: &str| self.tokenizer.encode(&format!("{line}\n")).len();
        let best_last = self.config.chunk_order == ChunkOrder::BestLast;
        let text = excerpt::excerpt(chunks, local.cursor(&above), &WEIGHTS, room, best_last, cost);
        let text = first_tokens(&self.tokenizer, &text, room);
        (!text.is_empty()).then_some(ChunkText { of: None, before, text, after })
    }

    /// Of the chunks' texts, made by `text`, what the budget allows, best first.
    fn within_budget<'a>(
        &self,
        chunks: &[PromptChunk<'a>],
        budget: usize,
        mut text: impl FnMut(&PromptChunk<'a>) -> Cow<'a, str>,
    ) -> Vec<ChunkText> {
        let mut left = budget;
        let mut texts = Vec::new();
        for chunk in chunks {
            let (before, after, separator) = match &self.layout {
                Layout::Fim { file_separator: Some(_), .. } => (Vec::new(), Vec::new(), 1),
                Layout::Fim { line_break, .. } => (Vec::new(), line_break.clone(), 0),
                Layout::Causal { blank_line } => (self.path_line(&chunk.span.path), blank_line.clone(), 0),
            };
            let around = before.len() + after.len() + separator;
            let text = text(chunk);
            let mut text = first_tokens(&self.tokenizer, &text, self.config.chunk_tokens);
            let room = left.saturating_sub(around);
            if text.len() > room {
                if room < MIN_CUT_CHUNK_TOKENS {
                    break;
                }
                text.truncate(room);
            }
            if text.is_empty() {
                continue;
            }
            left -= text.len() + around;
            texts.push(ChunkText { of: Some(chunk.id), before, text, after });
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

    fn push_text(&self, prompt: &mut Prompt, ids: &[u32]) {
        prompt.push_text(ids, self.tokenizer.decode(ids));
    }
}

impl Layout {
    fn fim(tokenizer: &Tokenizer, config: &PromptConfig) -> Result<Self> {
        let special =
            |text: &'static str| Ok::<_, crate::Error>(Special { id: tokenizer.special(text)?, text });
        let file_separator = match (config.context_placement, config.style) {
            (ContextPlacement::AfterSuffix, _) => None,
            // Nobody said how this reader was trained: a line break separates as well.
            (ContextPlacement::BeforePrefix, None) => special(FILE_SEPARATOR).ok(),
            (ContextPlacement::BeforePrefix, Some(_)) => Some(special(FILE_SEPARATOR)?),
        };
        Ok(Self::Fim {
            prefix: special(FIM_TOKENS[0])?,
            suffix: special(FIM_TOKENS[1])?,
            middle: special(FIM_TOKENS[2])?,
            file_separator,
            line_break: tokenizer.encode("\n"),
        })
    }
}

/// What stands between documents in many readers' training.
const END_OF_TEXT: &str = "<|endoftext|>";
/// What an excerpt's lines are introduced as where nothing else parts them from the text.
const OTHER_FILES: &str = "other files";
const FILE_SEPARATOR: &str = "<|file_sep|>";
const FIM_TOKENS: [&str; 3] = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"];

/// Fill in the middle where the tokenizer has the tokens for it.
fn style_of(tokenizer: &Tokenizer) -> PromptStyle {
    match FIM_TOKENS.iter().all(|token| tokenizer.special(token).is_ok()) {
        true => PromptStyle::Fim,
        false => PromptStyle::Causal,
    }
}
