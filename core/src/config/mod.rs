//! What files say: a checkpoint's own `config.json` or GGUF metadata, and the bundle's manifest.

mod checkpoint;
mod formats;
mod gguf;
mod manifest;

pub use checkpoint::{DecoderConfig, ModelType};
pub use formats::{FormatChoice, QuantizationConfig, WeightFormat};
pub use manifest::*;
