//! Line-completion samples, cut from a split of the corpus.
//!
//! A sample is what the page will ask: the text around a cursor, the rest of the line, and the
//! chunks of the package's other files that retrieval finds there, as core's index finds them.
//! They are made once and kept, because retrieval over a corpus costs more than reading it.

pub mod cut;
pub mod rename;
pub mod store;
pub(crate) mod words;

pub use cut::{CutConfig, CutReport, cut};
pub use rename::{needed, needs_context, rename_identifiers};
pub use store::{Sample, SampleChunk, SampleFile};
