//! LlavaCode without a browser: everything between the text around a cursor and a completion.
//!
//! A completion's way, which never turns back:
//! [`engine::CompletionRequest`] → [`index`] (which chunks) → [`prompt`] (tokens and soft vectors,
//! interleaved) → [`model::reader`] (prefill, decode) → [`engine::CompletionEvent`]s.
//!
//! A file's way: text → [`workspace`] → [`index::chunker`] → [`model::encoder`] →
//! [`model::projector`] → [`index::store`]. Its vectors stay with the chunk: the embedding for dense
//! search, a projection for the prompt of each lane with soft tokens.
//!
//! The modules in order, each using only those before it (`tests/module_order` checks it):
//!
//! ```text
//! device, config, random, words → quant → kernel → weights → tokenize → model → bundle
//!     → index → prompt → workspace → metrics, tasks → engine → bench
//! ```
//!
//! Nothing here knows Leptos or web-sys. What comes from outside comes through a trait:
//! [`weights::ByteSource`] (bytes from somewhere), [`workspace::VectorCache`] (a place to keep
//! vectors), [`engine::Host`], and [`kernel::threads::Channel`] (the way to another thread of the CPU).

pub mod bench;
pub mod bundle;
pub mod config;
pub mod device;
pub mod engine;
pub mod index;
pub mod kernel;
pub mod metrics;
pub mod model;
pub mod prompt;
pub mod quant;
pub mod random;
pub mod tasks;
pub mod tokenize;
pub mod weights;
pub mod words;
pub mod workspace;

pub use device::Device;
pub use llavacode_api::{Error, Result, error};
