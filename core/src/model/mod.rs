//! The three models, one definition for the browser, native inference and training.
//!
//! | model | architecture | gives |
//! |---|---|---|
//! | [`reader::Reader`] | Qwen2, Llama | logits of the next token |
//! | [`encoder::Encoder`] | Qwen3, or the reader's first layers | one embedding of each part of a chunk |
//! | [`projector::Projector`] | MLP | the embedding as a vector in the reader's input space |
//!
//! Reader and encoder are both a [`decoder::Decoder`]: a stack of [`layers::DecoderLayer`]s,
//! written in the fused operations of [`crate::kernel`]. On autodiff devices those are plain burn
//! operations, so that the same modules train.

pub mod decoder;
pub mod encoder;
mod ids;
pub mod layers;
pub mod projector;
pub mod reader;

pub use ids::token_ids;
