//! Where bytes come from: a network, a disk, the user's files, memory.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use crate::{Error, Result};

/// One file that can be read in pieces. Its futures stay on the thread that made them.
#[allow(async_fn_in_trait, reason = "futures stay on one thread: the worker's or a test's")]
#[allow(clippy::len_without_is_empty, reason = "an empty file is nothing special to a loader")]
pub trait ByteSource {
    /// Length in bytes.
    ///
    /// # Errors
    /// [`Error::Read`] if the source cannot say.
    async fn len(&self) -> Result<u64>;

    /// The bytes of `range`, all of them.
    ///
    /// # Errors
    /// [`Error::Read`] if they cannot be had.
    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>>;
}

/// A folder of files, by path with `/`.
#[allow(async_fn_in_trait, reason = "futures stay on one thread: the worker's or a test's")]
pub trait BundleFiles {
    /// One file of it.
    type Source: ByteSource;

    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Read`] if there is no such file.
    async fn open(&self, path: &str) -> Result<Self::Source>;
}

/// Bytes in memory.
#[derive(Debug, Clone)]
pub struct MemorySource {
    file: String,
    bytes: Arc<[u8]>,
}

impl MemorySource {
    /// A file of these bytes; `file` is named in errors.
    pub fn new(file: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { file: file.into(), bytes: bytes.into() }
    }
}

impl ByteSource for MemorySource {
    async fn len(&self) -> Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let bytes = bounds.and_then(|(start, end)| self.bytes.get(start..end));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| out_of_range(&self.file, range, self.bytes.len() as u64))
    }
}

/// A folder in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    /// Contents by path.
    pub files: BTreeMap<String, Arc<[u8]>>,
}

impl BundleFiles for MemoryFiles {
    type Source = MemorySource;

    async fn open(&self, path: &str) -> Result<MemorySource> {
        match self.files.get(path) {
            Some(bytes) => Ok(MemorySource::new(path, bytes.clone())),
            None => Err(Error::Read { file: path.into(), reason: "there is no such file".into() }),
        }
    }
}

fn out_of_range(file: &str, range: Range<u64>, len: u64) -> Error {
    Error::Read {
        file: file.into(),
        reason: format!("bytes {}..{} were asked for and there are {len}", range.start, range.end),
    }
}

#[cfg(not(target_family = "wasm"))]
pub use disk::{DiskSource, FolderFiles, OneFile};

#[cfg(not(target_family = "wasm"))]
mod disk {
    use std::{
        fs::File,
        io::{Read, Seek, SeekFrom},
        ops::Range,
        path::PathBuf,
    };

    use super::{BundleFiles, ByteSource, out_of_range};
    use crate::{Error, Result};

    /// A folder on disk.
    #[derive(Debug, Clone)]
    pub struct FolderFiles {
        /// Paths are relative to it.
        pub root: PathBuf,
    }

    impl BundleFiles for FolderFiles {
        type Source = DiskSource;

        async fn open(&self, path: &str) -> Result<DiskSource> {
            DiskSource::open(self.root.join(path))
        }
    }

    /// A checkpoint on disk that is one file: whatever is asked for is that file.
    #[derive(Debug, Clone)]
    pub struct OneFile {
        /// The file.
        pub path: PathBuf,
    }

    impl BundleFiles for OneFile {
        type Source = DiskSource;

        async fn open(&self, _: &str) -> Result<DiskSource> {
            DiskSource::open(&self.path)
        }
    }

    /// A file on disk.
    #[derive(Debug)]
    pub struct DiskSource {
        path: String,
        file: File,
    }

    impl DiskSource {
        /// Opens a file.
        ///
        /// # Errors
        /// [`Error::Read`] if it cannot be opened.
        pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
            let path = path.into();
            let name = path.display().to_string();
            match File::open(&path) {
                Ok(file) => Ok(Self { path: name, file }),
                Err(e) => Err(Error::Read { file: name, reason: e.to_string() }),
            }
        }

        fn failed(&self, e: &std::io::Error) -> Error {
            Error::Read { file: self.path.clone(), reason: e.to_string() }
        }
    }

    impl ByteSource for DiskSource {
        async fn len(&self) -> Result<u64> {
            Ok(self.file.metadata().map_err(|e| self.failed(&e))?.len())
        }

        async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
            let len = self.len().await?;
            if range.start > range.end || range.end > len {
                return Err(out_of_range(&self.path, range, len));
            }
            let mut bytes = vec![0; (range.end - range.start) as usize];
            let mut file = &self.file;
            file.seek(SeekFrom::Start(range.start)).map_err(|e| self.failed(&e))?;
            file.read_exact(&mut bytes).map_err(|e| self.failed(&e))?;
            Ok(bytes)
        }
    }
}
