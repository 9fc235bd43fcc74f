//! What a model needs from a checkpoint, and what it got.

use std::collections::HashMap;

use burn::tensor::{Device, Distribution, Tensor};

use super::Header;
use crate::{
    Error, Result,
    config::{FormatChoice, WeightFormat},
    quant::Matrix,
};

/// Standard deviation of freshly initialised matrices (GPT-2's and Qwen's).
const INIT_STD: f64 = 0.02;

/// The parameters of a model: which tensors of a checkpoint each is made of.
#[derive(Debug, Default)]
pub struct Plan {
    /// Put before the name of every tensor that is asked for from now on.
    pub prefix: String,
    pub(super) parameters: Vec<Parameter>,
}

/// A parameter of a model: one tensor of the checkpoint, or several stacked along the first axis.
#[derive(Debug)]
pub(super) struct Parameter {
    /// The model's name for it.
    pub(super) key: String,
    pub(super) parts: Vec<Part>,
    pub(super) kind: Kind,
}

/// A tensor of the checkpoint.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) tensor: String,
    pub(super) shape: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Matrix { rows: usize, cols: usize, format: FormatChoice },
    Vector { len: usize, init: f64 },
}

impl Plan {
    /// An empty plan for a checkpoint whose tensor names start with `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), parameters: Vec::new() }
    }

    /// Asks for a matrix: the rows of `parts` (name, rows), one part under the other, each `cols`
    /// wide.
    pub fn matrix(
        &mut self,
        key: String,
        parts: &[(String, usize)],
        cols: usize,
        format: impl Into<FormatChoice>,
    ) {
        let (rows, format) = (parts.iter().map(|(_, rows)| rows).sum(), format.into());
        self.push(key, parts, &[cols], Kind::Matrix { rows, cols, format });
    }

    /// Asks for a vector: `parts` (name, length), one after the other. Fresh models start it with
    /// `init`.
    pub fn vector(&mut self, key: String, parts: &[(String, usize)], init: f64) {
        let len = parts.iter().map(|(_, len)| len).sum();
        self.push(key, parts, &[], Kind::Vector { len, init });
    }

    /// Bytes of it all as 32-bit floats, as a device without kernels holds it.
    pub fn dense_bytes(&self) -> u64 {
        let values = |parameter: &Parameter| match parameter.kind {
            Kind::Matrix { rows, cols, .. } => rows as u64 * cols as u64,
            Kind::Vector { len, .. } => len as u64,
        };
        self.parameters.iter().map(values).sum::<u64>() * size_of::<f32>() as u64
    }

    fn push(&mut self, key: String, parts: &[(String, usize)], inner: &[usize], kind: Kind) {
        let part = |(name, first): &(String, usize)| Part {
            tensor: format!("{}{name}", self.prefix),
            shape: [&[*first], inner].concat(),
        };
        let parts = parts.iter().map(part).collect();
        self.parameters.push(Parameter { key, parts, kind });
    }
}

impl Parameter {
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

/// Parameters on a device, by the plan's keys; the model takes each of them once.
#[derive(Debug)]
pub struct Weights {
    file: String,
    /// The row parts of each, in order.
    matrices: HashMap<String, Vec<Matrix>>,
    vectors: HashMap<String, Tensor<1>>,
    bytes: u64,
}

impl Weights {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.into(), matrices: HashMap::new(), vectors: HashMap::new(), bytes: 0 }
    }

    /// Fresh weights: matrices drawn from a normal distribution, vectors as the plan says.
    pub fn random(plan: &Plan, device: &Device) -> Self {
        let mut weights = Self::new("a fresh model");
        for parameter in &plan.parameters {
            let key = parameter.key.clone();
            match parameter.kind {
                Kind::Matrix { rows, cols, .. } => {
                    let values = Tensor::random([rows, cols], Distribution::Normal(0.0, INIT_STD), device);
                    weights.put_matrix(key, Matrix::dense(values));
                }
                Kind::Vector { len, init } => weights.put_vector(key, Tensor::full([len], init, device)),
            }
        }
        weights
    }

    /// Puts a matrix below the rows that are there of this key.
    pub(super) fn put_matrix(&mut self, key: String, matrix: Matrix) {
        self.bytes += matrix.bytes() as u64;
        self.matrices.entry(key).or_default().push(matrix);
    }

    pub(super) fn put_vector(&mut self, key: String, vector: Tensor<1>) {
        self.bytes += vector.dims()[0] as u64 * 4;
        self.vectors.insert(key, vector);
    }

    /// Bytes of all of them on the device.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is such a matrix still to be taken.
    pub fn has_matrix(&self, key: &str) -> bool {
        self.matrices.contains_key(key)
    }

    /// Takes a matrix.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] if the plan had none of that key.
    pub fn matrix(&mut self, key: &str) -> Result<Matrix> {
        self.matrices.remove(key).map(Matrix::stack).ok_or_else(|| self.missing(key))
    }

    /// Takes a vector.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] if the plan had none of that key.
    pub fn vector(&mut self, key: &str) -> Result<Tensor<1>> {
        self.vectors.remove(key).ok_or_else(|| self.missing(key))
    }

    /// Takes a vector if there is one.
    pub fn vector_if_present(&mut self, key: &str) -> Option<Tensor<1>> {
        self.vectors.remove(key)
    }

    fn missing(&self, key: &str) -> Error {
        Error::MissingTensor { file: self.file.clone(), tensor: key.into() }
    }
}
