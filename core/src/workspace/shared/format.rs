//! The files of a shared index.
//!
//! | file | holds |
//! |---|---|
//! | `index.json` | a [`SharedManifest`] |
//! | `texts.bin` | which texts each shard has: `LLVTXT`, the version, 0; then for each shard how many (`u32`) and the first four bytes of each one's hash |
//! | `<number>.shard` | `LLVSHD`, the version, 0; then a record a text, as in a segment |
//!
//! Numbers are little-endian. A shard has texts that stand near each other in the project, so that who
//! works in one corner of it reads few of them.

use std::{collections::HashMap, ops::Range};

use serde::{Deserialize, Serialize};

use super::super::{encode, segments::record};
use crate::{
    Error, Result,
    index::{TextHash, Vectors},
};

/// The version written, and the only one read.
pub(super) const FORMAT: u32 = 1;
/// The manifest's name.
pub const SHARED_MANIFEST: &str = "index.json";
/// The directory's name.
pub(super) const DIRECTORY: &str = "texts.bin";

const DIRECTORY_HEADER: [u8; 8] = *b"LLVTXT\x01\x00";
const SHARD_HEADER: [u8; 8] = *b"LLVSHD\x01\x00";

/// What a shared index is: `index.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedManifest {
    /// The version of the format.
    pub format: u32,
    /// Names the models that made the vectors ([`model_key`](crate::bundle::model_key)).
    pub models: String,
    /// The same for a person: the bundle's name and version.
    pub bundle: String,
    /// Chunks of the project.
    pub chunks: usize,
    /// The directory of texts.
    pub texts: SharedFile,
    /// The shards, by number.
    pub shards: Vec<SharedFile>,
}

/// A file beside the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedFile {
    /// Its name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Lower-case hex digest.
    pub sha256: String,
}

/// What the directory is searched by.
pub(super) fn prefix(text: &TextHash) -> u32 {
    let [a, b, c, d, ..] = *text.bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The directory of shards with these texts.
pub(super) fn write_directory<'a>(shards: impl Iterator<Item = &'a [TextHash]>) -> Vec<u8> {
    let mut bytes = DIRECTORY_HEADER.to_vec();
    for texts in shards {
        bytes.extend_from_slice(&(texts.len() as u32).to_le_bytes());
        texts.iter().for_each(|text| bytes.extend_from_slice(&prefix(text).to_le_bytes()));
    }
    bytes
}

/// The shard of each prefix, sorted by prefix; `None` if this is no directory of so many shards.
pub(super) fn read_directory(bytes: &[u8], shards: usize) -> Option<Vec<(u32, u32)>> {
    let (numbers, rest) = bytes.strip_prefix(&DIRECTORY_HEADER)?.as_chunks::<4>();
    let mut numbers = numbers.iter().map(|number| u32::from_le_bytes(*number));
    let mut places = Vec::new();
    for shard in 0..shards as u32 {
        for _ in 0..numbers.next()? {
            places.push((numbers.next()?, shard));
        }
    }
    places.sort_unstable();
    (rest.is_empty() && numbers.next().is_none()).then_some(places)
}

/// A shard of these texts' vectors.
///
/// # Errors
/// [`Error::SharedIndex`] for vectors that are too many for a record.
pub(super) fn write_shard(model: &str, vectors: &[(TextHash, Vectors)]) -> Result<Vec<u8>> {
    let mut bytes = SHARD_HEADER.to_vec();
    for (text, vectors) in vectors {
        let body = encode(model, *text, vectors);
        let too_long =
            || Error::SharedIndex { reason: format!("vectors of {} bytes are too many", body.len()) };
        record::append(&mut bytes, text.bytes(), &body).ok_or_else(too_long)?;
    }
    Ok(bytes)
}

/// Where in a shard the bodies of its whole records are; `None` if it is no shard.
pub(super) fn read_shard(bytes: &[u8]) -> Option<HashMap<[u8; 16], Range<usize>>> {
    let mut at = SHARD_HEADER.len();
    bytes.strip_prefix(&SHARD_HEADER)?;
    let mut places = HashMap::new();
    while let Some(found) = record::first(&bytes[at..]) {
        if let Some((text, _)) = found.content {
            places.insert(text, at + record::FRAME..at + found.length);
        }
        at += found.length;
    }
    Some(places)
}
