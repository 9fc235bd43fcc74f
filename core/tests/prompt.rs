//! The lanes' layouts and budgets, and that a prompt stays the same while one types.

use std::{num::NonZeroUsize, sync::Arc};

use llavacode_core::Error;
use llavacode_core::config::{ChunkOrder, ContextPlacement, PromptConfig, PromptStyle};
use llavacode_core::engine::{ChunkPlace, Lane, PromptPart};
use llavacode_core::index::ChunkId;
use llavacode_core::prompt::{Cursor, Prompt, PromptBuilder, PromptChunk, Segment};
use llavacode_core::tokenize::Tokenizer;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn tokenizer() -> Arc<Tokenizer> {
    let json = include_bytes!("fixtures/tokenizer.json");
    Arc::new(Tokenizer::from_json("tokenizer.json", json).expect("the fixture is a tokenizer"))
}

const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// The budgets of pico, context before the prefix.
fn config() -> PromptConfig {
    PromptConfig {
        context_placement: ContextPlacement::BeforePrefix,
        chunk_order: ChunkOrder::BestLast,
        context_header: String::new(),
        prefix_tokens: 320,
        suffix_tokens: 64,
        suffix_as_context: false,
        chunk_tokens: 96,
        context_tokens: 512,
        top_k: 10,
        soft_tokens: NonZeroUsize::MIN,
        max_new_tokens: 50,
        token_healing: false,
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

struct Chunks(Vec<(ChunkPlace, String)>);

impl Chunks {
    /// `count` chunks of `lines` lines, best first, each naming its rank.
    fn new(count: usize, lines: usize) -> Self {
        let text =
            |rank: usize| (0..lines).map(|n| format!("chunk_{rank} = {n}")).collect::<Vec<_>>().join("\n");
        let place = |rank| ChunkPlace { path: format!("{rank}.py"), start_line: 0, end_line: lines };
        Self((0..count).map(|rank| (place(rank), text(rank))).collect())
    }

    fn as_chunks(&self) -> Vec<PromptChunk<'_>> {
        let chunks = self.0.iter().enumerate();
        chunks.map(|(rank, (place, text))| PromptChunk { id: id(rank), place, text }).collect()
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
            PromptPart::Soft { place, .. } => format!("{{{}}}", place.path),
        })
        .collect()
}

