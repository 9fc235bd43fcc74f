//! What stands where, lane by lane.

use super::*;

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
fn a_cached_prompt_is_full_rags_with_each_chunk_by_itself_behind_the_sink() {
    let chunks = Chunks::new(3, 1);
    for config in [config(), causal(), after_suffix()] {
        let full_rag =
            builder(config.clone()).build_at(Lane::FullRag, cursor("x = ", "\n"), &chunks.as_chunks());
        for sink in ["", "<|endoftext|>"] {
            let builder = builder(PromptConfig { sink_token: Some(sink.into()), ..config.clone() });
            let cached = builder.build_at(Lane::Cached, cursor("x = ", "\n"), &chunks.as_chunks());
            assert_truthful(&cached, &tokenizer());
            assert_eq!(shown(&cached), format!("{sink}{}", shown(&full_rag)));
            let first = builder.sink().into_iter();
            assert_eq!(ids(&cached), first.chain(ids(&full_rag)).collect::<Vec<_>>());
            let alone = cached.segments.iter().filter(|segment| matches!(segment, Segment::Alone(_)));
            assert_eq!(alone.count(), 3);
            assert_eq!(builder.build_at(Lane::FullRag, cursor("x = ", "\n"), &chunks.as_chunks()), full_rag);
        }
    }
}

#[test]
fn a_sink_that_the_tokenizer_lacks_is_refused() {
    let config = PromptConfig { sink_token: Some("<|sink|>".into()), ..config() };
    assert!(PromptBuilder::new(tokenizer(), config).is_err());
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
    let no_text = PromptConfig {
        context_tokens: 0,
        digest_tokens: 0,
        excerpt_tokens: 0,
        expansion_tokens: 0,
        top_k: 3,
        ..config
    };
    let positions = |soft_tokens| {
        let config = PromptConfig { soft_tokens, ..no_text.clone() };
        PromptBuilder::new(tokenizer(), config).expect("a builder").max_prompt_tokens()
    };
    assert_eq!(positions(FOUR) - positions(NonZeroUsize::MIN), 9);
}

#[test]
fn the_best_chunks_are_expanded_within_the_budget() {
    let chunks = Chunks::new(3, 2);
    let text = "chunk_0 = 0\nchunk_0 = 1";
    let room = tokenizer().encode(text).len() + 1;
    let expanded = |config: PromptConfig| {
        let builder = builder(config);
        let at = |lane| builder.build_at(lane, cursor("x = ", "\n"), &chunks.as_chunks());
        let (base, expansion) = (at(Lane::Base), at(Lane::Expansion));
        assert_truthful(&expansion, &tokenizer());
        assert_eq!(
            (expansion.chunks, expansion.soft_tokens),
            (3, expansion.segments.iter().filter(|s| matches!(s, Segment::Soft(_))).count())
        );
        shown(&expansion).strip_suffix(&shown(&base)).map(str::to_owned)
    };
    let with = |expansion_tokens| PromptConfig { expansion_tokens, ..config() };
    assert_eq!(expanded(with(room)), Some(format!("{{2.py}}{{1.py}}<|file_sep|>{text}")));
    let second = "chunk_1 = 0\nchunk_1 = 1";
    assert_eq!(expanded(with(2 * room)), Some(format!("{{2.py}}<|file_sep|>{second}<|file_sep|>{text}")));
    assert_eq!(expanded(with(0)), Some("{2.py}{1.py}{0.py}".into()));

    // In a causal prompt soft tokens stand behind the sink, and each text behind its path.
    let causal = PromptConfig { sink_token: Some("<|endoftext|>".into()), expansion_tokens: 40, ..causal() };
    let context = expanded(causal).expect("behind it stands what the base lane has");
    assert!(context.starts_with("<|endoftext|>{2.py}"), "{context}");
    assert!(context.ends_with(&format!("# 0.py\n{text}\n\n")), "{context}");
}

