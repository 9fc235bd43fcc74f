//! A tokenizer out of a GGUF file's metadata: a byte-level BPE, its pieces cut as `tokenizer.ggml.pre`
//! says. The patterns are llama.cpp's (`llama-vocab.cpp`), which are the checkpoints' own.

use tokenizers::{
    AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior,
    models::bpe::{BPE, Vocab},
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::Tokenizer;
use crate::{Error, Result, weights::Metadata};

const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Types of tokens that are never made of text.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

impl Tokenizer {
    /// The tokenizer that a GGUF file's metadata holds.
    ///
    /// # Errors
    /// [`Error::UnsupportedConfig`] if it is no byte-level BPE, or cuts text by a pattern that is not
    /// known here; [`Error::Format`] if its parts do not fit together.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let unsupported = |reason: String| Error::UnsupportedConfig { file: metadata.file().into(), reason };
        let model = metadata.text("tokenizer.ggml.model").unwrap_or("none");
        if model != "gpt2" {
            return Err(unsupported(format!(
                "its tokenizer is of the kind {model}; byte-level BPE (gpt2) can be used"
            )));
        }
        let pre = metadata.text("tokenizer.ggml.pre").unwrap_or("default");
        let (cut, ignore_merges) = pre_tokenizer(pre)
            .ok_or_else(|| {
                unsupported(format!("its tokenizer cuts text by the pattern {pre}, which is not known here"))
            })?
            .map_err(|reason| metadata.refuse(reason))?;

        let list = |key: &str| {
            let key = format!("tokenizer.ggml.{key}");
            metadata.texts(&key).ok_or_else(|| metadata.refuse(format!("it has no list {key}")))
        };
        let (tokens, merges) = (list("tokens")?, list("merges")?);
        let vocabulary: Vocab = tokens.iter().map(str::to_owned).zip(0..).collect();
        let pair = |merge: &str| {
            let (left, right) = merge.split_once(' ')?;
            Some((left.to_owned(), right.to_owned()))
        };
        let merges = merges
            .iter()
            .map(pair)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| metadata.refuse("one of its merges is no pair of tokens"))?;
        let bpe = BPE::builder().vocab_and_merges(vocabulary, merges).ignore_merges(ignore_merges);
        let bpe = bpe.build().map_err(|e| metadata.refuse(format!("its tokenizer: {e}")))?;

        let mut inner = tokenizers::Tokenizer::new(bpe);
        inner.with_pre_tokenizer(Some(cut));
        inner.with_decoder(Some(ByteLevel::default()));
        let kinds = metadata.integers("tokenizer.ggml.token_type").unwrap_or_default();
        let special = tokens.iter().zip(kinds).filter(|(_, kind)| [CONTROL, USER_DEFINED].contains(kind));
        inner
            .add_special_tokens(special.map(|(token, _)| AddedToken::from(token, true)))
            .map_err(|e| metadata.refuse(format!("its special tokens: {e}")))?;
        Self::new(metadata.file(), inner)
    }
}

type Cut = (PreTokenizerWrapper, bool);

/// What cuts text into pieces, and whether a piece that is a token is taken without merging; `None` for
/// an unknown name.
fn pre_tokenizer(name: &str) -> Option<std::result::Result<Cut, String>> {
    let bytes = |use_regex| ByteLevel::new(false, true, use_regex).into();
    let sequence = |parts: Vec<PreTokenizerWrapper>| Sequence::new(parts).into();
    let by_pattern = |pattern: &str, ignore_merges| {
        let split = Split::new(SplitPattern::Regex(pattern.into()), SplitDelimiterBehavior::Isolated, false);
        let split = split.map_err(|e| e.to_string())?;
        Ok((sequence(vec![split.into(), bytes(false)]), ignore_merges))
    };
    Some(match name {
        // GPT-2's pattern is ByteLevel's own.
        "default" | "gpt-2" | "gpt2" => Ok((bytes(true), false)),
        // Digits are cut one by one first.
        "smollm" | "starcoder" | "refact" => {
            Ok((sequence(vec![Digits::new(true).into(), bytes(true)]), false))
        }
        "qwen2" => by_pattern(QWEN2, false),
        "llama-bpe" | "llama3" | "llama-v3" => by_pattern(LLAMA3, true),
        _ => return None,
    })
}
