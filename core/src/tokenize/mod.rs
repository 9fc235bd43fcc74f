//! Text to token ids and back, as the checkpoint's `tokenizer.json` or its GGUF file says.
//!
//! A thin layer over Hugging Face's `tokenizers`, for byte-level BPE (Qwen2, Qwen3 and every
//! other family since GPT-2). It adds two guarantees: text typed by a user never becomes a
//! special token, and text comes out of a stream of ids whole, however characters are split.

mod gguf;

use std::collections::BTreeSet;

use tokenizers::{AddedToken, DecoderWrapper, ModelWrapper};

use crate::{Error, Result};

/// A byte-level BPE tokenizer.
///
/// Text and special tokens never mix: [`encode`](Self::encode) gives ordinary tokens only, even
/// for text that contains `<|endoftext|>`; [`special`](Self::special) names the others.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    bytes: TokenBytes,
    /// Tokens of single bytes. Some vocabularies lack a few that no text of their training had; the
    /// tokenizer leaves those out.
    byte_ids: Vec<Option<u32>>,
    added: BTreeSet<u32>,
    largest_id: u32,
}

/// Ids with the byte offset at which each one's text starts.
pub(crate) struct Spans {
    pub(crate) ids: Vec<u32>,
    pub(crate) starts: Vec<usize>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. `file` is named in the errors.
    ///
    /// # Errors
    /// [`Error::Format`] if it is no such file, [`Error::UnsupportedConfig`] if it is not a
    /// byte-level BPE that has a token for every visible ASCII character.
    pub fn from_json(file: &str, bytes: &[u8]) -> Result<Self> {
        let format = |reason: String| Error::Format { file: file.into(), format: "a tokenizer.json", reason };
        let inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| format(e.to_string()))?;
        Self::new(file, inner)
    }

    fn new(file: &str, mut inner: tokenizers::Tokenizer) -> Result<Self> {
        let format = |reason: String| Error::Format { file: file.into(), format: "a tokenizer", reason };
        let unsupported = |reason: &str| Error::UnsupportedConfig {
            file: file.into(),
            reason: format!("{reason}; byte-level BPE tokenizers can be used"),
        };
        if !matches!(inner.get_model(), ModelWrapper::BPE(_)) {
            return Err(unsupported("its model is no BPE"));
        }
        if !matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
            return Err(unsupported("its decoder is not ByteLevel"));
        }

        // What training set and what would cut or pad a prompt behind our back.
        inner.with_truncation(None).map_err(|e| format(e.to_string()))?;
        inner.with_padding(None);
        // Qwen marks only some of its added tokens as special; none may be matched in text.
        let mut added: Vec<(u32, AddedToken)> = inner.get_added_tokens_decoder().into_iter().collect();
        added.sort_unstable_by_key(|(id, _)| *id);
        inner
            .add_special_tokens(added.into_iter().map(|(_, token)| token.special(true)))
            .map_err(|e| format(e.to_string()))?;
        inner.set_encode_special_tokens(true);

        let bytes = TokenBytes::of(&inner);
        let byte_id = |byte: u8| inner.token_to_id(byte_symbol(byte).encode_utf8(&mut [0; 4]));
        let byte_ids: Vec<Option<u32>> = (0..=u8::MAX).map(byte_id).collect();
        if (b' '..=b'~').chain([b'\n']).any(|byte| byte_ids[usize::from(byte)].is_none()) {
            return Err(unsupported("its vocabulary lacks some ASCII characters"));
        }
        let added = inner.get_added_tokens_decoder().into_keys().collect();
        let largest_id = inner.get_vocab(true).into_values().max().unwrap_or(0);
        Ok(Self { inner, bytes, byte_ids, added, largest_id })
    }

    /// The text's tokens: no special token before, after or within.
    ///
    /// ```no_run
    /// # use llavacode_core::tokenize::Tokenizer;
    /// # let json = Vec::new();
    /// let tokenizer = Tokenizer::from_json("tokenizer.json", &json)?;
    /// let ids = tokenizer.encode("s = '<|endoftext|>'");
    /// assert!(!ids.contains(&tokenizer.special("<|endoftext|>")?));
    /// assert_eq!(tokenizer.decode(&ids), "s = '<|endoftext|>'");
    /// # Ok::<(), llavacode_core::Error>(())
    /// ```
    pub fn encode(&self, text: &str) -> Vec<u32> {
        match self.inner.encode_fast(text, false) {
            Ok(encoding) => encoding.get_ids().to_vec(),
            Err(error) => {
                // Any text has its bytes as tokens: worse to read for the model, never wrong.
                log::warn!("the tokenizer failed on a text of {} bytes: {error}", text.len());
                text.bytes().filter_map(|byte| self.byte_ids[usize::from(byte)]).collect()
            }
        }
    }

    /// As [`encode`](Self::encode), with the place of each token in the text. Tokens that share
    /// a character have the same start.
    pub(crate) fn encode_spans(&self, text: &str) -> Spans {
        match self.inner.encode(text, false) {
            Ok(encoding) => Spans {
                ids: encoding.get_ids().to_vec(),
                starts: encoding.get_offsets().iter().map(|&(start, _)| start).collect(),
            },
            Err(_) => Spans {
                ids: self.encode(text),
                starts: text
                    .char_indices()
                    .flat_map(|(at, c)| std::iter::repeat_n(at, c.len_utf8()))
                    .collect(),
            },
        }
    }

    /// The text of some tokens; special tokens give their names. Bytes that are no UTF-8, as at
    /// a cut inside a character, become U+FFFD. Ids outside the vocabulary give nothing.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.token_bytes(id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes a token stands for: of its text, not always whole characters. Empty for an id
    /// outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id)
    }

    /// The id of a special token such as `<|fim_prefix|>`.
    ///
    /// # Errors
    /// [`Error::MissingToken`] if there is none of this name.
    pub fn special(&self, token: &str) -> Result<u32> {
        let vocabulary = self.inner.get_added_vocabulary();
        vocabulary.get_vocab().get(token).copied().ok_or_else(|| Error::MissingToken { token: token.into() })
    }

    /// Whether an id is a special token, or none of the vocabulary's.
    pub fn is_special(&self, id: u32) -> bool {
        self.added.contains(&id) || self.token_bytes(id).is_empty()
    }

    /// The largest id it can give.
    pub fn largest_id(&self) -> u32 {
        self.largest_id
    }

    /// Entries of the vocabulary, special tokens included. A checkpoint's embedding may have
    /// more rows: padding that no token uses.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}

