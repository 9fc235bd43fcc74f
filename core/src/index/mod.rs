//! Which chunks of the workspace could help at the cursor.
//!
//! Files that are source text ([`filter`]) are cut into chunks of lines ([`chunker`]), kept
//! ([`store`]) with their vectors ([`vectors`]) and ranked by shared words ([`lexical`]), by their embeddings
//! ([`dense`], on a GPU by [`OnDevice`]) or by both ([`fusion`]).

pub mod chunker;
pub mod dense;
pub mod fusion;
pub mod lexical;
mod on_device;
mod query;
pub mod store;
pub mod vectors;

pub use chunker::{Chunk, TextHash};
pub use llavacode_api::{
    completion::{Ranker, Ranks},
    filter,
};
pub use on_device::OnDevice;
pub use query::{ChunkId, Query, RetrievedHit, SAME_FILE_DISTANCE};
pub use store::{Index, IndexStats, UpdateStats};
pub use vectors::Vectors;
