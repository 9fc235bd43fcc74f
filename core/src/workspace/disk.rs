//! Vectors kept in a folder.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use super::segments::{SegmentCache, SegmentFiles, SegmentLimits, SegmentWriter};
use crate::{Error, Result};

/// Keeps vectors in a folder, which several programs may do at once.
pub type DiskCache = SegmentCache<SegmentFolder>;

impl DiskCache {
    /// Opens a folder, making it if it is not there, for at most so many bytes.
    ///
    /// # Errors
    /// [`Error::Storage`] if it cannot be read or made.
    pub fn open(folder: impl Into<PathBuf>, most_bytes: u64) -> Result<Self> {
        Ok(Self::new(SegmentFolder::open(folder)?, SegmentLimits::within(most_bytes)))
    }
}

/// Files of a folder, each written by one program at a time: under the operating system's lock, which
/// ends with the program. Where that lock keeps others from reading too, as on Windows, they do not
/// find what is being written until it is closed.
#[derive(Debug)]
pub struct SegmentFolder {
    folder: PathBuf,
}

impl SegmentFolder {
    /// Opens a folder, making it if it is not there.
    ///
    /// # Errors
    /// [`Error::Storage`] if it cannot be made.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(refused)?;
        Ok(Self { folder })
    }

    /// Keeps others from opening and removing files, until it is dropped: else one could be removed
    /// between the moment it is opened and the moment it is locked.
    fn lock(&self) -> io::Result<File> {
        let lock = to_write(&self.folder.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }
}

fn to_write(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// The file, if nobody else has locked it.
fn locked(file: File) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read(mut file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(range.start))?;
    file.take(range.end - range.start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `None` where a file is not there.
fn if_there<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn refused(error: io::Error) -> Error {
    Error::Storage { reason: error.to_string() }
}

impl SegmentFiles for SegmentFolder {
    type Writer = File;

    async fn list(&self) -> Result<Vec<(String, u64)>> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            let length = if_there(entry.metadata())?.map(|metadata| metadata.len());
            Ok(entry.file_name().into_string().ok().zip(length))
        };
        let entries = fs::read_dir(&self.folder).map_err(refused)?;
        entries.filter_map(|found| entry(found).map_err(refused).transpose()).collect()
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let file = if_there(File::open(self.folder.join(name))).map_err(refused)?;
        file.map_or(Ok(Vec::new()), |file| read(&file, range)).map_err(refused)
    }

    async fn open(&self, name: &str) -> Result<Option<File>> {
        let open = || {
            let _lock = self.lock()?;
            locked(to_write(&self.folder.join(name))?)
        };
        open().map_err(refused)
    }

    async fn remove(&self, name: &str) -> Result<bool> {
        let path = self.folder.join(name);
        let remove = || {
            let _lock = self.lock()?;
            let file = File::options().read(true).write(true).open(&path);
            let Some(file) = if_there(file)? else { return Ok(true) };
            match locked(file)? {
                Some(_file) => if_there(fs::remove_file(&path)).map(|_| true),
                None => Ok(false),
            }
        };
        remove().map_err(refused)
    }
}

impl SegmentWriter for File {
    fn len(&self) -> Result<u64> {
        self.metadata().map(|metadata| metadata.len()).map_err(refused)
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        read(self, range).map_err(refused)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let mut write = || {
            self.seek(SeekFrom::Start(at))?;
            self.write_all(bytes)?;
            self.sync_data()
        };
        write().map_err(refused)
    }

    fn truncate(&mut self, length: u64) -> Result<()> {
        self.set_len(length).map_err(refused)
    }
}
