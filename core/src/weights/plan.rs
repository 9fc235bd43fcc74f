//! What a model needs from a checkpoint.

use super::Header;
use crate::config::{FormatChoice, WeightFormat};

/// The parameters of a model: which tensors of a checkpoint each is made of. Made by
/// [`Tensors::plan`](super::Tensors::plan).
#[derive(Debug, Default)]
pub struct Plan {
    /// What the names of the stack's tensors start with in this checkpoint.
    pub(super) prefix: String,
    pub(super) parameters: Vec<Parameter>,
}

/// A parameter of a model: one tensor of the checkpoint, or several stacked along the first axis.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) parts: Vec<Wanted>,
    pub(super) kind: Kind,
}

/// A tensor of the checkpoint.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) tensor: String,
    pub(super) shape: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Matrix { rows: usize, cols: usize, format: FormatChoice },
    Vector { len: usize },
}

impl Plan {
    /// Bytes of it all on a device that keeps blocks, for a file of this header.
    pub fn bytes(&self, header: &Header) -> u64 {
        let bytes = |parameter: &Parameter| match parameter.kind {
            Kind::Matrix { rows, cols, .. } => {
                let format = parameter.format(header);
                let format = if format.has_blocks(cols) { format } else { WeightFormat::F32 };
                rows as f64 * cols as f64 * format.bits() / 8.0
            }
            Kind::Vector { len } => (len * size_of::<f32>()) as f64,
        };
        self.parameters.iter().map(bytes).sum::<f64>() as u64
    }
}

impl Parameter {
    /// What it goes by: the name of its first tensor.
    pub(super) fn name(&self) -> &str {
        self.parts.first().map_or("", |part| &part.tensor)
    }

    /// The format its values have on the device. Parts that the file stores differently get the finest
    /// of their formats, since they become one matrix.
    pub(super) fn format(&self, header: &Header) -> WeightFormat {
        match self.kind {
            Kind::Vector { .. } => WeightFormat::F32,
            Kind::Matrix { format: FormatChoice::Fixed(format), .. } => format,
            Kind::Matrix { format: FormatChoice::AsStored, .. } => {
                let elements = self.parts.iter().filter_map(|part| header.element(&part.tensor));
                let formats = elements.map(|element| element.device_format());
                formats.max_by(|a, b| a.bits().total_cmp(&b.bits())).unwrap_or(WeightFormat::Q8)
            }
        }
    }
}
