//! The header of a GGUF file, llama.cpp's format: counts, key-value pairs that describe the model,
//! then each tensor's name, shape, type and place.
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>
//!
//! Only the tensors are taken from it: config and tokenizer are those of the checkpoint it was
//! converted from.

use std::collections::BTreeMap;

use super::{ByteSource, ElementType, VerifiedReader, header::Stored};
use crate::{Error, Result};

/// What such a file begins with.
pub(super) const MAGIC: &[u8] = b"GGUF";

/// Names and keys are no longer than this.
const MAX_NAME: u64 = 65_535;
const MAX_DIMENSIONS: u32 = 4;
/// Tensors begin at multiples of it, unless `general.alignment` says otherwise.
const DEFAULT_ALIGNMENT: u64 = 32;

/// The value types of key-value pairs.
mod value {
    pub(super) const U16: u32 = 2;
    pub(super) const U32: u32 = 4;
    pub(super) const STRING: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
}

/// Reads the header.
///
/// # Errors
/// [`Error::Format`] if it is not such a header, or its tensors do not lie one behind the other
/// within the file; or if the model is split over several files.
pub(super) async fn read_tensors<S: ByteSource>(
    reader: &mut VerifiedReader<'_, S>,
) -> Result<BTreeMap<String, Stored>> {
    let mut parser = Parser { reader };
    parser.bytes(MAGIC.len() as u64).await?;
    let version = parser.u32().await?;
    if !(2..=3).contains(&version) {
        return Err(parser.refuse(format!("it is of version {version}; 2 and 3 can be read")));
    }
    let (tensors, pairs) = (parser.u64().await?, parser.u64().await?);
    let mut alignment = DEFAULT_ALIGNMENT;
    for _ in 0..pairs {
        let key = parser.text().await?;
        match (key.as_str(), parser.u32().await?) {
            ("general.alignment", value::U32) => alignment = parser.u32().await?.into(),
            ("split.count", value::U16) => {
                let files = parser.u16().await?;
                if files > 1 {
                    return Err(parser.refuse(format!(
                        "it is one of {files} files; merge them first, with llama.cpp's llama-gguf-split --merge"
                    )));
                }
            }
            (_, kind) => parser.skip_value(kind).await?,
        }
    }
    if !alignment.is_power_of_two() {
        return Err(parser.refuse(format!("its tensors are aligned to {alignment} bytes")));
    }
    let mut found = Vec::new();
    for _ in 0..tensors {
        found.push(parser.tensor().await?);
    }
    let first = parser.reader.position().next_multiple_of(alignment);
    let end = parser.reader.position() + parser.reader.remaining();
    place_tensors(found, first, end).map_err(|reason| parser.refuse(reason))
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
        let Some((start, stop)) = place.filter(|&(start, stop)| start >= free && stop <= end) else {
            return Err(format!("{name} does not lie between the tensor before it and the file's end"));
        };
        stored.place = start..stop;
        free = stop;
        if tensors.insert(hugging_face_name(&name), stored).is_some() {
            return Err(format!("it has two tensors {name}"));
        }
    }
    Ok(tensors)
}

struct Parser<'r, 'a, S> {
    reader: &'r mut VerifiedReader<'a, S>,
}

impl<S: ByteSource> Parser<'_, '_, S> {
    fn refuse(&self, reason: String) -> Error {
        Error::Format { file: self.reader.file().into(), format: "GGUF", reason }
    }

    /// Refuses what is said to be longer than the file.
    fn check(&self, count: u64) -> Result<()> {
        match count > self.reader.remaining() {
            true => Err(self.refuse("it ends within its header".into())),
            false => Ok(()),
        }
    }

