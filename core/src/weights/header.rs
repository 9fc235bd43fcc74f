//! What a checkpoint holds, whichever file format it is in.

use std::collections::BTreeMap;

use super::{ByteSource, ElementType, Metadata, VerifiedReader, gguf, safetensors, stored::Stored};
use crate::{Error, Result};

/// What a file holds, by name: Hugging Face's names, in a GGUF file too.
#[derive(Debug)]
pub struct Header {
    file: String,
    tensors: BTreeMap<String, Stored>,
    metadata: Option<Metadata>,
}

impl Header {
    /// Reads the header of a safetensors or a GGUF file: its first bytes say which it is. No tensor
    /// lies before where the reader then stands, and none within another.
    ///
    /// # Errors
    /// [`Error::Format`] if it is neither.
    pub async fn read<S: ByteSource>(reader: &mut VerifiedReader<'_, S>) -> Result<Self> {
        let is_gguf = reader.peek().await?.starts_with(gguf::MAGIC);
        if !is_gguf && reader.file().ends_with(".gguf") {
            let reason = "it does not begin as such a file does, so it is another one than was meant".into();
            return Err(Error::Format { file: reader.file().into(), format: "GGUF", reason });
        }
        let (tensors, metadata) = match is_gguf {
            true => gguf::read(reader).await.map(|(tensors, metadata)| (tensors, Some(metadata)))?,
            false => (safetensors::read_tensors(reader).await?, None),
        };
        Ok(Self { file: reader.file().to_owned(), tensors, metadata })
    }

    /// What a GGUF file says of its model; `None` of another file.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
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

    /// What a tensor's numbers are stored as; `None` if there is no such tensor, or its type is not read.
    pub fn element(&self, tensor: &str) -> Option<ElementType> {
        self.tensors.get(tensor)?.element.as_ref().ok().copied()
    }

    /// A tensor of this shape and of a type that is read.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::ShapeMismatch`], [`Error::UnsupportedDType`].
    pub(super) fn expect(&self, tensor: &str, shape: &[usize]) -> Result<(ElementType, &Stored)> {
        let (file, name) = (self.file.clone(), tensor.to_owned());
        let Some(stored) = self.tensors.get(tensor) else {
            return Err(Error::MissingTensor { file, tensor: name });
        };
        if stored.shape != shape {
            let (expected, found) = (shape.to_vec(), stored.shape.clone());
            return Err(Error::ShapeMismatch { file, tensor: name, expected, found });
        }
        match &stored.element {
            Ok(element) => Ok((*element, stored)),
            Err(found) => Err(Error::UnsupportedDType { file, tensor: name, found: found.clone() }),
        }
    }
}
