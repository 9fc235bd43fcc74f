//! The text the models learn from: pinned, permissively licensed Python packages from PyPI.
//!
//! ```text
//! corpus.toml ─ fetch ─▶ wheels ─ unpack, filter, deduplicate ─▶ corpus/{train,validation,test}.jsonl
//!                                                                corpus/corpus.json
//! ```
//!
//! Packages are held out whole: a model that has seen half of a package has seen its names. What
//! is copied between packages would undo that, so near-duplicates go ([`dedup`]), and of two the
//! one that is held out stays.
//!
//! The corpus is not kept in the repository: the manifest names every wheel by its version and
//! SHA-256, which is enough to make the same bytes again.

pub mod build;
pub mod dedup;
pub mod fetch;
pub mod filter;
pub mod manifest;
pub mod store;
mod wheel;

pub use build::{CorpusReport, SplitReport, build};
pub use fetch::fetch;
pub use manifest::{Manifest, Package, Split};
pub use store::{Corpus, SourceFile};
