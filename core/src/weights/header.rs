//! What a checkpoint holds, whichever file format it is in.

use std::{collections::BTreeMap, ops::Range};

use super::{ByteSource, ElementType, VerifiedReader, gguf, safetensors};
use crate::{Error, Result};

/// What a file holds, by name: Hugging Face's names, in a GGUF file too.
#[derive(Debug)]
pub struct Header {
    file: String,
    tensors: BTreeMap<String, Stored>,
}

/// A tensor in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    /// Its type, or the name of one that is not read.
    pub(super) element: std::result::Result<ElementType, String>,
    pub(super) shape: Vec<usize>,
    /// Its bytes in the file; none where the type is not read.
    pub(super) place: Range<u64>,
}

impl Header {
    /// Reads the header of a safetensors or a GGUF file: its first bytes say which it is. No tensor
    /// lies before where the reader then stands, and none within another.
    ///
    /// # Errors
    /// [`Error::Format`] if it is neither.
    pub async fn read<S: ByteSource>(reader: &mut VerifiedReader<'_, S>) -> Result<Self> {
        let tensors = match reader.peek().await?.starts_with(gguf::MAGIC) {
            true => gguf::read_tensors(reader).await?,
            false => safetensors::read_tensors(reader).await?,
        };
        Ok(Self { file: reader.file().to_owned(), tensors })
    }

    /// Path inside the bundle.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    /// A tensor's shape.
    pub fn shape(&self, tensor: &str) -> Option<&[usize]> {
        self.tensors.get(tensor).map(|stored| stored.shape.as_slice())
    }

    /// Names in the order in which the tensors lie in the file.
    pub fn in_file_order(&self) -> Vec<String> {
        let mut names: Vec<_> = self.tensors.iter().collect();
        names.sort_by_key(|(_, stored)| stored.place.start);
        names.into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// The type of a tensor of this shape, and its bytes in the file.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::ShapeMismatch`], [`Error::UnsupportedDType`].
    pub fn expect(&self, tensor: &str, shape: &[usize]) -> Result<(ElementType, Range<u64>)> {
        let (file, name) = (self.file.clone(), tensor.to_owned());
        let Some(stored) = self.tensors.get(tensor) else {
            return Err(Error::MissingTensor { file, tensor: name });
        };
        if stored.shape != shape {
            let (expected, found) = (shape.to_vec(), stored.shape.clone());
            return Err(Error::ShapeMismatch { file, tensor: name, expected, found });
        }
        match &stored.element {
            Ok(element) => Ok((*element, stored.place.clone())),
            Err(found) => Err(Error::UnsupportedDType { file, tensor: name, found: found.clone() }),
        }
    }
}
