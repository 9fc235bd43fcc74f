//! The index as bytes, to be kept between visits.
//!
//! Little-endian; strings and lists are preceded by their length as `u32`.
//!
//! | part | content |
//! |---|---|
//! | header | magic `LLAVAIDX`, version `u32`, SHA-256 of the body |
//! | models | model key; chunk lines and stride, `u32` |
//! | texts | list of: text, embedding, projections (both lists of `f32`; empty: none yet) |
//! | files | list of: path, list of chunks: number of its text, first line, one past the last |
//!
//! Nothing read is trusted: lengths are checked against the bytes that are left before anything
//! is allocated, and hashes are computed from the texts.

use std::collections::HashMap;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::{Chunk, ChunkHash, Index};
use crate::config::{BundleManifest, ChunkingConfig};
use crate::engine::ChunkPlace;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"LLAVAIDX";
const VERSION: u32 = 1;

/// Names what a chunk's vectors depend on: the bundle's encoder and projector files, what goes
/// into the encoder, the formats it is computed in, and how files and chunks are cut.
pub fn model_key(bundle: &BundleManifest) -> String {
    let mut hash = Sha256::new();
    let files = bundle.files.iter();
    for (path, entry) in
        files.filter(|(path, _)| path.starts_with("encoder") || path.starts_with("projector"))
    {
        // A file without a hash is told by its length.
        hash.update(match &entry.sha256 {
            Some(sha256) => format!("{path} {sha256}\n"),
            None => format!("{path} {} bytes\n", entry.bytes),
        });
    }
    let BundleManifest { encoder, quantization, chunking, prompt, .. } = bundle;
    hash.update(format!("{encoder:?}\n{:?}\n{chunking:?}\n{}\n", quantization.encoder, prompt.soft_tokens));
    hex(&hash.finalize())
}

impl Index {
    /// The index as bytes. Vectors that no chunk uses are left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Writer(Vec::new());
        bytes.0.extend_from_slice(MAGIC);
        bytes.0.extend_from_slice(&VERSION.to_le_bytes());
        bytes.0.extend_from_slice(&[0; DIGEST_BYTES]);
        bytes.text(&self.model_key);
        bytes.number(self.chunking.lines);
        bytes.number(self.chunking.stride);

        let mut numbers: HashMap<ChunkHash, usize> = HashMap::new();
        let mut texts = Vec::new();
        for chunk in self.chunks() {
            numbers.entry(chunk.hash).or_insert_with(|| {
                texts.push(chunk);
                texts.len() - 1
            });
        }
        bytes.number(texts.len());
        for chunk in texts {
            let vectors = self.vectors.get(chunk.hash);
            bytes.text(&chunk.text);
            bytes.floats(vectors.map_or(&[], |vectors| &vectors.embedding));
            bytes.floats(vectors.map_or(&[], |vectors| &vectors.projections));
        }

        bytes.number(self.files.len());
        for (path, slots) in &self.files {
            bytes.text(path);
            let chunks: Vec<&Chunk> = slots.iter().filter_map(|&slot| self.chunk_at(slot)).collect();
            bytes.number(chunks.len());
            for chunk in chunks {
                bytes.number(numbers.get(&chunk.hash).copied().unwrap_or_default());
                bytes.number(chunk.place.start_line);
                bytes.number(chunk.place.end_line);
            }
        }

