//! What a model got from a checkpoint.

use std::collections::HashMap;

use burn::tensor::Tensor;

use crate::{Error, Result, quant::Matrix};

/// Parameters on a device, by the names of their (first) tensors. The model takes each of them once,
/// through [`Tensors::of`](super::Tensors::of).
#[derive(Debug)]
pub struct Weights {
    file: String,
    /// The plan's.
    pub(super) prefix: String,
    /// The row parts of each, in order.
    matrices: HashMap<String, Vec<Matrix>>,
    vectors: HashMap<String, Tensor<1>>,
    bytes: u64,
}

impl Weights {
    pub(super) fn new(file: &str, prefix: &str) -> Self {
        let (file, prefix) = (file.into(), prefix.into());
        Self { file, prefix, matrices: HashMap::new(), vectors: HashMap::new(), bytes: 0 }
    }

    /// Puts a matrix below the rows that are there of this name.
    pub(super) fn put_matrix(&mut self, name: &str, matrix: Matrix) {
        self.bytes += matrix.bytes() as u64;
        self.matrices.entry(name.into()).or_default().push(matrix);
    }

    pub(super) fn put_vector(&mut self, name: &str, vector: Tensor<1>) {
        self.bytes += vector.dims()[0] as u64 * 4;
        self.vectors.insert(name.into(), vector);
    }

    /// The file they are from, to be named in errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Bytes of all of them on the device.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The shape of what is there of this name and still to be taken.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let vector = self.vectors.get(name).map(|vector| vector.dims().to_vec());
        vector.or_else(|| {
            let shapes = self.matrices.get(name)?.iter().map(Matrix::shape);
            shapes.reduce(|[above, _], [rows, cols]| [above + rows, cols]).map(|shape| shape.to_vec())
        })
    }

    pub(super) fn take_matrix(&mut self, name: &str) -> Result<Matrix> {
        self.matrices.remove(name).map(Matrix::stack).ok_or_else(|| self.missing(name))
    }

    pub(super) fn take_vector(&mut self, name: &str) -> Result<Tensor<1>> {
        self.vectors.remove(name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        Error::MissingTensor { file: self.file.clone(), tensor: name.into() }
    }
}
