//! Vectors kept in a folder: one file a text, in a folder a model.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{VectorCache, decode, encode};
use crate::{
    Error, Result,
    index::{TextHash, Vectors},
};

/// Keeps vectors in a folder, at most so many bytes of them.
#[derive(Debug)]
pub struct DiskCache {
    folder: PathBuf,
    most_bytes: u64,
    /// What is there: when it was written, and how long it is.
    files: HashMap<PathBuf, (SystemTime, u64)>,
    /// The same, the oldest first.
    oldest: BTreeSet<(SystemTime, PathBuf)>,
    bytes: u64,
}

impl DiskCache {
    /// Opens a folder, making it if it is not there.
    ///
    /// # Errors
    /// [`Error::Storage`] if it cannot be read or made.
    pub fn open(folder: impl Into<PathBuf>, most_bytes: u64) -> Result<Self> {
        let folder = folder.into();
        let mut cache = Self { folder, most_bytes, files: HashMap::new(), oldest: BTreeSet::new(), bytes: 0 };
        cache.look().map_err(refused)?;
        Ok(cache)
    }

    fn look(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        for model in fs::read_dir(&self.folder)? {
            let model = model?.path();
            if !model.is_dir() {
                continue;
            }
            for file in fs::read_dir(model)? {
                let file = file?;
                let metadata = file.metadata()?;
                self.list(file.path(), metadata.modified()?, metadata.len());
            }
        }
        Ok(())
    }

    fn list(&mut self, file: PathBuf, written: SystemTime, bytes: u64) {
        self.forget(&file);
        self.bytes += bytes;
        self.oldest.insert((written, file.clone()));
        self.files.insert(file, (written, bytes));
    }

    fn forget(&mut self, file: &Path) {
        if let Some((written, bytes)) = self.files.remove(file) {
            self.bytes -= bytes;
            self.oldest.remove(&(written, file.to_owned()));
        }
    }

    fn file(&self, model: &str, text: TextHash) -> PathBuf {
        self.folder.join(model).join(format!("{text:?}"))
    }

    fn put(&mut self, file: &Path, record: &[u8]) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        // Whole or not at all.
        let partial = file.with_extension("partial");
        fs::write(&partial, record)?;
        fs::rename(&partial, file)?;
        let written = fs::metadata(file)?.modified()?;
        self.list(file.to_owned(), written, record.len() as u64);
        Ok(())
    }

    fn evict(&mut self) {
        while self.bytes > self.most_bytes {
            let Some((_, file)) = self.oldest.first().cloned() else { break };
            self.forget(&file);
            // One that is gone already is what is wanted.
            let _ = fs::remove_file(file);
        }
    }
}

fn refused(error: io::Error) -> Error {
    Error::Storage { reason: error.to_string() }
}

impl VectorCache for DiskCache {
    async fn get_many(&self, model: &str, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>> {
        let get = |text: &TextHash| match fs::read(self.file(model, *text)) {
            Ok(record) => Ok(decode(model, *text, &record)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused(error)),
        };
        texts.iter().map(get).collect()
    }

    async fn put_many(&mut self, model: &str, vectors: &[(TextHash, &Vectors)]) -> Result<()> {
        for (text, vectors) in vectors {
            let file = self.file(model, *text);
            self.put(&file, &encode(model, *text, vectors)).map_err(refused)?;
        }
        self.evict();
        Ok(())
    }
}
