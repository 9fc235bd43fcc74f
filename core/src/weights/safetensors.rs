//! The header of a safetensors file: eight bytes of length, then JSON that names each tensor's
//! type, shape and place. <https://github.com/huggingface/safetensors#format>

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{ByteSource, VerifiedReader};
use crate::{Error, Result};

/// No checkpoint's header comes near this; a length beyond it is not a length.
const MAX_HEADER: u64 = 64 << 20;

/// What a file holds, by name.
#[derive(Debug)]
pub struct Header {
    file: String,
    metadata: Metadata,
}

impl Header {
    /// Reads the header; the reader then stands at the first tensor.
    ///
    /// Tensors lie one after the other without gaps and fill the file to its end: the format asks
    /// for it, and reading front to back relies on it.
    ///
    /// # Errors
    /// [`Error::Format`] if it is not such a header.
    pub async fn read<S: ByteSource>(reader: &mut VerifiedReader<'_, S>) -> Result<Self> {
        let file = reader.file().to_owned();
        let refuse = |reason: String| Error::Format { file: file.clone(), format: "safetensors", reason };
        if reader.remaining() < 8 {
            return Err(refuse("it is too short to hold a header".into()));
        }
        let mut length = [0; 8];
        length.copy_from_slice(&reader.bytes(8).await?);
        let length = u64::from_le_bytes(length);
        if length > reader.remaining().min(MAX_HEADER) {
            return Err(refuse(format!(
                "its header claims {length} bytes and {} are left",
                reader.remaining()
            )));
        }
        let json = reader.bytes(length).await?;
        // Deserialising checks that offsets follow one another and fit shapes and types.
        let metadata: Metadata = serde_json::from_slice(&json).map_err(|e| refuse(e.to_string()))?;
        if metadata.data_len() as u64 != reader.remaining() {
            return Err(refuse(format!(
                "its tensors need {} bytes and {} follow the header",
                metadata.data_len(),
                reader.remaining()
            )));
        }
        Ok(Self { file, metadata })
    }

    /// Path inside the bundle.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, tensor: &str) -> bool {
        self.metadata.info(tensor).is_some()
    }

    /// A tensor's shape.
    pub fn shape(&self, tensor: &str) -> Option<&[usize]> {
        self.metadata.info(tensor).map(|info| info.shape.as_slice())
    }

    /// Names in the order in which the tensors lie in the file.
    pub fn in_file_order(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// Bytes of a tensor; 0 if there is none.
    pub fn bytes(&self, tensor: &str) -> u64 {
        self.metadata.info(tensor).map_or(0, |info| (info.data_offsets.1 - info.data_offsets.0) as u64)
    }

    /// The type of a tensor of this shape.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::ShapeMismatch`], [`Error::UnsupportedDType`].
    pub fn expect(&self, tensor: &str, shape: &[usize]) -> Result<FloatType> {
        let (file, tensor) = (self.file.clone(), tensor.to_owned());
        let Some(TensorInfo { dtype, shape: found, .. }) = self.metadata.info(&tensor) else {
            return Err(Error::MissingTensor { file, tensor });
        };
        if found != shape {
            let (expected, found) = (shape.to_vec(), found.clone());
            return Err(Error::ShapeMismatch { file, tensor, expected, found });
        }
        match dtype {
            Dtype::F32 => Ok(FloatType::F32),
            Dtype::F16 => Ok(FloatType::F16),
            Dtype::BF16 => Ok(FloatType::BF16),
            other => Err(Error::UnsupportedDType { file, tensor, found: format!("{other:?}") }),
        }
    }
}

/// The element types we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    BF16,
}

impl FloatType {
    /// Appends little-endian elements, whole ones, as 32-bit floats.
    pub fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        let two = |b: &[u8]| [b[0], b[1]];
        match self {
            Self::F32 => {
                values.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            }
            Self::F16 => {
                values.extend(bytes.chunks_exact(2).map(|b| f16::from_le_bytes(two(b)).to_f32()));
            }
            Self::BF16 => {
                values.extend(bytes.chunks_exact(2).map(|b| bf16::from_le_bytes(two(b)).to_f32()));
            }
        }
    }
}