    async fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        self.check(count)?;
        self.reader.bytes(count).await
    }

    async fn number<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut number = [0; N];
        number.copy_from_slice(&self.bytes(N as u64).await?);
        Ok(number)
    }

    async fn u16(&mut self) -> Result<u16> {
        self.number().await.map(u16::from_le_bytes)
    }

    async fn u32(&mut self) -> Result<u32> {
        self.number().await.map(u32::from_le_bytes)
    }

    async fn u64(&mut self) -> Result<u64> {
        self.number().await.map(u64::from_le_bytes)
    }

    /// A name or a key.
    async fn text(&mut self) -> Result<String> {
        let length = self.u64().await?;
        if length > MAX_NAME {
            return Err(self.refuse(format!("a name in it claims {length} bytes")));
        }
        let bytes = self.bytes(length).await?;
        String::from_utf8(bytes).map_err(|_| self.refuse("a name in it is not UTF-8".into()))
    }

    async fn skip(&mut self, count: u64) -> Result<()> {
        self.check(count)?;
        self.reader.read(count, |_| ()).await
    }

    async fn skip_value(&mut self, kind: u32) -> Result<()> {
        match kind {
            value::STRING => {
                let length = self.u64().await?;
                self.skip(length).await
            }
            value::ARRAY => {
                let (kind, length) = (self.u32().await?, self.u64().await?);
                if kind == value::STRING {
                    for _ in 0..length {
                        let length = self.u64().await?;
                        self.skip(length).await?;
                    }
                    return Ok(());
                }
                let size = self.size_of(kind)?;
                self.skip(length.saturating_mul(size)).await
            }
            kind => {
                let size = self.size_of(kind)?;
                self.skip(size).await
            }
        }
    }

    /// Bytes of a number or a truth value.
    fn size_of(&self, kind: u32) -> Result<u64> {
        match kind {
            0 | 1 | 7 => Ok(1),
            2 | 3 => Ok(2),
            4..=6 => Ok(4),
            10..=12 => Ok(8),
            _ => Err(self.refuse(format!("it has a value of the unknown type {kind}"))),
        }
    }

    /// A tensor's entry; its place is an offset behind the header.
    async fn tensor(&mut self) -> Result<(String, Stored)> {
        let name = self.text().await?;
        let dimensions = self.u32().await?;
        if dimensions > MAX_DIMENSIONS {
            return Err(self.refuse(format!("{name} has {dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(self.u64().await?);
        }
        let (kind, offset) = (self.u32().await?, self.u64().await?);
        let element = element_type(kind);
        let bytes = element.as_ref().map_or(Some(0), |&element| bytes_of(&shape, element));
        // The innermost dimension comes first in the file.
        let sizes = shape.iter().rev().map(|&size| usize::try_from(size)).collect::<Result<_, _>>();
        let (Some(bytes), Ok(sizes)) = (bytes, sizes) else {
            return Err(self.refuse(format!("{name} cannot be of shape {shape:?}")));
        };
        Ok((name, Stored { element, shape: sizes, place: offset..offset.saturating_add(bytes) }))
    }
}

/// Bytes of a tensor, whose rows are whole blocks; `None` if they are not, or there are too many.
fn bytes_of(shape: &[u64], element: ElementType) -> Option<u64> {
    let row = shape.first().copied().unwrap_or(1);
    let values = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size))?;
    let blocks = row.is_multiple_of(element.values() as u64).then(|| values / element.values() as u64)?;
    blocks.checked_mul(element.bytes() as u64)
}

/// ggml's types by number; the name of one that is not read.
fn element_type(kind: u32) -> std::result::Result<ElementType, String> {
    let unread = |name: &str| Err(name.to_owned());
    match kind {
        0 => Ok(ElementType::F32),
        1 => Ok(ElementType::F16),
        2 => Ok(ElementType::Q4_0),
        6 => Ok(ElementType::Q5_0),
        8 => Ok(ElementType::Q8_0),
        12 => Ok(ElementType::Q4K),
        13 => Ok(ElementType::Q5K),
        14 => Ok(ElementType::Q6K),
        30 => Ok(ElementType::BF16),
        3 => unread("Q4_1"),
        7 => unread("Q5_1"),
        10 => unread("Q2_K"),
        11 => unread("Q3_K"),
        other => Err(format!("ggml's number {other}")),
    }
}

/// A tensor's name in Hugging Face's Qwen2 and Qwen3 checkpoints; others stay as they are.
fn hugging_face_name(name: &str) -> String {
    let in_layer = |rest: &str| {
        let (layer, rest) = rest.split_once('.')?;
        let (part, what) = rest.rsplit_once('.')?;
        let part = match part {
            "attn_norm" => "input_layernorm",
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_q_norm" => "self_attn.q_norm",
            "attn_k_norm" => "self_attn.k_norm",
            "attn_output" => "self_attn.o_proj",
            "ffn_norm" => "post_attention_layernorm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            _ => return None,
        };
        Some(format!("model.layers.{layer}.{part}.{what}"))
    };
    let known = match name {
        "token_embd.weight" => Some("model.embed_tokens.weight".into()),
        "output_norm.weight" => Some("model.norm.weight".into()),
        "output.weight" => Some("lm_head.weight".into()),
        _ => name.strip_prefix("blk.").and_then(in_layer),
    };
    known.unwrap_or_else(|| name.into())
}
