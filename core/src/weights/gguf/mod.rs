//! The header of a GGUF file, llama.cpp's format: counts, key-value pairs that describe the model,
//! then each tensor's name, shape, type and place.
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

mod metadata;
mod names;
mod parser;

use std::collections::BTreeMap;

use super::{
    ByteSource, MemorySource, VerifiedReader,
    stored::{RowOrder, Stored},
};
use crate::{Result, config::FileEntry};

use metadata::Value;
pub use metadata::{Metadata, Texts};
use names::hugging_face_name;
use parser::{Counts, Parser};

/// What such a file begins with.
pub(super) const MAGIC: &[u8] = b"GGUF";

/// Tensors begin at multiples of it, unless `general.alignment` says otherwise.
const DEFAULT_ALIGNMENT: u64 = 32;

/// The architecture that a file's first bytes name; `None` where it stands behind them.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) if they are not those of a GGUF file.
pub(super) async fn architecture(file: &str, first: &[u8]) -> Result<Option<String>> {
    let entry = FileEntry { bytes: first.len() as u64, sha256: None };
    let source = MemorySource::new(file, first);
    let mut on_read = |_| ();
    let mut reader = VerifiedReader::open(&source, file, &entry, &mut on_read).await?;
    let mut parser = Parser { reader: &mut reader };
    let Counts { pairs, .. } = parser.start().await?;
    for _ in 0..pairs {
        // What ends here may go on behind the first bytes.
        let Ok(key) = parser.text().await else { break };
        match parser.value().await {
            Ok(Value::Text(name)) if key == metadata::ARCHITECTURE => return Ok(Some(name)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Ok(None)
}

/// Reads the header: the tensors by Hugging Face's names, and the key-value pairs.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) if it is not such a header, or its tensors do not lie one
/// behind the other within the file; or if the model is split over several files.
pub(super) async fn read<S: ByteSource>(
    reader: &mut VerifiedReader<'_, S>,
) -> Result<(BTreeMap<String, Stored>, Metadata)> {
    let mut parser = Parser { reader };
    let Counts { tensors, pairs } = parser.start().await?;
    let mut metadata = Metadata::new(parser.reader.file());
    for _ in 0..pairs {
        let key = parser.text().await?;
        let value = parser.value().await?;
        if !metadata.insert(key.clone(), value) {
            return Err(parser.refuse(format!("it has the key {key} twice")));
        }
    }
    if let Some(files) = metadata.count("split.count").filter(|&files| files > 1) {
        return Err(parser.refuse(format!(
            "it is one of {files} files; merge them first, with llama.cpp's llama-gguf-split --merge"
        )));
    }
    let alignment = metadata.count("general.alignment").map_or(DEFAULT_ALIGNMENT, |count| count as u64);
    if !alignment.is_power_of_two() {
        return Err(parser.refuse(format!("its tensors are aligned to {alignment} bytes")));
    }
    let mut found = Vec::new();
    for _ in 0..tensors {
        let (name, mut stored) = parser.tensor().await?;
        stored.rows = row_order(&name, &stored.shape, &metadata).map_err(|reason| parser.refuse(reason))?;
        found.push((name, stored));
    }
    // A file without tensors may end with its header.
    let first = parser.reader.position().checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
    let end = parser.reader.position() + parser.reader.remaining();
    let tensors = place_tensors(found, first, end).map_err(|reason| parser.refuse(reason))?;
    Ok((tensors, metadata))
}

/// The order of a tensor's rows: llama.cpp's converter changes it for q and k of Llama models.
fn row_order(name: &str, shape: &[usize], metadata: &Metadata) -> std::result::Result<RowOrder, String> {
    if metadata.text("general.architecture") != Some("llama") {
        return Ok(RowOrder::Plain);
    }
    let count = |key: &str| metadata.count(&format!("llama.attention.{key}"));
    let heads = if name.ends_with(".attn_q.weight") {
        count("head_count")
    } else if name.ends_with(".attn_k.weight") {
        count("head_count_kv").or_else(|| count("head_count"))
    } else {
        return Ok(RowOrder::Plain);
    };
    let rows = shape.first().copied().unwrap_or(0);
    match heads {
        Some(heads) if heads > 0 && rows.is_multiple_of(heads) && (rows / heads).is_multiple_of(2) => {
            Ok(RowOrder::RotaryPairs { heads })
        }
        heads => Err(format!("{name} has {rows} rows, which are no {heads:?} heads of an even width")),
    }
}

/// Gives the tensors, whose places are offsets so far, their places in the file.
fn place_tensors(
    mut found: Vec<(String, Stored)>,
    first: u64,
    end: u64,
) -> std::result::Result<BTreeMap<String, Stored>, String> {
    found.sort_by_key(|(_, stored)| stored.place.start);
    let mut free = first;
    let mut tensors = BTreeMap::new();
    for (name, mut stored) in found {
        let place = first.checked_add(stored.place.start).zip(first.checked_add(stored.place.end));
        let Some((start, stop)) = place.filter(|&(start, _)| start >= free) else {
            return Err(format!("its tensor {name} lies in the one before it"));
        };
        if stop > end {
            return Err(format!("it ends before its tensor {name} does: it was cut short, so load it again"));
        }
        stored.place = start..stop;
        free = stop;
        if tensors.insert(hugging_face_name(&name), stored).is_some() {
            return Err(format!("it has two tensors {name}"));
        }
    }
    Ok(tensors)
}
