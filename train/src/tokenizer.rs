//! The pair's tokenizer: byte-level BPE, learned from the train split.
//!
//! A vocabulary of its own, sized to the models: with Qwen's 151,646 entries a reader of a few
//! million parameters would be nothing but embedding. All else is Qwen2's: the way text is cut
//! before the merges, bytes as symbols, and the special tokens by name, so that one prompt builder
//! serves both. Text is not normalised: what a person typed is what the models read and write.

use anyhow::{Context, Result, anyhow, ensure};
use tokenizers::{
    AddedToken, SplitDelimiterBehavior, Tokenizer,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    pre_tokenizers::{
        byte_level::ByteLevel,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use crate::random::fnv1a;

/// Special tokens; each one's place is its id.
pub const SPECIAL_TOKENS: [&str; 7] = [
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

/// Entries of the vocabulary, special tokens and the 256 bytes included.
pub const VOCABULARY: usize = 4096;

/// Bytes of text the merges are learned from: enough for the order of a few thousand.
pub const SAMPLE_BYTES: usize = 20_000_000;

/// How Qwen2 cuts text into the pieces that merges stay within.
const QWEN2_PATTERN: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/// Learns a tokenizer from a part of the texts, chosen at random but always alike, of
/// `sample_bytes` in all, and gives its `tokenizer.json`. The same texts give the same bytes.
///
/// # Errors
/// If the vocabulary has no room for the bytes and special tokens, the texts are too few to fill
/// it, or one of them cannot be read.
pub fn train(
    texts: impl Iterator<Item = Result<String>>,
    vocabulary: usize,
    sample_bytes: usize,
) -> Result<String> {
    let least = 256 + SPECIAL_TOKENS.len();
    ensure!(
        vocabulary >= least,
        "a vocabulary of {vocabulary} is too small; give it {least} entries or more"
    );
    let texts = sample(texts, sample_bytes)?;

    let pattern = SplitPattern::Regex(QWEN2_PATTERN.into());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(unexpected)?;
    let byte_level = ByteLevel::new(false, true, false);
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![split.into(), byte_level.into()])));
    tokenizer.with_decoder(Some(ByteLevel::default()));

    let trainer = BpeTrainer::builder()
        .vocab_size(vocabulary)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(SPECIAL_TOKENS.iter().map(|token| AddedToken::from(*token, true)).collect())
        .build();
    tokenizer
        .train(&mut TrainerWrapper::BpeTrainer(trainer), texts.iter().map(String::as_str))
        .map_err(unexpected)?;
    let found = tokenizer.get_vocab_size(true);
    ensure!(
        found == vocabulary,
        "the texts give {found} entries, {vocabulary} are wanted: ask for fewer, or give more text"
    );
    tokenizer.to_string(true).map_err(unexpected)
}

/// Texts of `bytes` in all, or all if they are fewer: those with the least hashes, in their order.
fn sample(texts: impl Iterator<Item = Result<String>>, bytes: usize) -> Result<Vec<String>> {
    let mut texts: Vec<(u64, String)> = texts
        .map(|text| text.map(|text| (fnv1a(text.as_bytes()), without_header(&text).to_owned())))
        .collect::<Result<_>>()
        .context("cannot read the texts to learn a tokenizer from")?;
    texts.sort_unstable();
    let mut total = 0;
    let taken = texts.into_iter().map(|(_, text)| text).take_while(|text| {
        let is_wanted = total < bytes;
        total += text.len();
        is_wanted
    });
    Ok(taken.collect())
}

/// A text without the comments it begins with: licences, mostly, the same thousand times, and words
/// of them would take the places of words of code.
fn without_header(text: &str) -> &str {
    let is_header = |line: &&str| line.starts_with('#') || line.trim().is_empty();
    let length: usize = text.split_inclusive('\n').take_while(is_header).map(str::len).sum();
    &text[length..]
}

fn unexpected(error: tokenizers::Error) -> anyhow::Error {
    anyhow!("the tokenizer cannot be made: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<String> {
        let name = |n: usize| -> String {
            (1..8).map(|k| char::from(b'a' + (n * k % 26 + n / 26 * k * k % 26) as u8 % 26)).collect()
        };
        (0..60)
            .map(|n| format!("def {}(self, value):\n    return self.value + value * {n}\n", name(n)))
            .collect()
    }

    fn trained(sample_bytes: usize) -> String {
        train(texts().into_iter().map(Ok), 320, sample_bytes).unwrap()
    }

    #[test]
    fn core_loads_it_and_gives_back_every_text() {
        let json = trained(SAMPLE_BYTES);
        let tokenizer =
            llavacode_core::tokenize::Tokenizer::from_json("tokenizer.json", json.as_bytes()).unwrap();
        assert_eq!(tokenizer.vocab_size(), 320);
        for (id, token) in SPECIAL_TOKENS.iter().enumerate() {
            assert_eq!(tokenizer.special(token).unwrap(), id as u32);
        }
        // Decomposed letters too: nothing is normalised.
        for text in ["def total(self):\r\n\treturn  'e\u{301} é 漢 🌊'\n", "<|endoftext|>", "\u{0}\u{7f}", ""]
        {
            assert_eq!(tokenizer.decode(&tokenizer.encode(text)), text);
        }
        let learned = "    return self.value";
        assert!(tokenizer.encode(learned).len() < learned.len() / 2, "no merges were learned");
        assert_eq!(tokenizer.encode("1234").len(), 4, "digits stand alone");
    }

    #[test]
    fn the_same_texts_give_the_same_file() {
        assert_eq!(trained(1000), trained(1000));
        assert_ne!(trained(1000), trained(SAMPLE_BYTES));
        let backwards = train(texts().into_iter().rev().map(Ok), 320, 1000).unwrap();
        assert_eq!(backwards, trained(1000));
    }

    #[test]
    fn licences_are_not_learned() {
        assert_eq!(without_header("#!python\n# Licensed\n\nimport os\n# kept\n"), "import os\n# kept\n");
        assert_eq!(without_header("# all"), "");
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let error = |size| train(texts().into_iter().map(Ok), size, SAMPLE_BYTES).unwrap_err().to_string();
        assert!(error(200).contains("263"));
        assert!(error(4000).contains("more text"));
    }
}
