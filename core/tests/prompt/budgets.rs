//! Budgets, and that a prompt stays the same while one types.

use super::*;

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
            excerpt_tokens: random.random_range(0..100),
            expansion_tokens: random.random_range(0..100),
            top_k: random.random_range(0..8),
            ..if random.random_bool(0.5) { config() } else { after_suffix() }
        };
        let span = ChunkSpan { path: "a.py".into(), start_line: 0, end_line: 1 };
        let chunks: Vec<PromptChunk<'_>> =
            texts.iter().enumerate().map(|(n, text)| PromptChunk { id: id(n), span: &span, text }).collect();
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
            let budget = match lane {
                Lane::FullRag | Lane::Cached => config.context_tokens,
                Lane::Digest => config.digest_tokens,
                Lane::Excerpt => config.excerpt_tokens,
                Lane::Expansion => config.expansion_tokens + config.top_k,
                _ => config.top_k,
            };
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
