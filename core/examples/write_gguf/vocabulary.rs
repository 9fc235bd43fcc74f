//! Byte-level vocabularies: one read from a `tokenizer.json`, or one made up.

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use llavacode_core::weights::Metadata;
use serde::Deserialize;

use super::model::{Family, Model};

/// `tokenizer.ggml.token_type`.
mod kind {
    pub(super) const NORMAL: i32 = 1;
    pub(super) const CONTROL: i32 = 3;
    pub(super) const USER_DEFINED: i32 = 4;
    pub(super) const UNUSED: i32 = 5;
}

/// What ends a text, in every vocabulary here.
const END_OF_TEXT: &str = "<|endoftext|>";

/// Qwen's special tokens, in the order of their ids from 151643 on. Qwen2.5 ends before
/// `<tool_response>`.
const QWEN_SPECIAL: [&str; 26] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
];
const QWEN2_SPECIAL: usize = 22;
/// The id of the first, where the vocabulary is as large as Qwen's.
const QWEN_FIRST_SPECIAL: usize = 151_643;

/// SmolLM2's special tokens, its first ids.
const SMOLLM2_SPECIAL: [&str; 17] = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<repo_name>",
    "<reponame>",
    "<file_sep>",
    "<filename>",
    "<gh_stars>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<jupyter_script>",
    "<empty_output>",
];

/// What a file says of its tokenizer.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    /// `tokenizer.ggml.pre`.
    pub(crate) pre: &'static str,
    pub(crate) tokens: Vec<String>,
    pub(crate) types: Vec<i32>,
    /// Two tokens with a blank between them.
    pub(crate) merges: Vec<String>,
    pub(crate) end_of_text: u32,
}

impl Vocabulary {
    /// A vocabulary of the model's size. Its ordinary tokens are the 256 bytes and what its merges
    /// make of them.
    ///
    /// # Errors
    /// If the model's vocabulary has no room for the bytes, or more than there are merges for.
    pub(crate) fn made_up(model: &Model) -> Result<Self, Box<dyn Error>> {
        let special = special_tokens(model.family);
        let padding = if model.family == Family::Llama { 0 } else { model.vocabulary.min(8) };
        let ordinary = match model.vocabulary > QWEN_FIRST_SPECIAL {
            true => QWEN_FIRST_SPECIAL,
            false => model.vocabulary.saturating_sub(special.len() + padding),
        };
        let Some(merges) = ordinary.checked_sub(256) else {
            return Err(format!("a vocabulary of {} has no room for the bytes", model.vocabulary).into());
        };
        let merges: Vec<(String, String)> = made_up_merges().take(merges).collect();
        let mut tokens: Vec<String> = byte_symbols().into_iter().map(String::from).collect();
        tokens.extend(merges.iter().map(|(left, right)| format!("{left}{right}")));
        let merges = merges.into_iter().map(|(left, right)| format!("{left} {right}")).collect();
        Self::assemble(model, tokens, merges)
    }

    /// The vocabulary of a `tokenizer.json`, with the model's special tokens.
    ///
    /// # Errors
    /// If it cannot be read, or its ids have gaps.
    pub(crate) fn read(model: &Model, path: &Path) -> Result<Self, Box<dyn Error>> {
        let name = path.display();
        let json = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
        let file: TokenizerFile = serde_json::from_slice(&json).map_err(|e| format!("{name}: {e}"))?;
        let mut ordinary: Vec<(u32, String)> =
            file.model.vocab.into_iter().map(|(token, id)| (id, token)).collect();
        ordinary.sort_unstable();
        if ordinary.iter().enumerate().any(|(at, &(id, _))| at != id as usize) {
            return Err(format!("{name}: the ids of its vocabulary have gaps").into());
        }
        let tokens = ordinary.into_iter().map(|(_, token)| token).collect();
        let merges = file.model.merges.into_iter().map(Merge::text);
        Self::assemble(model, tokens, merges.collect())
    }

    /// All of a `tokenizer.json`'s tokens, at their own ids; it splits text as Qwen2's does.
    ///
    /// # Errors
    /// If it cannot be read, its ids have gaps, or it has no `<|endoftext|>`.
    pub(crate) fn whole(path: &Path) -> Result<Self, Box<dyn Error>> {
        let name = path.display();
        let json = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
        let file: TokenizerFile = serde_json::from_slice(&json).map_err(|e| format!("{name}: {e}"))?;
        let mut tokens: BTreeMap<u32, (String, i32)> =
            file.model.vocab.into_iter().map(|(token, id)| (id, (token, kind::NORMAL))).collect();
        let added = file.added_tokens.into_iter();
        tokens.extend(added.map(|Added { id, content }| (id, (content, kind::CONTROL))));
        if tokens.keys().enumerate().any(|(at, &id)| at != id as usize) {
            return Err(format!("{name}: the ids of its vocabulary have gaps").into());
        }
        let (tokens, types): (Vec<String>, Vec<i32>) = tokens.into_values().unzip();
        let end = tokens.iter().position(|token| token == END_OF_TEXT);
        let end_of_text = end.ok_or_else(|| format!("{name} has no {END_OF_TEXT}"))? as u32;
        let merges = file.model.merges.into_iter().map(Merge::text).collect();
        Ok(Self { pre: "qwen2", tokens, types, merges, end_of_text })
    }

