//! What the reader says of a line with the chunks as text: the teacher of the reader with soft tokens.
//!
//! Next-token loss alone trains compressed context badly; matching the logits and hidden states of the
//! same model with the whole context works better (arXiv 2503.08727). A teacher's pass reads twice what
//! the pupil's does, so what it says is kept on disk, by sample.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, Result};
use llavacode_core::{engine::Lane, index::TextHash};

use crate::{
    asking::{
        Asking,
        task::{Task, Tasks},
        taught::Taught,
    },
    samples::Sample,
};

/// Asks the reader with text, once a line.
#[derive(Debug)]
pub struct Teacher {
    /// Prompts with as much text as the teacher reads.
    pub text: Tasks,
    /// Names reader and layout.
    pub mark: String,
    /// What was said.
    pub kept: Kept,
}

impl Teacher {
    /// What is said of lines, from disk where it was said before.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub fn teach(&mut self, asking: &mut Asking, samples: &[&Sample]) -> Result<Vec<Taught>> {
        let key = |sample: &Sample| {
            let Sample { package, path, prefix, target, .. } = sample;
            let name = format!("{}\0{package}\0{path}\0{prefix}\0{target}", self.mark);
            *TextHash::of(&name).bytes()
        };
        let keys: Vec<Key> = samples.iter().map(|sample| key(sample)).collect();
        let mut found: Vec<Option<Taught>> = Vec::with_capacity(samples.len());
        for key in &keys {
            found.push(self.kept.get(key)?);
        }
        let new: Vec<usize> = (0..samples.len()).filter(|&at| found[at].is_none()).collect();
        let lay_out = |lane| new.iter().map(|&at| self.text.task(lane, samples[at])).collect::<Vec<Task>>();
        let said = asking.teach(&lay_out(Lane::FullRag));
        let without = asking.ask(&lay_out(Lane::Base), &[], None).nats;
        for ((at, taught), without) in new.into_iter().zip(said).zip(without) {
            let taught = Taught { without: without as f32, ..taught };
            self.kept.put(keys[at], &taught)?;
            found[at] = Some(taught);
        }
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }
}

/// Records by key in one file that only grows. What a killed run left half written is cut off.
#[derive(Debug)]
pub struct Kept {
    file: File,
    /// Where each record's bytes begin, and how many there are.
    places: HashMap<Key, (u64, u32)>,
    end: u64,
}

/// The first bytes of a hash.
type Key = [u8; 16];

/// Bytes before a record: its key and its length.
const HEAD: usize = 20;

impl Kept {
    /// Opens or begins a file.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        let unusable = || format!("{} cannot be used: give it another place, or delete it", path.display());
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut kept = Self { file: file.with_context(unusable)?, places: HashMap::new(), end: 0 };
        let length = kept.file.metadata().with_context(unusable)?.len();
        let mut head = [0; HEAD];
        while kept.end + HEAD as u64 <= length {
            kept.file.seek(SeekFrom::Start(kept.end)).with_context(unusable)?;
            kept.file.read_exact(&mut head).with_context(unusable)?;
            let (key, bytes) = head.split_at(size_of::<Key>());
            let bytes = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let start = kept.end + HEAD as u64;
            if start + u64::from(bytes) > length {
                break;
            }
            let mut name = Key::default();
            name.copy_from_slice(key);
            kept.places.insert(name, (start, bytes));
            kept.end = start + u64::from(bytes);
        }
        kept.file.set_len(kept.end).with_context(unusable)?;
        Ok(kept)
    }

    fn get(&mut self, key: &Key) -> Result<Option<Taught>> {
        let Some(&(start, length)) = self.places.get(key) else { return Ok(None) };
        let mut bytes = vec![0; length as usize];
        self.file.seek(SeekFrom::Start(start)).context("what a teacher said cannot be read")?;
        self.file.read_exact(&mut bytes).context("what a teacher said cannot be read")?;
        Ok(Taught::from_bytes(&bytes))
    }

    fn put(&mut self, key: Key, taught: &Taught) -> Result<()> {
        let bytes = taught.to_bytes();
        let record = [&key[..], &(bytes.len() as u32).to_le_bytes(), &bytes].concat();
        self.file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(&record))
            .context("what a teacher said cannot be kept: is the disk full?")?;
        self.places.insert(key, (self.end + HEAD as u64, bytes.len() as u32));
        self.end += record.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asking::taught::TOP;

    fn taught(n: usize) -> Taught {
        Taught {
            nats: n as f32,
            without: 2.0 * n as f32,
            ids: (0..(n * TOP) as u32).collect(),
            log_p: (0..n * TOP).map(|at| -(at as f32)).collect(),
            hidden: vec![0.5; 6 * n],
        }
    }

    #[test]
    fn what_was_said_is_found_again_and_a_torn_end_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/teacher.bin");
        let mut kept = Kept::open(&path).expect("a file");
        kept.put([1; 16], &taught(2)).expect("kept");
        kept.put([2; 16], &taught(3)).expect("kept");
        assert_eq!(kept.get(&[1; 16]).expect("read"), Some(taught(2)));
        drop(kept);
        let bytes = fs::read(&path).expect("read");
        fs::write(&path, &bytes[..bytes.len() - 7]).expect("torn");
        let mut kept = Kept::open(&path).expect("a file");
        assert_eq!(kept.get(&[1; 16]).expect("read"), Some(taught(2)));
        assert_eq!(kept.get(&[2; 16]).expect("read"), None);
        kept.put([3; 16], &taught(1)).expect("kept");
        let mut kept = Kept::open(&path).expect("a file");
        assert_eq!(kept.get(&[3; 16]).expect("read"), Some(taught(1)));
    }
}
