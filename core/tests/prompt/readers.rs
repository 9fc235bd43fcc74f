//! What readers differ in: their special tokens, prompts from left to right, token healing.

use super::*;

#[test]
fn a_tokenizer_without_the_special_tokens_is_refused() {
    let json = include_str!("../fixtures/tokenizer.json").replace("<|file_sep|>", "<|other|>");
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
        let json = include_str!("../fixtures/tokenizer.json").replace(token, "<|other|>");
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
    let prompt = builder(config.clone()).build_at(Lane::Base, cursor("x = ", "1\ny = 2"), &[]);
    let alone = builder(config.clone()).build_at(Lane::Base, cursor("x = ", ""), &[]);
    assert_eq!((prompt.local_start, prompt.prompt_tokens - prompt.before_start), (0, alone.prompt_tokens));
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