        let checksum = Sha256::digest(&bytes.0[HEADER_BYTES..]);
        bytes.0[CHECKSUM].copy_from_slice(&checksum);
        bytes.0
    }

    /// Reads an index back, for these models and this chunking.
    ///
    /// # Errors
    /// [`Error::StaleIndex`] if the bytes are no index, are damaged, or belong to another
    /// version, other models or another chunking.
    pub fn from_bytes(bytes: &[u8], chunking: ChunkingConfig, model_key: &str) -> Result<Self> {
        let body = check_header(bytes)?;
        let mut body = Reader(body);
        if body.text()? != model_key {
            return stale("it was made by other models");
        }
        if (body.number()?, body.number()?) != (chunking.lines, chunking.stride) {
            return stale("its chunks have another length");
        }
        let mut index = Self::new(chunking, model_key);

        let mut texts = Vec::new();
        let mut vectors = Vec::new();
        for _ in 0..body.count(3 * LENGTH_BYTES)? {
            let text: std::sync::Arc<str> = body.text()?.into();
            let hash = ChunkHash::of(&text);
            let (embedding, projections) = (body.floats()?, body.floats()?);
            if !embedding.is_empty() && !projections.is_empty() {
                vectors.push((hash, embedding, projections));
            }
            texts.push((text, hash));
        }

        for _ in 0..body.count(2 * LENGTH_BYTES)? {
            let path = body.text()?;
            let mut chunks = Vec::new();
            for _ in 0..body.count(3 * LENGTH_BYTES)? {
                let Some((text, hash)) = texts.get(body.number()?) else {
                    return stale("a chunk names a text that is not there");
                };
                let (start_line, end_line) = (body.number()?, body.number()?);
                if start_line >= end_line {
                    return stale("a chunk ends before it starts");
                }
                let place = ChunkPlace { path: path.into(), start_line, end_line };
                chunks.push(Chunk { place, text: text.clone(), hash: *hash });
            }
            index.replace_chunks(path, chunks);
        }
        if !body.0.is_empty() {
            return stale("it goes on after its end");
        }
        for (hash, embedding, projections) in vectors {
            index.set_vectors(hash, embedding, projections);
        }
        Ok(index)
    }
}

const LENGTH_BYTES: usize = size_of::<u32>();
const DIGEST_BYTES: usize = 32;
const CHECKSUM: Range<usize> = MAGIC.len() + LENGTH_BYTES..HEADER_BYTES;
const HEADER_BYTES: usize = MAGIC.len() + LENGTH_BYTES + DIGEST_BYTES;

// Vectors are copied as they lie in memory.
const _: () = assert!(cfg!(target_endian = "little"), "the index is kept in little-endian order");

/// The body, if the header fits it.
fn check_header(bytes: &[u8]) -> Result<&[u8]> {
    let mut header = Reader(bytes);
    if header.bytes(MAGIC.len())? != MAGIC {
        return stale("it does not begin like an index");
    }
    let version = header.number()?;
    if version != VERSION as usize {
        return stale(format!("its format has version {version}, this program writes {VERSION}"));
    }
    let expected = header.bytes(DIGEST_BYTES)?;
    let body = header.0;
    if expected != Sha256::digest(body).as_slice() {
        return stale("it is damaged: its checksum differs");
    }
    Ok(body)
}

fn stale<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::StaleIndex { reason: reason.into() })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Writer(Vec<u8>);

impl Writer {
    /// Lengths and line numbers are far below 2³²: a file has at most 2²⁰ bytes.
    fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u32).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn floats(&mut self, floats: &[f32]) {
        self.number(floats.len());
        self.0.extend_from_slice(bytemuck::cast_slice(floats));
    }
}

/// The bytes that are left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return stale("it is cut short");
        };
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize> {
        let bytes = self.bytes(LENGTH_BYTES)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| (number << 8) | usize::from(byte)))
    }

    /// The length of a list whose items take at least `item_bytes` each.
    fn count(&mut self, item_bytes: usize) -> Result<usize> {
        let count = self.number()?;
        if count > self.0.len() / item_bytes {
            return stale("a list is longer than what is left");
        }
        Ok(count)
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.bytes(length)?).or_else(|_| stale("a text is not UTF-8"))
    }

    fn floats(&mut self) -> Result<Vec<f32>> {
        let count = self.count(size_of::<f32>())?;
        let mut floats = vec![0.0; count];
        bytemuck::cast_slice_mut(&mut floats).copy_from_slice(self.bytes(count * size_of::<f32>())?);
        Ok(floats)
    }
}
