//! Rows of a weight matrix by index.

use burn::tensor::{Int, Tensor};

use super::weights::dense;
use crate::quant::Matrix;

/// See [`super::super::gather_rows`].
pub fn gather_rows(ids: Tensor<1, Int>, weight: &Matrix) -> Tensor<2> {
    dense(weight).select(0, ids)
}