    /// What another GGUF file says.
    ///
    /// # Errors
    /// If it says less, or how it splits text is not known here.
    pub(crate) fn of_file(metadata: &Metadata) -> Result<Self, Box<dyn Error>> {
        let key = |key: &str| format!("tokenizer.ggml.{key}");
        let missing = |what: &str| format!("{} does not say its {}", metadata.file(), key(what));
        let texts = |what: &str| -> Result<Vec<String>, String> {
            let texts = metadata.texts(&key(what)).ok_or_else(|| missing(what))?;
            Ok(texts.iter().map(str::to_owned).collect())
        };
        let pre = metadata.text(&key("pre")).unwrap_or_default();
        let pre = ["smollm", "qwen2"].into_iter().find(|known| *known == pre);
        Ok(Self {
            pre: pre.ok_or_else(|| format!("{} splits text in a way not known here", metadata.file()))?,
            tokens: texts("tokens")?,
            types: metadata.integers(&key("token_type")).ok_or_else(|| missing("token_type"))?.to_vec(),
            merges: texts("merges")?,
            end_of_text: metadata.count(&key("bos_token_id")).ok_or_else(|| missing("bos_token_id"))? as u32,
        })
    }

    /// Puts the special tokens where the family has them, and fills what is left.
    fn assemble(model: &Model, ordinary: Vec<String>, merges: Vec<String>) -> Result<Self, Box<dyn Error>> {
        let special = special_tokens(model.family);
        let llama = model.family == Family::Llama;
        let mut vocabulary = Self { pre: if llama { "smollm" } else { "qwen2" }, merges, ..Self::default() };
        if llama {
            vocabulary.add_special(special);
        }
        vocabulary.types.extend(ordinary.iter().map(|_| kind::NORMAL));
        vocabulary.tokens.extend(ordinary);
        if !llama {
            vocabulary.end_of_text = vocabulary.tokens.len() as u32;
            vocabulary.add_special(special);
        }
        let found = vocabulary.tokens.len();
        if found > model.vocabulary {
            return Err(format!("{found} tokens are more than {}'s {}", model.name, model.vocabulary).into());
        }
        // The converter's names for rows of the embedding that no token has.
        for id in found..model.vocabulary {
            vocabulary.tokens.push(format!("[PAD{id}]"));
            vocabulary.types.push(kind::UNUSED);
        }
        Ok(vocabulary)
    }

    fn add_special(&mut self, special: &[&str]) {
        for token in special {
            // Those that the checkpoint does not call special are so to the converter by their looks.
            let looks_special = token.starts_with("<|") || self.pre == "smollm";
            self.types.push(if looks_special { kind::CONTROL } else { kind::USER_DEFINED });
            self.tokens.push((*token).into());
        }
    }
}

fn special_tokens(family: Family) -> &'static [&'static str] {
    match family {
        Family::Llama => &SMOLLM2_SPECIAL,
        Family::Qwen2 => &QWEN_SPECIAL[..QWEN2_SPECIAL],
        Family::Qwen3Embedding => &QWEN_SPECIAL,
    }
}

/// The characters that stand for bytes, visible ones first, as GPT-2 has them.
fn byte_symbols() -> Vec<char> {
    let visible = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut symbols: Vec<char> = (0..=u8::MAX).filter(visible).map(char::from).collect();
    symbols.extend((0x100..).filter_map(char::from_u32).take(256 - symbols.len()));
    symbols
}

/// Pairs of tokens that are there already and make a new one: blanks, a blank and a letter, then
/// letters up to four.
fn made_up_merges() -> impl Iterator<Item = (String, String)> {
    let letters = || (b'a'..=b'z').map(|letter| char::from(letter).to_string());
    let pairs = move || letters().flat_map(move |a| letters().map(move |b| (a.clone(), b)));
    let joined = move || pairs().map(|(a, b)| a + &b);
    let blanks = [("Ġ", "Ġ"), ("ĠĠ", "ĠĠ")].map(|(a, b)| (a.into(), b.into()));
    blanks
        .into_iter()
        .chain(letters().map(|letter| ("Ġ".into(), letter)))
        .chain(pairs())
        .chain(joined().flat_map(move |two| letters().map(move |one| (two.clone(), one))))
        .chain(joined().flat_map(move |two| joined().map(move |other| (two.clone(), other))))
}

#[derive(Deserialize)]
struct TokenizerFile {
    model: Bpe,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
}

#[derive(Deserialize)]
struct Bpe {
    vocab: std::collections::HashMap<String, u32>,
    merges: Vec<Merge>,
}

/// A merge, in the way of newer and of older files.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair([String; 2]),
    Text(String),
}

impl Merge {
    fn text(self) -> String {
        match self {
            Self::Pair([left, right]) => format!("{left} {right}"),
            Self::Text(text) => text,
        }
    }
}
