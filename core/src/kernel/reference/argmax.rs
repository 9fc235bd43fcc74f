//! The index of each row's largest value, and ln of its softmax.

use burn::tensor::{Tensor, activation::log_softmax};

use crate::kernel::Likeliest;

/// See [`super::super::argmax`].
pub fn argmax(logits: Tensor<2>) -> Likeliest {
    let log_probabilities = log_softmax(logits.clone(), 1).max_dim(1).squeeze_dim(1);
    Likeliest { ids: logits.argmax(1).squeeze_dim(1), log_probabilities }
}
