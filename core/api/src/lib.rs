//! What the engine takes and gives, as plain data: completions, reports, errors, and which files are
//! source text.
//!
//! It stands apart from the engine's crate because the GPU compiler in there registers its parts when a
//! program starts: whatever is linked with it carries all of it, and a page only asks and shows.
//! `llavacode_core` gives these items under its own names.

pub mod completion;
pub mod demo;
pub mod error;
pub mod filter;
pub mod ignore;
pub mod report;
pub mod text;

pub use error::{Error, Result};
