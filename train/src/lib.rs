//! Makes the models the page runs: from a manifest of packages to a released bundle.
//!
//! | step | module | gives |
//! |---|---|---|
//! | `corpus` | [`corpus`] | Python files, filtered, split by package |
//! | `tokenizer` | [`tokenizer`] | byte-level BPE with Qwen's special tokens |
//! | `samples` | [`samples`] | line-completion samples with their retrieved chunks |
//! | `excerpt` | [`excerpt`] | the weights by which an excerpt's lines are chosen |
//! | `reader` | [`reader`] | the language model |
//! | `encoder`, `projector`, `xrag` | [`compressor`] | what turns chunks into soft tokens |
//! | `soft` | [`soft`] | soft tokens for a reader out of a GGUF file |
//! | `adapter` | [`adapter`] | LoRA for a reader out of a GGUF file |
//! | `evaluate` | [`evaluate`] | every lane on held-out packages |
//! | `capacity` | [`capacity`] | how much of chunks fits into vectors |
//! | `release` | [`release`] | the bundle |
//! | `recent`, `readers` | [`readers`] | any bundle's reader on packages newer than all of them |
//! | `demo` | [`demo`] | the demo's places, and when a suggestion is held back |
//!
//! Pico is trained by the engine in [`nn`]; what learns beside a reader out of a GGUF file asks it through
//! [`asking`]; a projector for any other pair through burn, on any of
//! its devices ([`burn_reader`]; [`estimate`] says what that takes).

pub mod adapter;
pub mod asking;
pub mod bags;
pub mod bench;
pub mod burn_reader;
pub mod capacity;
pub mod checkpoint;
pub mod compressor;
pub mod corpus;
pub mod demo;
pub mod embed;
pub mod estimate;
pub mod evaluate;
pub mod excerpt;
pub mod frozen;
pub mod gguf;
pub mod log;
pub mod micro_batch;
pub mod model;
pub mod nn;
pub mod pretrained;
pub mod projector;
pub mod prompts;
pub use llavacode_core::random;
pub mod reader;
pub mod readers;
pub mod release;
pub mod report;
pub mod retrieval;
pub mod samples;
pub mod soft;
pub mod tokenizer;
