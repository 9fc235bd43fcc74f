//! Reads the parts of a GGUF header, and refuses what is longer than the file.

use super::{
    super::{
        ByteSource, ElementType, VerifiedReader,
        stored::{RowOrder, Stored},
    },
    MAGIC,
    metadata::{Texts, Value},
    names::element_type,
};
use crate::{Error, Result};

/// Names and keys are no longer than this.
const MAX_NAME: u64 = 65_535;
const MAX_DIMENSIONS: u32 = 4;

/// The types of values.
mod kind {
    pub(super) const U8: u32 = 0;
    pub(super) const I8: u32 = 1;
    pub(super) const U16: u32 = 2;
    pub(super) const I16: u32 = 3;
    pub(super) const U32: u32 = 4;
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const BOOL: u32 = 7;
    pub(super) const STRING: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
    pub(super) const U64: u32 = 10;
    pub(super) const I64: u32 = 11;
    pub(super) const F64: u32 = 12;
}

pub(super) struct Parser<'r, 'a, S> {
    pub(super) reader: &'r mut VerifiedReader<'a, S>,
}

/// What the header announces.
pub(super) struct Counts {
    pub(super) tensors: u64,
    pub(super) pairs: u64,
}

impl<S: ByteSource> Parser<'_, '_, S> {
    /// What every such file begins with.
    pub(super) async fn start(&mut self) -> Result<Counts> {
        if self.bytes(MAGIC.len() as u64).await? != MAGIC {
            let reason = "it does not begin as such a file does, so it is another one than was meant";
            return Err(self.refuse(reason.into()));
        }
        let version = self.u32().await?;
        if !(2..=3).contains(&version) {
            return Err(self.refuse(format!("it is of version {version}; 2 and 3 can be read")));
        }
        Ok(Counts { tensors: self.u64().await?, pairs: self.u64().await? })
    }

    pub(super) fn refuse(&self, reason: String) -> Error {
        Error::Format { file: self.reader.file().into(), format: "GGUF", reason }
    }

    /// Refuses what is said to be longer than the file.
    fn check(&self, count: u64) -> Result<()> {
        match count > self.reader.remaining() {
            true => Err(self.refuse("it ends within its header".into())),
            false => Ok(()),
        }
    }

    pub(super) async fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        self.check(count)?;
        self.reader.bytes(count).await
    }

    async fn number<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut number = [0; N];
        number.copy_from_slice(&self.bytes(N as u64).await?);
        Ok(number)
    }

    pub(super) async fn u32(&mut self) -> Result<u32> {
        self.number().await.map(u32::from_le_bytes)
    }

    pub(super) async fn u64(&mut self) -> Result<u64> {
        self.number().await.map(u64::from_le_bytes)
    }

    /// A name or a key.
    pub(super) async fn text(&mut self) -> Result<String> {
        let length = self.u64().await?;
        if length > MAX_NAME {
            return Err(self.refuse(format!("a name in it claims {length} bytes")));
        }
        self.utf8(length).await
    }

    async fn utf8(&mut self, length: u64) -> Result<String> {
        let bytes = self.bytes(length).await?;
        String::from_utf8(bytes).map_err(|_| self.refuse("a text in it is not UTF-8".into()))
    }

    async fn skip(&mut self, count: u64) -> Result<()> {
        self.check(count)?;
        self.reader.read(count, |_| ()).await
    }

    /// A value: its type, then itself.
    pub(super) async fn value(&mut self) -> Result<Value> {
        let signed = |number: i64| Ok(Value::Integer(number));
        match self.u32().await? {
            kind::U8 => signed(self.number::<1>().await?[0].into()),
            kind::I8 => signed(i8::from_le_bytes(self.number().await?).into()),
            kind::U16 => signed(u16::from_le_bytes(self.number().await?).into()),
            kind::I16 => signed(i16::from_le_bytes(self.number().await?).into()),
            kind::U32 => signed(self.u32().await?.into()),
            kind::I32 => signed(i32::from_le_bytes(self.number().await?).into()),
            kind::U64 => signed(i64::try_from(self.u64().await?).unwrap_or(i64::MAX)),
            kind::I64 => signed(i64::from_le_bytes(self.number().await?)),
            kind::F32 => Ok(Value::Float(f32::from_le_bytes(self.number().await?).into())),
            kind::F64 => Ok(Value::Float(f64::from_le_bytes(self.number().await?))),
            kind::BOOL => Ok(Value::Flag(self.number::<1>().await?[0] != 0)),
            kind::STRING => {
                let length = self.u64().await?;
                Ok(Value::Text(self.utf8(length).await?))
            }
            kind::ARRAY => self.array().await,
            other => Err(self.refuse(format!("it has a value of the unknown type {other}"))),
        }
    }

    async fn array(&mut self) -> Result<Value> {
        let (kind, length) = (self.u32().await?, self.u64().await?);
        match kind {
            kind::STRING => {
                let mut texts = Texts::default();
                for _ in 0..length {
                    let length = self.u64().await?;
                    let text = self.utf8(length).await?;
                    if !texts.push(&text) {
                        return Err(self.refuse("a list in it is longer than 4 GB".into()));
                    }
                }
                Ok(Value::Texts(texts))
            }
            kind::U32 | kind::I32 => {
                let bytes = self.bytes(length.saturating_mul(4)).await?;
                let numbers = bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                Ok(Value::Integers(numbers.collect()))
            }
            kind => {
                let size = self.size_of(kind)?;
                self.skip(length.saturating_mul(size)).await?;
                Ok(Value::Skipped)
            }
        }
    }

    /// Bytes of a number or a truth value.
    fn size_of(&self, kind: u32) -> Result<u64> {
        match kind {
            kind::U8 | kind::I8 | kind::BOOL => Ok(1),
            kind::U16 | kind::I16 => Ok(2),
            kind::U32 | kind::I32 | kind::F32 => Ok(4),
            kind::U64 | kind::I64 | kind::F64 => Ok(8),
            _ => Err(self.refuse(format!("it has a value of the unknown type {kind}"))),
        }
    }

    /// A tensor's entry; its place is an offset behind the header.
    pub(super) async fn tensor(&mut self) -> Result<(String, Stored)> {
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
        let place = offset..offset.saturating_add(bytes);
        Ok((name, Stored { element, shape: sizes, place, rows: RowOrder::Plain }))
    }
}

/// Bytes of a tensor, whose rows are whole blocks; `None` if they are not, or there are too many.
fn bytes_of(shape: &[u64], element: ElementType) -> Option<u64> {
    let row = shape.first().copied().unwrap_or(1);
    let values = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size))?;
    let blocks = row.is_multiple_of(element.values() as u64).then(|| values / element.values() as u64)?;
    blocks.checked_mul(element.bytes() as u64)
}
