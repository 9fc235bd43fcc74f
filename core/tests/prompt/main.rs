//! The lanes' layouts and budgets, and that a prompt stays the same while one types.

mod budgets;
mod layouts;
mod readers;

use std::{num::NonZeroUsize, sync::Arc};

use llavacode_core::Error;
use llavacode_core::config::{ChunkOrder, ContextPlacement, PromptConfig, PromptStyle};
use llavacode_core::engine::{ChunkSpan, Lane, PromptPart};
use llavacode_core::index::ChunkId;
use llavacode_core::prompt::{Cursor, Prompt, PromptBuilder, PromptChunk, Segment};
use llavacode_core::tokenize::Tokenizer;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn tokenizer() -> Arc<Tokenizer> {
    let json = include_bytes!("../fixtures/tokenizer.json");
    Arc::new(Tokenizer::from_json("tokenizer.json", json).expect("the fixture is a tokenizer"))
}

const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// The budgets of pico, context before the prefix.
fn config() -> PromptConfig {
    PromptConfig {
        context_placement: ContextPlacement::BeforePrefix,
        chunk_order: ChunkOrder::BestLast,
        context_header: String::new(),
        sink_token: Some(String::new()),
        prefix_tokens: 320,
        suffix_tokens: 64,
        suffix_as_context: false,
        chunk_tokens: 96,
        context_tokens: 512,
        digest_tokens: 24,
        excerpt_tokens: 24,
        expansion_tokens: 24,
        top_k: 10,
        soft_tokens: NonZeroUsize::MIN,
        reread_tokens: 0,
        max_new_tokens: 50,
        token_healing: false,
        draft_tokens: 0,
        style: Some(PromptStyle::Fim),
    }
}

trait BuildAt {
    fn build_at(&self, lane: Lane, cursor: Cursor<'_>, chunks: &[PromptChunk<'_>]) -> Prompt;
}

impl BuildAt for PromptBuilder {
    fn build_at(&self, lane: Lane, cursor: Cursor<'_>, chunks: &[PromptChunk<'_>]) -> Prompt {
        self.build(lane, &self.local_part(cursor), chunks)
    }
}

/// A cursor in `own.py`.
fn cursor<'a>(prefix: &'a str, suffix: &'a str) -> Cursor<'a> {
    Cursor { path: "own.py", prefix, suffix }
}

/// For a reader that goes from left to right.
fn causal() -> PromptConfig {
    PromptConfig { style: Some(PromptStyle::Causal), ..config() }
}

/// The paper's layout.
fn after_suffix() -> PromptConfig {
    PromptConfig {
        context_placement: ContextPlacement::AfterSuffix,
        chunk_order: ChunkOrder::BestFirst,
        context_header: "# Here are some relevant code fragments from other files of the repo:".into(),
        ..config()
    }
}

fn builder(config: PromptConfig) -> PromptBuilder {
    PromptBuilder::new(tokenizer(), config).expect("the fixture has every special token")
}

struct Chunks(Vec<(ChunkSpan, String)>);

impl Chunks {
    /// `count` chunks of `lines` lines, best first, each naming its rank.
    fn new(count: usize, lines: usize) -> Self {
        let text =
            |rank: usize| (0..lines).map(|n| format!("chunk_{rank} = {n}")).collect::<Vec<_>>().join("\n");
        let span = |rank| ChunkSpan { path: format!("{rank}.py"), start_line: 0, end_line: lines };
        Self((0..count).map(|rank| (span(rank), text(rank))).collect())
    }

    fn as_chunks(&self) -> Vec<PromptChunk<'_>> {
        let chunks = self.0.iter().enumerate();
        chunks.map(|(rank, (span, text))| PromptChunk { id: id(rank), span, text }).collect()
    }
}

fn id(rank: usize) -> ChunkId {
    ChunkId::new(rank as u32, 7)
}

/// The prompt as one string; soft tokens as `{path}`.
fn shown(prompt: &Prompt) -> String {
    prompt
        .parts
        .iter()
        .map(|part| match part {
            PromptPart::Special { text } | PromptPart::Text { text, .. } => text.clone(),
            PromptPart::Soft { span, .. } => format!("{{{}}}", span.path),
        })
        .collect()
}

/// Every id of a prompt without soft tokens.
fn ids(prompt: &Prompt) -> Vec<u32> {
    let tokens = |segment: &Segment| match segment {
        Segment::Tokens(ids) | Segment::Alone(ids) => ids.clone(),
        Segment::Soft(id) => panic!("{id:?} in a prompt of text"),
    };
    prompt.segments.iter().flat_map(tokens).collect()
}

/// The tokens of the text part that follows a special token.
fn tokens_after(prompt: &Prompt, special: &str) -> usize {
    let mut parts = prompt.parts.iter();
    parts.find(|part| matches!(part, PromptPart::Special { text } if text == special));
    match parts.next() {
        Some(PromptPart::Text { tokens, .. }) => *tokens,
        _ => 0,
    }
}

/// That the parts say what the segments hold, and the numbers what both do.
fn assert_truthful(prompt: &Prompt, tokenizer: &Tokenizer) {
    let mut parts = prompt.parts.iter();
    let (mut positions, mut soft) = (0, 0);
    for segment in &prompt.segments {
        match segment {
            Segment::Soft(_) => match parts.next() {
                Some(PromptPart::Soft { tokens, .. }) => {
                    (positions, soft) = (positions + tokens, soft + tokens);
                }
                other => panic!("{other:?} is no soft part"),
            },
            Segment::Tokens(ids) | Segment::Alone(ids) => {
                assert!(!ids.is_empty());
                positions += ids.len();
                let mut rest = &ids[..];
                while !rest.is_empty() {
                    let (count, text) = match parts.next().expect("more tokens than parts") {
                        PromptPart::Special { text } => {
                            assert_eq!(tokenizer.special(text), Ok(rest[0]));
                            (1, text)
                        }
                        PromptPart::Text { text, tokens } => (*tokens, text),
                        PromptPart::Soft { .. } => panic!("a soft part among tokens"),
                    };
                    let (part, others) = rest.split_at(count);
                    assert_eq!(&tokenizer.decode(part), text);
                    rest = others;
                }
            }
        }
    }
    assert_eq!(parts.next(), None, "more parts than tokens");
    assert_eq!((prompt.prompt_tokens, prompt.soft_tokens), (positions, soft));
    let split = |pair: &[Segment]| matches!(pair, [Segment::Tokens(_), Segment::Tokens(_)]);
    assert!(!prompt.segments.windows(2).any(split), "tokens in two segments");
}
