//! What a transfer needs from where it runs: a network with a clock, and a place on the disk.

use std::time::Duration;

use super::Record;
pub use crate::private_files::Refused;

/// What a transfer runs in.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
pub trait Host {
    /// Bytes by which [`Self::recognise`] tells what a file is.
    const FIRST_BYTES: usize;

    /// An answer's bytes.
    type Body: Body;

    /// Asks for a file from byte `from` on.
    ///
    /// # Errors
    /// What went wrong, as a sentence's part; there was no answer.
    async fn get(&self, url: &str, from: u64) -> Result<Answer<Self::Body>, String>;

    /// Whether the browser thinks that there is a network.
    fn is_online(&self) -> bool;

    /// Waits.
    async fn wait(&self, pause: Duration);

    /// Whether the user has told it to stop.
    fn is_stopped(&self) -> bool;

    /// Looks at the first bytes of a GGUF file: [`Self::FIRST_BYTES`], or the whole file.
    ///
    /// # Errors
    /// A sentence: it cannot be run, so it need not come whole.
    async fn recognise(&self, file: &str, first: &[u8]) -> Result<(), String>;
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer<B> {
    /// HTTP's status.
    pub status: u16,
    /// The first byte's place in the file and the file's length, where the page may see them.
    pub range: Option<(u64, u64)>,
    /// Bytes of this answer.
    pub length: Option<u64>,
    /// The mark of this version of the file, where the page may see it.
    pub etag: Option<String>,
    /// It is a web page.
    pub is_page: bool,
    /// The bytes.
    pub body: B,
}

/// Bytes as they come.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
pub trait Body {
    /// The next ones; `None` at the end.
    ///
    /// # Errors
    /// What went wrong, as a sentence's part: the connection was lost.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String>;
}

/// Where one file is kept.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
#[allow(clippy::len_without_is_empty, reason = "an empty file is nothing special")]
pub trait Place {
    /// What is known of it; `None` if nothing is, or it cannot be read.
    async fn record(&self) -> Option<Record>;

    /// Keeps what is known of it.
    ///
    /// # Errors
    /// [`Refused`]
    async fn set_record(&mut self, record: &Record) -> Result<(), Refused>;

    /// Notes that it is whole.
    ///
    /// # Errors
    /// [`Refused`]
    async fn set_whole(&mut self) -> Result<(), Refused>;

    /// Bytes that are there.
    ///
    /// # Errors
    /// [`Refused`]
    fn len(&self) -> Result<u64, Refused>;

    /// Puts bytes at a place.
    ///
    /// # Errors
    /// [`Refused`]
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Refused>;

    /// `length` bytes from a place on.
    ///
    /// # Errors
    /// [`Refused`]
    fn read(&self, at: u64, length: u64) -> Result<Vec<u8>, Refused>;

    /// Drops everything and what is known of it.
    ///
    /// # Errors
    /// [`Refused`]
    async fn clear(&mut self) -> Result<(), Refused>;

    /// Sees to it that what was written is on the disk.
    ///
    /// # Errors
    /// [`Refused`]
    fn flush(&mut self) -> Result<(), Refused>;

    /// Bytes that may still be written, where that is known.
    async fn free(&self) -> Option<u64>;
}