/// Turns tokens that come one at a time into text, holding back the bytes of a character until
/// it is whole.
#[derive(Debug, Clone, Default)]
pub struct StreamDecoder {
    pending: Vec<u8>,
}

impl StreamDecoder {
    /// A decoder at the start of a text.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one more token and gives the text that is whole now, perhaps none.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        self.push_bytes(tokenizer.token_bytes(id))
    }

    /// Takes more bytes and gives the text that is whole now, perhaps none.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.pending.clear();
                    return text;
                }
                Err(error) => {
                    let (whole, rest) = self.pending.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    // Without a length the bytes may still become a character.
                    let Some(invalid) = error.error_len() else {
                        self.pending = rest.to_vec();
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.pending = rest[invalid..].to_vec();
                }
            }
        }
    }

    /// Ends the text: what is still held back becomes U+FFFD.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// The bytes of every token, back to back: 1 MB for 150,000 tokens where strings of their own
/// would take five.
#[derive(Debug, Clone)]
struct TokenBytes {
    bytes: Vec<u8>,
    /// Token `id` stands in `bytes[ends[id - 1]..ends[id]]`.
    ends: Vec<u32>,
}

impl TokenBytes {
    fn of(tokenizer: &tokenizers::Tokenizer) -> Self {
        let byte_of: std::collections::HashMap<char, u8> =
            (0..=u8::MAX).map(|byte| (byte_symbol(byte), byte)).collect();
        let added = tokenizer.get_added_tokens_decoder();
        let mut tokens: Vec<(u32, String)> =
            tokenizer.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        tokens.sort_unstable();

        let mut table = Self { bytes: Vec::new(), ends: Vec::new() };
        for (id, token) in tokens {
            // Ids that no token has get no bytes. A gap beyond reason is a hostile file's.
            let Some(gap) = (id as usize).checked_sub(table.ends.len()).filter(|&gap| gap < 1 << 20) else {
                continue;
            };
            let end = table.bytes.len() as u32;
            table.ends.extend(std::iter::repeat_n(end, gap));
            let spelled: Option<Vec<u8>> = token.chars().map(|c| byte_of.get(&c).copied()).collect();
            match spelled {
                Some(bytes) if !added.contains_key(&id) => table.bytes.extend(bytes),
                _ => table.bytes.extend(token.as_bytes()),
            }
            table.ends.push(table.bytes.len() as u32);
        }
        table
    }

    fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start as usize..end as usize]
    }
}

/// The character that stands for a byte in a byte-level vocabulary: itself where it is visible,
/// the next unused one from U+0100 on where it is not (GPT-2's `bytes_to_unicode`).
fn byte_symbol(byte: u8) -> char {
    let visible = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if visible(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&b| !visible(b)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}
