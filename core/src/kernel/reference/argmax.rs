//! The index of each row's largest value.

use burn::tensor::{Int, Tensor};

/// See [`super::super::argmax`].
pub fn argmax(logits: Tensor<2>) -> Tensor<1, Int> {
    logits.argmax(1).squeeze_dim(1)
}
