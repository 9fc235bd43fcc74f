//! Segments in the browser's private files.

use std::ops::Range;

use js_sys::Uint8Array;
use llavacode_browser::private_files::{Folder, OpenFile, Refused};
use llavacode_core::{
    Error, Result,
    workspace::{SegmentFiles, SegmentWriter},
};
use wasm_bindgen_futures::JsFuture;

const FOLDER: &str = "vectors";
/// A file of one byte, to see whether files can be written.
const TRIED: &str = "tried";

/// The folder of segments.
pub struct PrivateSegments {
    folder: Folder,
}

/// A segment that this tab writes.
pub struct PrivateSegment(OpenFile);

impl PrivateSegments {
    /// Opens the folder, and writes in it.
    ///
    /// # Errors
    /// [`Refused`]: the browser keeps no files here, or not in place.
    pub(super) async fn open() -> Result<Self, Refused> {
        let folder = Folder::open(FOLDER).await?;
        let written = match folder.open_file(TRIED).await {
            Ok(file) => file.write(0, &[1]).and_then(|()| file.len()),
            // Another tab is trying it.
            Err(Refused::Busy) => Ok(1),
            Err(refused) => Err(refused),
        };
        match written? {
            1 => Ok(Self { folder }),
            length => Err(Refused::Other(format!("a file of one byte has {length}"))),
        }
    }

    /// Bytes of a file as it is now; `None` if it was changed in between.
    async fn look(&self, name: &str, range: &Range<u64>) -> Option<Vec<u8>> {
        let Some(file) = self.folder.file(name).await else { return Some(Vec::new()) };
        let slice = file.slice_with_f64_and_f64(range.start as f64, range.end as f64).ok()?;
        let buffer = JsFuture::from(slice.array_buffer()).await.ok()?;
        Some(Uint8Array::new(&buffer).to_vec())
    }
}

fn told(refused: Refused) -> Error {
    Error::Storage { reason: refused.to_string() }
}

impl SegmentFiles for PrivateSegments {
    type Writer = PrivateSegment;

    async fn list(&self) -> Result<Vec<(String, u64)>> {
        let mut listed = Vec::new();
        for name in self.folder.names().await.map_err(told)? {
            // One that went in between is not there.
            if let Some(file) = self.folder.file(&name).await {
                listed.push((name, file.size() as u64));
            }
        }
        Ok(listed)
    }

    /// Another tab may append between the look at the file and its reading, which then fails: once more.
    async fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        for _ in 0..2 {
            if let Some(bytes) = self.look(name, &range).await {
                return Ok(bytes);
            }
        }
        Err(Error::Storage { reason: format!("{name} cannot be read") })
    }

    async fn open(&self, name: &str) -> Result<Option<PrivateSegment>> {
        match self.folder.open_file(name).await {
            Ok(file) => Ok(Some(PrivateSegment(file))),
            Err(Refused::Busy) => Ok(None),
            Err(refused) => Err(told(refused)),
        }
    }

    async fn remove(&self, name: &str) -> Result<bool> {
        match self.folder.remove(name).await {
            Ok(()) => Ok(true),
            Err(Refused::Busy) => Ok(false),
            Err(refused) => Err(told(refused)),
        }
    }
}

impl SegmentWriter for PrivateSegment {
    fn len(&self) -> Result<u64> {
        self.0.len().map_err(told)
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        self.0.read(range.start, range.end - range.start).map_err(told)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.0.write(at, bytes).and_then(|()| self.0.flush()).map_err(told)
    }

    fn truncate(&mut self, length: u64) -> Result<()> {
        self.0.truncate(length).map_err(told)
    }
}
