//! The header of a safetensors file: eight bytes of length, then JSON that names each tensor's
//! type, shape and place. <https://github.com/huggingface/safetensors#format>

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{
    ByteSource, ElementType, VerifiedReader,
    stored::{RowOrder, Stored},
};
use crate::{Error, Result};

/// No checkpoint's header comes near this; a length beyond it is not a length.
const MAX_HEADER: u64 = 64 << 20;

/// Reads the header; the reader then stands at the first tensor.
///
/// Tensors lie one after the other without gaps and fill the file to its end: the format asks
/// for it.
///
/// # Errors
/// [`Error::Format`] if it is not such a header.
pub(super) async fn read_tensors<S: ByteSource>(
    reader: &mut VerifiedReader<'_, S>,
) -> Result<BTreeMap<String, Stored>> {
    let file = reader.file().to_owned();
    let refuse = |reason: String| Error::Format { file: file.clone(), format: "safetensors", reason };
    if reader.remaining() < 8 {
        return Err(refuse("it is too short to hold a header".into()));
    }
    let mut length = [0; 8];
    length.copy_from_slice(&reader.bytes(8).await?);
    let length = u64::from_le_bytes(length);
    if length > reader.remaining().min(MAX_HEADER) {
        return Err(refuse(format!("its header claims {length} bytes and {} are left", reader.remaining())));
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
    let first = reader.position();
    let stored = |info: &TensorInfo| Stored {
        element: match info.dtype {
            Dtype::F32 => Ok(ElementType::F32),
            Dtype::F16 => Ok(ElementType::F16),
            Dtype::BF16 => Ok(ElementType::BF16),
            other => Err(format!("{other:?}")),
        },
        shape: info.shape.clone(),
        place: first + info.data_offsets.0 as u64..first + info.data_offsets.1 as u64,
        rows: RowOrder::Plain,
    };
    Ok(metadata.tensors().into_iter().map(|(name, info)| (name, stored(info))).collect())
}
