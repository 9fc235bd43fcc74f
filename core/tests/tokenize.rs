//! Parity with Hugging Face's `tokenizers` in Python, and what the crate guarantees beyond it.
//! The reference is made by `fixtures/make_tokenizer.py`.

use std::collections::BTreeMap;

use llavacode_core::Error;
use llavacode_core::tokenize::{StreamDecoder, Tokenizer};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;

const TOKENIZER: &[u8] = include_bytes!("fixtures/tokenizer.json");

#[derive(Deserialize)]
struct Reference {
    vocab_size: usize,
    special: BTreeMap<String, u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("fixtures/tokenizer_cases.json")).expect("the fixture is JSON")
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_json("tokenizer.json", TOKENIZER).expect("the fixture is a tokenizer")
}

/// Text with everything that tokenizers stumble over.
fn random_text(random: &mut StdRng) -> String {
    const PIECES: [&str; 20] = [
        "def ",
        "self",
        ".",
        "\n",
        "\r\n",
        "\t",
        "    ",
        " ",
        "é",
        "e\u{301}",
        "数",
        "🦀",
        "👩‍👧",
        "(",
        "):",
        "12",
        "'ll",
        "<|endoftext|>",
        "<|fim_prefix|>",
        "\u{a0}",
    ];
    (0..random.random_range(0..60)).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect()
}

#[test]
fn ids_equal_the_references() {
    let tokenizer = tokenizer();
    for case in reference().cases {
        assert_eq!(tokenizer.encode(&case.text), case.ids, "{}", case.name);
    }
}

#[test]
fn decoded_text_equals_the_references() {
    let tokenizer = tokenizer();
    for case in reference().cases {
        assert_eq!(tokenizer.decode(&case.ids), case.decoded, "{}", case.name);
    }
}

#[test]
fn special_tokens_are_found_by_name() {
    let (tokenizer, reference) = (tokenizer(), reference());
    assert_eq!(tokenizer.vocab_size(), reference.vocab_size);
    for (name, id) in reference.special {
        assert_eq!(tokenizer.special(&name), Ok(id));
        assert_eq!(tokenizer.decode(&[id]), name);
    }
}

#[test]
fn a_missing_special_token_is_named() {
    let missing = Error::MissingToken { token: "<|nothing|>".into() };
    assert_eq!(tokenizer().special("<|nothing|>"), Err(missing));
    assert!(tokenizer().special("def").is_err(), "an ordinary token is not special");
}

#[test]
fn text_never_becomes_a_special_token() {
    let (tokenizer, special) = (tokenizer(), reference().special);
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..300 {
        let text = random_text(&mut random);
        let ids = tokenizer.encode(&text);
        assert!(!special.values().any(|id| ids.contains(id)), "{text:?}");
    }
}

#[test]
fn a_stream_gives_what_decoding_at_once_gives() {
    let tokenizer = tokenizer();
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..300 {
        // Random ids break characters anywhere; encoded text breaks them as a model would.
        let ids: Vec<u32> = if random.random_bool(0.5) {
            (0..40).map(|_| random.random_range(0..tokenizer.vocab_size() as u32 + 5)).collect()
        } else {
            tokenizer.encode(&random_text(&mut random))
        };
        let mut stream = StreamDecoder::new();
        let mut text: String = ids.iter().map(|&id| stream.push(&tokenizer, id)).collect();
        text += &stream.finish();
        assert_eq!(text, tokenizer.decode(&ids));
    }
}

#[test]
fn a_character_of_several_tokens_comes_out_whole() {
    let tokenizer = tokenizer();
    let ids = tokenizer.encode("\u{10ffff}");
    assert_eq!(ids.len(), 4, "the character must be split for this test to mean anything");
    let mut stream = StreamDecoder::new();
    let pieces: Vec<String> = ids.iter().map(|&id| stream.push(&tokenizer, id)).collect();
    assert_eq!(pieces, ["", "", "", "\u{10ffff}"]);
}

#[test]
fn a_character_cut_off_at_the_end_is_marked() {
    let tokenizer = tokenizer();
    let mut stream = StreamDecoder::new();
    assert_eq!(stream.push(&tokenizer, tokenizer.encode("\u{10ffff}")[0]), "");
    assert_eq!(stream.finish(), "\u{fffd}");
}

#[test]
fn what_is_no_tokenizer_is_refused() {
    for bytes in [&b""[..], b"{}", b"\xff\xfe", &TOKENIZER[..TOKENIZER.len() / 2]] {
        let refused = Tokenizer::from_json("reader/tokenizer.json", bytes);
        assert!(matches!(refused, Err(Error::Format { file, .. }) if file == "reader/tokenizer.json"));
    }
}

#[test]
fn a_tokenizer_of_another_kind_is_refused() {
    let change = |change: fn(&mut serde_json::Value)| {
        let mut json: serde_json::Value = serde_json::from_slice(TOKENIZER).expect("JSON");
        change(&mut json);
        Tokenizer::from_json("tokenizer.json", json.to_string().as_bytes())
    };
    let no_decoder = change(|json| json["decoder"] = serde_json::Value::Null);
    assert!(matches!(no_decoder, Err(Error::UnsupportedConfig { .. })));
    let words = change(|json| {
        json["model"] = serde_json::json!({ "type": "WordLevel", "vocab": { "a": 0 }, "unk_token": "a" });
    });
    assert!(matches!(words, Err(Error::UnsupportedConfig { .. })));
    let few_bytes = change(|json| {
        json["model"] = serde_json::json!({ "type": "BPE", "vocab": { "a": 0, "b": 1 }, "merges": [] });
    });
    assert!(matches!(few_bytes, Err(Error::UnsupportedConfig { .. })));
}
