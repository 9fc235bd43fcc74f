//! Vectors kept in segments: files that are only appended to, a record a text.
//!
//! A segment belongs to a model and has a number; the lower, the older. What is in a model's segments
//! is found by reading them front to back once, and what others append meanwhile by reading on. One
//! segment is written by one program or tab at a time: where the newest is taken, the next one before
//! it that has room, or a new one. Beyond a limit over all models the oldest are removed, never one
//! that is being written.
//!
//! A record counts if its checksum is right, wherever a write was cut off: `record.rs` has the format.
//! What cannot be read, whoever damaged or removed it, is missing, and made anew.

mod append;
mod files;
mod model;
pub(super) mod record;

use std::cell::RefCell;

pub use files::{SegmentFiles, SegmentWriter};

use super::{VectorCache, encode};
use crate::{
    Error, Result,
    index::{TextHash, Vectors},
};
use model::ModelSegments;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Bytes of a segment: what goes at once where there is no room.
    pub segment: u64,
    /// Bytes of all segments of all models.
    pub total: u64,
}

impl SegmentLimits {
    /// So many bytes in all, in segments of an eighth of it, 32 MB at most.
    pub fn within(total: u64) -> Self {
        Self { segment: (total / 8).min(32 << 20), total }
    }
}

impl Default for SegmentLimits {
    /// 512 MB.
    fn default() -> Self {
        Self::within(512 << 20)
    }
}

/// Keeps vectors in the segments of a folder.
#[derive(Debug)]
pub struct SegmentCache<F: SegmentFiles> {
    files: F,
    limits: SegmentLimits,
    /// The segments of the model that was asked for last. Away while somebody works with them.
    open: RefCell<Option<ModelSegments<F::Writer>>>,
}

impl<F: SegmentFiles> SegmentCache<F> {
    /// The segments that are in a folder, and those to come.
    pub fn new(files: F, limits: SegmentLimits) -> Self {
        Self { files, limits, open: RefCell::new(None) }
    }

    /// The segments of a model, to be put back into `open`. What is known of those of another model
    /// goes.
    fn take(&self, model: &str) -> ModelSegments<F::Writer> {
        let open = self.open.take().filter(|open| open.is_of(model));
        open.unwrap_or_else(|| ModelSegments::new(model))
    }
}

impl<F: SegmentFiles> VectorCache for SegmentCache<F> {
    async fn get_many(&self, model: &str, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>> {
        let mut open = self.take(model);
        let found = open.recall(&self.files, texts).await;
        self.open.replace(Some(open));
        found
    }

    async fn put_many(&mut self, model: &str, vectors: &[(TextHash, &Vectors)]) -> Result<()> {
        let (mut bytes, mut records) = (Vec::new(), Vec::new());
        for (text, vectors) in vectors {
            let body = encode(model, *text, vectors);
            let length = record::append(&mut bytes, text.bytes(), &body);
            let too_long =
                || Error::Storage { reason: format!("vectors of {} bytes are too many", body.len()) };
            records.push((*text.bytes(), length.ok_or_else(too_long)?));
        }
        let mut open = self.take(model);
        let put = open.append(&self.files, self.limits, &bytes, &records).await;
        self.open.replace(Some(open));
        put
    }
}