#[test]
fn a_digest_says_what_stands_nowhere_else() {
    let mut chunks = Chunks::new(3, 1);
    let texts = [
        "class Circle(Shape):\n    def area(self):\n        return pi_times(self.radius)\n",
        "def area(self):\n    return self.radius\n",
        "total = sum_up(circle.area(), circle.name)\n",
    ];
    for ((_, text), said) in chunks.0.iter_mut().zip(texts) {
        *text = said.to_owned();
    }
    let config = PromptConfig { digest_tokens: 200, ..config() };
    let builder = PromptBuilder::new(tokenizer(), config.clone()).expect("a builder");
    let place = cursor("print(total(circle.radius", ")\n");
    let [base, digest] =
        [Lane::Base, Lane::Digest].map(|lane| builder.build_at(lane, place, &chunks.as_chunks()));
    // The second has nothing that the first and the cursor's file have not.
    let expected = "<|file_sep|>sum_up, circle.name<|file_sep|>class Circle(Shape)\ndef area(self)\npi_times";
    assert_eq!(shown(&digest), format!("{expected}{}", shown(&base)));
    assert_eq!(digest.chunks, 2);

    let without = PromptConfig { digest_tokens: 0, ..config };
    let builder = PromptBuilder::new(tokenizer(), without).expect("a builder");
    assert_eq!(shown(&builder.build_at(Lane::Digest, place, &chunks.as_chunks())), shown(&base));
}

#[test]
fn an_excerpt_has_lines_of_all_chunks_the_best_ones_last() {
    let mut chunks = Chunks::new(2, 1);
    let texts = ["port = open_port(name)\nlevel = port.read_level()\nreturn level\n", "zebra = quagga\n"];
    for ((_, text), said) in chunks.0.iter_mut().zip(texts) {
        *text = said.to_owned();
    }
    let place = cursor("port = open_port(other)\nlev", "\n");
    let built = |config: PromptConfig| {
        let builder = PromptBuilder::new(tokenizer(), config).expect("a builder");
        [Lane::Base, Lane::Excerpt].map(|lane| builder.build_at(lane, place, &chunks.as_chunks()))
    };
    let [base, excerpt] = built(PromptConfig { excerpt_tokens: 200, ..config() });
    assert_truthful(&excerpt, &tokenizer());
    let lines = "zebra = quagga\nport = open_port(name)\nlevel = port.read_level()\nreturn level";
    assert_eq!(shown(&excerpt), format!("<|file_sep|>{lines}{}", shown(&base)));
    let [base, none] = built(PromptConfig { excerpt_tokens: 0, ..config() });
    assert_eq!((shown(&none), none.chunks), (shown(&base), 0));

    // A causal reader is told that other files' lines come.
    let causal = PromptConfig { style: Some(PromptStyle::Causal), ..config() };
    let [base, excerpt] = built(PromptConfig { excerpt_tokens: 200, ..causal });
    assert_eq!(shown(&excerpt), format!("# other files\n{lines}\n\n{}", shown(&base)));
}

#[test]
fn soft_tokens_of_a_causal_prompt_stand_behind_the_sink() {
    let causal = PromptConfig {
        style: Some(PromptStyle::Causal),
        sink_token: Some("<|endoftext|>".into()),
        ..config()
    };
    let chunks = Chunks::new(1, 1);
    let builder = PromptBuilder::new(tokenizer(), causal).expect("a builder");
    let [base, soft] = [Lane::Base, Lane::Compressed]
        .map(|lane| builder.build_at(lane, cursor("x = ", "\n"), &chunks.as_chunks()));
    assert_eq!(shown(&soft), format!("<|endoftext|>{{0.py}}{}", shown(&base)));
    let none = builder.build_at(Lane::Compressed, cursor("x = ", "\n"), &[]);
    assert_eq!(shown(&none), shown(&base), "nothing stands behind it");
}
