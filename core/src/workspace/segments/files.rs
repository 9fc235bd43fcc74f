//! Where segments are: what a [`SegmentCache`](super::SegmentCache) needs of a file system.

use std::ops::Range;

use crate::Result;

/// A folder of files that are appended to, each by one program or tab at a time.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
pub trait SegmentFiles {
    /// A file that is open for writing. Dropping it closes it.
    type Writer: SegmentWriter;

    /// Name and length of every file.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    async fn list(&self) -> Result<Vec<(String, u64)>>;

    /// Bytes of a file that somebody else may be writing; as many as there are, if the file is shorter
    /// or gone.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it cannot be read.
    async fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>>;

    /// Opens a file for writing, making it if it is not there. `None` if somebody else is writing it:
    /// nobody else can, from here until it is closed, nor can it be removed.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    async fn open(&self, name: &str) -> Result<Option<Self::Writer>>;

    /// Removes a file, unless somebody is writing it; false if it stays for that reason. One that is
    /// gone already is what is wanted.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    async fn remove(&self, name: &str) -> Result<bool>;
}

/// A file that nobody else can write.
#[allow(clippy::len_without_is_empty, reason = "an empty file is nothing special")]
pub trait SegmentWriter {
    /// Its bytes.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    fn len(&self) -> Result<u64>;

    /// Bytes of it; as many as there are, if it is shorter.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it cannot be read.
    fn read(&self, range: Range<u64>) -> Result<Vec<u8>>;

    /// Puts bytes at a place and sees to it that they are on the disk. If it fails, any number of them
    /// may be there.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses, or there is no room.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()>;

    /// Cuts it to this length.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    fn truncate(&mut self, length: u64) -> Result<()>;
}
