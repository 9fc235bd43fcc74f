//! Formats of weights on the device.

use serde::{Deserialize, Serialize};

/// Formats of the weights on the device; files stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QuantizationConfig {
    /// The reader's linear layers.
    pub reader_linear: FormatChoice,
    /// The reader's embedding and head.
    pub reader_head: FormatChoice,
    /// The encoder's linear layers and embedding.
    pub encoder: FormatChoice,
}

/// How the format of a matrix on the device is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatChoice {
    /// By what the file stores, of which it keeps all or most at about its size: Q4_0 becomes
    /// [`WeightFormat::Q4`], Q4_1 and Q4_K [`WeightFormat::Q4_1`], everything else
    /// [`WeightFormat::Q8`].
    #[default]
    AsStored,
    /// This one.
    #[serde(untagged)]
    Fixed(WeightFormat),
}

impl From<WeightFormat> for FormatChoice {
    fn from(format: WeightFormat) -> Self {
        Self::Fixed(format)
    }
}

/// Format of a weight matrix on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightFormat {
    /// 32-bit floats.
    F32,
    /// 8-bit blocks of 32 with one scale.
    Q8,
    /// 4-bit blocks of 32 with one scale.
    Q4,
    /// 4-bit blocks of 32 with a scale and a minimum.
    Q4_1,
}

impl WeightFormat {
    /// Bits of a weight, its part of the block's scale and minimum included.
    pub fn bits(self) -> f64 {
        match self {
            Self::F32 => 32.0,
            Self::Q8 => 8.5,
            Self::Q4_1 => 5.0,
            Self::Q4 => 4.5,
        }
    }
}
