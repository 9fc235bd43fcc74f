//! What files say: a checkpoint's own `config.json`, and the bundle's manifest. What a GGUF file's
//! metadata says of the same is read by [`crate::weights`].

mod checkpoint;
mod formats;
mod manifest;

pub use checkpoint::{DecoderConfig, ModelType};
pub use formats::{FormatChoice, QuantizationConfig, WeightFormat};
pub use manifest::*;
