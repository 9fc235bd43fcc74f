//! Which type each tensor gets, as llama.cpp's quantizer chooses without an importance matrix
//! (`llama_tensor_get_type` in its `llama-quant.cpp`).

use super::{
    blocks::Type,
    model::{Model, Part, Tensor},
};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    F16,
    Q4_0,
    Q4_1,
    Q8_0,
    Q4KM,
}

impl Mix {
    /// By the name that the quantizer takes.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "f16" => Some(Self::F16),
            "q4_0" => Some(Self::Q4_0),
            "q4_1" => Some(Self::Q4_1),
            "q8_0" => Some(Self::Q8_0),
            "q4_k_m" => Some(Self::Q4KM),
            _ => None,
        }
    }

    /// `general.file_type`.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 7,
            Self::Q4KM => 15,
        }
    }

    /// A model's tensors with their types.
    pub(crate) fn types(self, model: &Model) -> Vec<(Tensor, Type)> {
        let typed = |tensor| {
            let kind = self.of(&tensor, model.layers);
            (tensor, kind)
        };
        model.tensors().into_iter().map(typed).collect()
    }

    /// The type of a tensor of a model with so many layers, whose embedding is its head too.
    fn of(self, tensor: &Tensor, layers: usize) -> Type {
        if tensor.shape.len() < 2 {
            return Type::F32;
        }
        let usual = match self {
            Self::F16 => Type::F16,
            Self::Q4_0 => Type::Q4_0,
            Self::Q4_1 => Type::Q4_1,
            Self::Q8_0 => Type::Q8_0,
            Self::Q4KM => Type::Q4K,
        };
        let fits = |kind: Type| tensor.shape[0].is_multiple_of(kind.values());
        let wanted = match (self, tensor.part) {
            (Self::Q4_0 | Self::Q4_1 | Self::Q4KM, Part::Embedding) => {
                if fits(usual) {
                    Type::Q6K
                } else {
                    Type::Q8_0
                }
            }
            (Self::Q4KM, Part::Value(layer) | Part::Down(layer)) if has_more_bits(layer, layers) => Type::Q6K,
            _ => usual,
        };
        // Rows that are no whole blocks of 256.
        match wanted {
            Type::Q4K if !fits(wanted) => Type::Q5_0,
            Type::Q6K if !fits(wanted) => Type::Q8_0,
            _ => wanted,
        }
    }
}

/// The first and last eighth of the layers, and every third between them.
fn has_more_bits(layer: usize, layers: usize) -> bool {
    layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
}