/// Every id of a prompt without soft tokens.
fn ids(prompt: &Prompt) -> Vec<u32> {
    let tokens = |segment: &Segment| match segment {
        Segment::Tokens(ids) => ids.clone(),
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
            Segment::Tokens(ids) => {
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

#[test]
fn the_base_lane_is_the_text_around_the_cursor() {
    let chunks = Chunks::new(3, 2);
    for config in [config(), after_suffix()] {
        let prompt = builder(config).build_at(Lane::Base, cursor("x = ", "\ny = 2\n"), &chunks.as_chunks());
        assert_eq!(shown(&prompt), "<|fim_prefix|>x = <|fim_suffix|>\ny = 2\n<|fim_middle|>");
        assert_eq!((prompt.soft_tokens, prompt.chunks), (0, 0));
    }
}

#[test]
fn text_chunks_stand_before_the_prefix_best_last() {
    let chunks = Chunks::new(3, 1);
    let prompt = builder(config()).build_at(Lane::FullRag, cursor("x = ", "\n"), &chunks.as_chunks());
    let context = "<|file_sep|>chunk_2 = 0<|file_sep|>chunk_1 = 0<|file_sep|>chunk_0 = 0";
    assert_eq!(shown(&prompt), format!("{context}<|fim_prefix|>x = <|fim_suffix|>\n<|fim_middle|>"));
    assert_eq!(prompt.chunks, 3);
}

#[test]
fn text_chunks_stand_after_the_suffix_under_the_header() {
    let chunks = Chunks::new(2, 1);
    let config = after_suffix();
    let context = format!("\n{}\nchunk_0 = 0\nchunk_1 = 0\n", config.context_header);
    let prompt = builder(config).build_at(Lane::FullRag, cursor("x = ", "\ny"), &chunks.as_chunks());
    assert_eq!(shown(&prompt), format!("<|fim_prefix|>x = <|fim_suffix|>\ny{context}<|fim_middle|>"));
}

#[test]
fn soft_tokens_take_the_chunks_place_without_separators() {
    let chunks = Chunks::new(3, 1);
    let prompt = builder(config()).build_at(Lane::Compressed, cursor("x = ", "\n"), &chunks.as_chunks());
    assert_eq!(shown(&prompt), "{2.py}{1.py}{0.py}<|fim_prefix|>x = <|fim_suffix|>\n<|fim_middle|>");
    assert_eq!(prompt.segments[..3], [Segment::Soft(id(2)), Segment::Soft(id(1)), Segment::Soft(id(0))]);

    let header = after_suffix().context_header;
    let prompt =
        builder(after_suffix()).build_at(Lane::Compressed, cursor("x = ", "\n"), &chunks.as_chunks());
    assert!(shown(&prompt).ends_with(&format!("\n\n{header}\n{{0.py}}{{1.py}}{{2.py}}<|fim_middle|>")));
    assert_eq!((prompt.soft_tokens, prompt.chunks), (3, 3));
}

#[test]
fn a_lane_without_chunks_is_the_base_lane() {
    for config in [config(), after_suffix()] {
        let builder = builder(config);
        let base = builder.build_at(Lane::Base, cursor("x = ", "\n"), &[]);
        for lane in Lane::ALL {
            assert_eq!(builder.build_at(lane, cursor("x = ", "\n"), &[]), base);
        }
    }
}

#[test]
fn at_most_k_chunks_are_used_the_best() {
    let chunks = Chunks::new(14, 1);
    let prompt = builder(config()).build_at(Lane::Compressed, cursor("", ""), &chunks.as_chunks());
    assert_eq!((prompt.soft_tokens, prompt.chunks), (10, 10));
    assert_eq!(prompt.segments[9], Segment::Soft(id(0)));
    let config = PromptConfig { top_k: 2, ..config() };
    let prompt = builder(config).build_at(Lane::FullRag, cursor("", ""), &chunks.as_chunks());
    assert_eq!(prompt.chunks, 2);
}

#[test]
fn a_chunk_has_as_many_soft_tokens_as_the_bundle_gives_it() {
    let config = PromptConfig { soft_tokens: FOUR, ..config() };
    let chunks = Chunks::new(3, 10);
    let builder = builder(config.clone());
    for lane in [Lane::Compressed, Lane::Xrag] {
        let prompt = builder.build_at(lane, cursor("x", ""), &chunks.as_chunks());
        assert_truthful(&prompt, &tokenizer());
        let base = builder.build_at(Lane::Base, cursor("x", ""), &[]);
        assert_eq!((prompt.chunks, prompt.soft_tokens), (3, 12));
        assert_eq!(prompt.prompt_tokens, base.prompt_tokens + 12);
        assert_eq!(shown(&prompt), format!("{{2.py}}{{1.py}}{{0.py}}{}", shown(&base)), "a part a chunk");
    }
    // Where there is little room for text, the soft tokens decide how long a prompt can be.
    let no_text = PromptConfig { context_tokens: 0, top_k: 3, ..config };
    let positions = |soft_tokens| {
        let config = PromptConfig { soft_tokens, ..no_text.clone() };
        PromptBuilder::new(tokenizer(), config).expect("a builder").max_prompt_tokens()
    };
    assert_eq!(positions(FOUR) - positions(NonZeroUsize::MIN), 9);
}

#[test]
fn full_rag_spends_its_budget_on_the_best_chunks_and_cuts_the_last() {
    let tokenizer = tokenizer();
    let chunks = Chunks::new(10, 5);
    let length = tokenizer.encode(&chunks.0[0].1).len();
    let base = builder(config()).build_at(Lane::Base, cursor("x", ""), &[]).prompt_tokens;
    let build = |context_tokens| {
        let config = PromptConfig { context_tokens, chunk_tokens: 1000, ..config() };
        let prompt = builder(config).build_at(Lane::FullRag, cursor("x", ""), &chunks.as_chunks());
        assert_truthful(&prompt, &tokenizer);
        (prompt.chunks, prompt.prompt_tokens - base)
    };
    let two = 2 * (length + 1);
    assert!(length > 20, "long enough to be cut: {length}");
    assert_eq!(build(two), (2, two));
    // A third chunk of fewer than 16 tokens is not worth its separator.
    assert_eq!(build(two + 1 + 15), (2, two));
    assert_eq!(build(two + 1 + 16), (3, two + 1 + 16));
    assert_eq!(build(0), (0, 0));
}

#[test]
fn a_chunk_gives_its_first_tokens() {
    let chunks = Chunks::new(1, 40);
    let prompt = builder(config()).build_at(Lane::FullRag, cursor("", ""), &chunks.as_chunks());
    assert_eq!(tokens_after(&prompt, "<|file_sep|>"), 96);
    assert!(shown(&prompt).starts_with("<|file_sep|>chunk_0 = 0\nchunk_0 = 1\n"));
}

#[test]
fn the_prefix_keeps_its_end_and_the_suffix_its_beginning() {
    let text: String = (0..500).map(|n| format!("value_{n} = {n}\n")).collect();
    let prompt = builder(config()).build_at(Lane::Base, cursor(&text, &text), &[]);
    let shown = shown(&prompt);
    let (prefix, suffix) = shown.split_once("<|fim_suffix|>").expect("there is a suffix");
    assert!(prefix.ends_with("value_499 = 499\n"), "{prefix}");
    assert!(prefix.starts_with("<|fim_prefix|>value_"), "the window starts with a line: {prefix}");
    assert!(suffix.starts_with("value_0 = 0\nvalue_1 = 1\n"), "{suffix}");
    assert_eq!(tokens_after(&prompt, "<|fim_suffix|>"), 64);
    let used = tokens_after(&prompt, "<|fim_prefix|>");
    assert!((320 * 3 / 4..=320).contains(&used), "{used} of 320");
}

#[test]
fn typing_keeps_the_prompts_beginning() {
    let builder = builder(config());
    let text: String = (0..200).map(|n| format!("    value_{n} = self.other[{n}]\n")).collect();
    let typed: String =
        (0..14).map(|n| format!("        result_{n} = self.compute(value, other=12)\n")).collect();
    let mut moves = 0;
    let mut before: Option<(Vec<u32>, String)> = None;
    for end in 1..typed.len() {
        let prefix = format!("{text}{}", &typed[..end]);
        let prompt = builder.build_at(Lane::Base, cursor(&prefix, ""), &[]);
        let ids = ids(&prompt);
        let window = shown(&prompt);
        assert!((243..=323).contains(&prompt.prompt_tokens), "{}", prompt.prompt_tokens);
        if let Some((old, old_window)) = &before {
            let start = |window: &str| window.chars().take(40).collect::<String>();
            if start(&window) == start(old_window) {
                // All but the word at the cursor (and the three special tokens) stay the same.
                let same = ids.iter().zip(old).take_while(|(a, b)| a == b).count();
                assert!(same + 8 >= old.len(), "{same} of {} stayed at {end}", old.len());
            } else {
                moves += 1;
            }
        }
        before = Some((ids, window));
    }
    let typed_tokens = tokenizer().encode(&typed).len();
    assert!(moves >= 3, "{typed_tokens} tokens must move the window");
    assert!(moves * 20 <= typed_tokens, "{moves} moves in {typed_tokens} tokens");
}

#[test]
fn no_text_exceeds_a_budget() {
    let tokenizer = tokenizer();
    let mut random = StdRng::seed_from_u64(1);
    const PIECES: [&str; 10] =
        ["x", "        ", "\n", "\r\n", "🦀", "self.value", "数値", "<|fim_middle|>", "12345", "=+-("];
    for _ in 0..150 {
        let mut text = |pieces: usize| -> String {
            (0..pieces).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect()
        };
        let (prefix, suffix) = (text(900), text(300));
        let texts: Vec<String> = (0..6).map(|_| text(80)).collect();
        let config = PromptConfig {
            prefix_tokens: random.random_range(0..200),
            suffix_tokens: random.random_range(0..50),
            chunk_tokens: random.random_range(0..60),
            context_tokens: random.random_range(0..200),
            top_k: random.random_range(0..8),
            ..if random.random_bool(0.5) { config() } else { after_suffix() }
        };
        let place = ChunkPlace { path: "a.py".into(), start_line: 0, end_line: 1 };
        let chunks: Vec<PromptChunk<'_>> = texts
            .iter()
            .enumerate()
            .map(|(n, text)| PromptChunk { id: id(n), place: &place, text })
            .collect();
        let builder = builder(config.clone());
        let base = builder.build_at(Lane::Base, cursor(&prefix, &suffix), &chunks);
        assert!(tokens_after(&base, "<|fim_prefix|>") <= config.prefix_tokens);
        assert!(tokens_after(&base, "<|fim_suffix|>") <= config.suffix_tokens);
        for lane in Lane::ALL {
            let prompt = builder.build_at(lane, cursor(&prefix, &suffix), &chunks);
            assert_truthful(&prompt, &tokenizer);
            assert!(prompt.prompt_tokens <= builder.max_prompt_tokens());
            assert!(prompt.chunks <= config.top_k.min(6));
            let header = if prompt.chunks > 0 {
                tokenizer.encode(&format!("\n{}\n", config.context_header)).len()
            } else {
                0
            };
            let context = prompt.prompt_tokens - base.prompt_tokens;
            let budget = if lane == Lane::FullRag { config.context_tokens } else { config.top_k };
            assert!(context <= budget + header, "{lane:?}: {context}");
        }
    }
}

#[test]
fn a_line_longer_than_the_budget_is_cut_in_steps() {
    let builder = builder(config());
    let line = "value, ".repeat(3000);
    let windows: Vec<Vec<u32>> = (0..7)
        .map(|typed| ids(&builder.build_at(Lane::Base, cursor(&line[..line.len() - 7 + typed], ""), &[])))
        .collect();
    for window in &windows {
        assert!((240..=323).contains(&window.len()), "{}", window.len());
        assert_eq!(window[..100], windows[0][..100]);
    }
}

#[test]
fn a_tokenizer_without_the_special_tokens_is_refused() {
    let json = include_str!("fixtures/tokenizer.json").replace("<|file_sep|>", "<|other|>");
    let tokenizer = Tokenizer::from_json("tokenizer.json", json.as_bytes()).expect("still a tokenizer");
    let tokenizer = Arc::new(tokenizer);
    let missing = Error::MissingToken { token: "<|file_sep|>".into() };
    assert_eq!(PromptBuilder::new(Arc::clone(&tokenizer), config()).err(), Some(missing));
    assert!(PromptBuilder::new(tokenizer, after_suffix()).is_ok(), "this layout needs no separator");
}

#[test]
fn what_a_reader_can_do_is_told_by_its_tokenizer() {
    let untold = || PromptConfig { style: None, ..config() };
    assert_eq!(builder(untold()).style(), PromptStyle::Fim);
    let without = |token: &str| {
        let json = include_str!("fixtures/tokenizer.json").replace(token, "<|other|>");
        let tokenizer = Tokenizer::from_json("tokenizer.json", json.as_bytes()).expect("still a tokenizer");
        PromptBuilder::new(Arc::new(tokenizer), untold()).expect("a builder")
    };
    assert_eq!(without("<|fim_middle|>").style(), PromptStyle::Causal);
    let chunks = Chunks::new(2, 1);
    let prompt = without("<|file_sep|>").build_at(Lane::FullRag, cursor("x", ""), &chunks.as_chunks());
    assert!(shown(&prompt).starts_with("chunk_1 = 0\nchunk_0 = 0\n<|fim_prefix|>x"), "{}", shown(&prompt));
}

#[test]
fn a_causal_prompt_names_each_file_and_ends_at_the_cursor() {
    let chunks = Chunks::new(2, 1);
    let build = |lane| builder(causal()).build_at(lane, cursor("x = ", "\ny = 2\n"), &chunks.as_chunks());
    assert_eq!(shown(&build(Lane::Base)), "# own.py\nx = ");
    let text = "# 1.py\nchunk_1 = 0\n\n# 0.py\nchunk_0 = 0\n\n# own.py\nx = ";
    assert_eq!(shown(&build(Lane::FullRag)), text);
    assert_eq!(shown(&build(Lane::Compressed)), "{1.py}{0.py}# own.py\nx = ");
    for lane in Lane::ALL {
        assert_truthful(&build(lane), &tokenizer());
    }
}

#[test]
fn a_causal_prompt_may_have_what_stands_after_the_cursor_as_context() {
    let config = PromptConfig { suffix_as_context: true, ..causal() };
    let text = |suffix| shown(&builder(config.clone()).build_at(Lane::Base, cursor("x = ", suffix), &[]));
    assert_eq!(text("1\ny = 2"), "# own.py, after the cursor\n1\ny = 2\n\n# own.py\nx = ");
    assert_eq!(text(""), "# own.py\nx = ");
    let long = "z = 3\n".repeat(2000);
    let prompt = builder(config.clone()).build_at(Lane::Base, cursor(&long, &long), &[]);
    assert!(prompt.prompt_tokens <= builder(config).max_prompt_tokens(), "{}", prompt.prompt_tokens);
}

#[test]
fn a_causal_prompt_keeps_to_its_budgets() {
    let long = "deeply/nested/".repeat(40) + "file.py";
    let chunks = Chunks::new(8, 30);
    for context_tokens in [0, 20, 100, 512] {
        let builder = builder(PromptConfig { context_tokens, ..causal() });
        let text = "value = 1\n".repeat(400);
        let cursor = Cursor { path: &long, prefix: &text, suffix: "" };
        let base = builder.build_at(Lane::Base, cursor, &[]).prompt_tokens;
        let prompt = builder.build_at(Lane::FullRag, cursor, &chunks.as_chunks());
        assert!(
            prompt.prompt_tokens - base <= context_tokens,
            "{} of {context_tokens}",
            prompt.prompt_tokens
        );
        assert!(prompt.prompt_tokens <= builder.max_prompt_tokens());
        assert_truthful(&prompt, &tokenizer());
    }
}

#[test]
fn the_end_of_the_text_is_taken_back_and_nothing_else_changes() {
    let tokenizer = tokenizer();
    for config in [config(), after_suffix(), causal()] {
        let healed = PromptConfig { token_healing: true, ..config.clone() };
        for prefix in ["", "def f():\n    ret", "x = [1, 2", "    \n        ", "s = '数", "print(", "a\r\n"]
        {
            let plain = builder(config.clone()).build_at(Lane::Base, cursor(prefix, "\n"), &[]);
            let prompt = builder(healed.clone()).build_at(Lane::Base, cursor(prefix, "\n"), &[]);
            let taken = plain.prompt_tokens - prompt.prompt_tokens;
            assert!(taken <= 2, "{taken} tokens of {prefix:?}");
            assert!(prefix.ends_with(&prompt.taken_back), "{:?} of {prefix:?}", prompt.taken_back);
            assert_eq!(prompt.taken_back.is_empty(), taken == 0, "{prefix:?}");
            assert_eq!(plain.taken_back, "");
            let [shorter, whole] = [&prompt, &plain].map(shown);
            let kept = &prefix[..prefix.len() - prompt.taken_back.len()];
            assert_eq!(shorter, whole.replacen(prefix, kept, usize::from(taken > 0)), "{prefix:?}");
            assert_truthful(&prompt, &tokenizer);
        }
    }
    let taken = |prefix| {
        let config = PromptConfig { token_healing: true, ..causal() };
        builder(config).build_at(Lane::Base, cursor(prefix, ""), &[]).taken_back
    };
    assert_eq!(taken("x = 1\n"), "\n", "no word: one token");
    assert!(taken("self.expected_lev").len() >= 2, "the token before it may belong to the word");
}
