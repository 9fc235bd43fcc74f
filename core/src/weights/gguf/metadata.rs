//! The key-value pairs of a GGUF file: what llama.cpp's converter wrote down of the checkpoint.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// The key of the architecture's name.
pub(super) const ARCHITECTURE: &str = "general.architecture";

/// What a GGUF file says of its model, by key (`general.architecture`, `llama.block_count`, …).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    file: String,
    pairs: BTreeMap<String, Value>,
}

/// A value of the kinds that are used.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Any whole number; those beyond 63 bits are cut to the largest.
    Integer(i64),
    Float(f64),
    Flag(bool),
    Text(String),
    Texts(Texts),
    /// An array of 32-bit numbers.
    Integers(Vec<i32>),
    /// An array of another kind, which is skipped.
    Skipped,
}

/// Many short texts, back to back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts {
    bytes: String,
    /// Text `i` ends at `ends[i]`.
    ends: Vec<u32>,
}

impl Texts {
    /// Appends one; `false` if all of them together would be longer than 4 GB.
    pub(super) fn push(&mut self, text: &str) -> bool {
        let Ok(end) = u32::try_from(self.bytes.len() + text.len()) else { return false };
        self.bytes.push_str(text);
        self.ends.push(end);
        true
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| &self.bytes[start as usize..end as usize])
    }
}

impl Metadata {
    /// None yet, of this file.
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.into(), pairs: BTreeMap::new() }
    }

    /// Takes a pair; `false` if there is one of that key.
    pub(super) fn insert(&mut self, key: String, value: Value) -> bool {
        self.pairs.insert(key, value).is_none()
    }

    /// The file's path, for errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.pairs.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is not negative.
    pub fn count(&self, key: &str) -> Option<usize> {
        match self.pairs.get(key)? {
            Value::Integer(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number, whole ones included.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.pairs.get(key)? {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// A truth value.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.pairs.get(key)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// An array of texts.
    pub fn texts(&self, key: &str) -> Option<&Texts> {
        match self.pairs.get(key)? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    /// An array of 32-bit numbers.
    pub fn integers(&self, key: &str) -> Option<&[i32]> {
        match self.pairs.get(key)? {
            Value::Integers(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// Whether there is such a key, of whatever kind.
    pub fn contains(&self, key: &str) -> bool {
        self.pairs.contains_key(key)
    }

    /// The architecture's name, which the keys of its sizes begin with.
    ///
    /// # Errors
    /// [`Error::Format`] if the file does not say.
    pub fn architecture(&self) -> Result<&str> {
        self.text(ARCHITECTURE).ok_or_else(|| self.refuse("it does not name its architecture"))
    }

    /// An error about this file.
    pub fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::Format { file: self.file.clone(), format: "GGUF", reason: reason.into() }
    }
}
