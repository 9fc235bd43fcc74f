//! The training engine: forward and backward passes of the decoder, written out.
//!
//! Pico is small: its matrices are a few hundred wide, and a step through burn's autodiff spends
//! most of its time between the matrix products (`bench` measures it against this engine and
//! against the machine's own peak). Here a worker thread takes whole micro-batches that fit its
//! cache, sequences lie one after the other without padding, and everything between two matrix
//! products is one pass over memory:
//!
//! | file | holds |
//! |---|---|
//! | [`real`] | the number type: f32 to train, f64 to check gradients |
//! | [`matrix`] | strided views and their product |
//! | [`bf16`] | products with frozen weights, at twice the rate where the processor has them |
//! | [`ops`] | RMSNorm, rotary embedding, SwiGLU: forward and backward |
//! | [`attention`] | causal grouped-query attention by blocks of queries, probabilities never kept |
//! | [`layout`] | where each tensor lies in the flat parameter vector |
//! | [`decoder`] | the stack: embedding, layers, final norm, tied head |
//! | [`adapter`] | LoRA: thin products added to matrices that stay |
//! | [`decode`] | greedy and sampled decoding with a KV cache |
//! | [`optimizer`] | Muon for matrices, AdamW for the rest |
//! | [`parallel`] | micro-batches over threads, gradients summed in a fixed order |
//!
//! The architecture is that of `llavacode_core::model`; a test compares the two.

pub mod adapter;
pub mod attention;
pub mod bf16;
pub mod decode;
pub mod decoder;
pub mod layout;
pub mod matrix;
pub mod ops;
pub mod optimizer;
pub mod parallel;
pub mod real;
