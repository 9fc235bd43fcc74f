//! Reading a file once, front to back, hashing on the way.

use sha2::{Digest, Sha256};

use super::ByteSource;
use crate::{Error, Result, config::FileEntry};

/// Bytes asked of the source at a time: enough to make requests rare, little enough to hold.
const PIECE: u64 = 4 << 20;

/// A file read from front to back, compared with the manifest's length at the start and with its
/// SHA-256 at the end. The source is asked for large pieces, whatever is read.
pub struct VerifiedReader<'a, S> {
    source: &'a S,
    file: &'a str,
    entry: &'a FileEntry,
    /// The piece that is being read; it begins at `piece_start`, and `used` bytes of it are read.
    piece: Vec<u8>,
    piece_start: u64,
    used: usize,
    hasher: Sha256,
    on_read: &'a mut dyn FnMut(u64),
}

impl<'a, S: ByteSource> VerifiedReader<'a, S> {
    /// Starts at the front. `on_read` hears how many bytes each piece brought.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the length is not the manifest's.
    pub async fn open(
        source: &'a S,
        file: &'a str,
        entry: &'a FileEntry,
        on_read: &'a mut dyn FnMut(u64),
    ) -> Result<Self> {
        let found = source.len().await?;
        if found != entry.bytes {
            return Err(Error::Truncated { file: file.into(), expected: entry.bytes, found });
        }
        let hasher = Sha256::new();
        Ok(Self { source, file, entry, piece: Vec::new(), piece_start: 0, used: 0, hasher, on_read })
    }

    /// Path inside the bundle.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.piece_start + self.used as u64
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> u64 {
        self.entry.bytes - self.position()
    }

    /// What comes next: a byte at least, unless the file is at its end. It stays unread.
    ///
    /// # Errors
    /// [`Error::Read`] if the source fails.
    pub async fn peek(&mut self) -> Result<&[u8]> {
        if self.used == self.piece.len() && self.remaining() > 0 {
            let start = self.position();
            let next = self.entry.bytes.min(start + PIECE);
            let bytes = self.source.read(start..next).await?;
            if bytes.len() as u64 != next - start {
                let reason = format!("{} bytes came of {}", bytes.len(), next - start);
                return Err(Error::Read { file: self.file.into(), reason });
            }
            if self.entry.sha256.is_some() {
                self.hasher.update(&bytes);
            }
            (self.on_read)(bytes.len() as u64);
            (self.piece, self.piece_start, self.used) = (bytes, start, 0);
        }
        Ok(&self.piece[self.used..])
    }

    /// Hands over the next `count` bytes in pieces of any length.
    ///
    /// # Errors
    /// [`Error::Truncated`] if there are fewer, [`Error::Read`] if the source fails.
    pub async fn read(&mut self, count: u64, mut each: impl FnMut(&[u8])) -> Result<()> {
        if count > self.remaining() {
            return Err(Error::Truncated {
                file: self.file.into(),
                expected: self.position().saturating_add(count),
                found: self.entry.bytes,
            });
        }
        let mut left = count;
        while left > 0 {
            let next = self.peek().await?;
            let length = next.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            each(&next[..length]);
            self.used += length;
            left -= length as u64;
        }
        Ok(())
    }

    /// The next `count` bytes as one vector.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        self.read(count, |piece| all.extend_from_slice(piece)).await?;
        Ok(all)
    }

    /// Reads what is left and compares the hash, where one is known.
    ///
    /// # Errors
    /// [`Error::HashMismatch`], or as [`Self::read`].
    pub async fn finish(mut self) -> Result<()> {
        self.read(self.remaining(), |_| ()).await?;
        let Some(expected) = &self.entry.sha256 else { return Ok(()) };
        let found = hex::encode(self.hasher.finalize());
        if found.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(Error::HashMismatch { file: self.file.into(), expected: expected.clone(), found })
    }
}

/// A whole small file, verified.
///
/// # Errors
/// [`Error::Read`], [`Error::Truncated`], [`Error::HashMismatch`].
pub async fn read_verified<S: ByteSource>(
    source: &S,
    file: &str,
    entry: &FileEntry,
    on_read: &mut dyn FnMut(u64),
) -> Result<Vec<u8>> {
    let mut reader = VerifiedReader::open(source, file, entry, on_read).await?;
    let bytes = reader.bytes(entry.bytes).await?;
    reader.finish().await?;
    Ok(bytes)
}

/// SHA-256 in lower-case hex, as the manifest holds it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
