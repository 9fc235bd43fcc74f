//! What the reader says of a line with the chunks as text: the teacher of the reader with soft tokens.
//!
//! Next-token loss alone trains compressed context badly; matching the logits and hidden states of the
//! same model with the whole context works better (arXiv 2503.08727). A teacher's pass reads twice what
//! the pupil's does, so what it says is kept on disk, by sample: of each token the likeliest
//! [`TOP`] with their probabilities, and the hidden state before the head.
//!
//! Samples may be weighed by how much text helps them (arXiv 2603.06593): what no context helps with
//! cannot be learned from.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, Result};
use llavacode_core::{engine::Lane, index::TextHash};

use super::{
    asking::Asking,
    task::{Task, Tasks},
};
use crate::{checkpoint::to_bytes, samples::Sample};

/// Tokens whose probabilities are kept.
pub const TOP: usize = 32;
/// Weight of a line that text does not help.
const LEAST: f64 = 0.5;
/// Nats a token beyond which text's help counts no more.
const MOST_GAIN: f64 = 2.0;

/// What was said of one line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taught {
    /// −ln of the line with the chunks as text.
    pub nats: f32,
    /// −ln of it without chunks.
    pub without: f32,
    /// Of each token the likeliest ids, [`TOP`] a token.
    pub ids: Vec<u32>,
    /// ln of their probabilities.
    pub log_p: Vec<f32>,
    /// After the final norm, `[tokens, hidden]`.
    pub hidden: Vec<f32>,
}

impl Taught {
    /// Likeliest ids of a token, and ln of their probabilities.
    pub fn top(&self, token: usize) -> (&[u32], &[f32]) {
        (&self.ids[token * TOP..][..TOP], &self.log_p[token * TOP..][..TOP])
    }

    /// How much the line counts, 1 where text gains half a nat a token.
    pub fn weight(&self) -> f64 {
        let tokens = (self.ids.len() / TOP).max(1) as f64;
        LEAST + (f64::from(self.without - self.nats) / tokens).clamp(0.0, MOST_GAIN)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = to_bytes(&[self.nats, self.without]);
        bytes.extend((self.ids.len() as u32).to_le_bytes());
        self.ids.iter().for_each(|id| bytes.extend(id.to_le_bytes()));
        bytes.extend(to_bytes(&self.log_p));
        bytes.extend(to_bytes(&self.hidden));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let words: Vec<u32> = bytes
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        let floats = |words: &[u32]| words.iter().map(|&word| f32::from_bits(word)).collect::<Vec<f32>>();
        let (head, rest) = words.split_at_checked(3)?;
        let (ids, rest) = rest.split_at_checked(head[2] as usize)?;
        let (log_p, hidden) = rest.split_at_checked(ids.len())?;
        Some(Self {
            nats: f32::from_bits(head[0]),
            without: f32::from_bits(head[1]),
            ids: ids.to_vec(),
            log_p: floats(log_p),
            hidden: floats(hidden),
        })
    }
}

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

    #[test]
    fn lines_that_text_helps_weigh_more() {
        let of = |nats: f32, without: f32| Taught { nats, without, ..taught(4) }.weight();
        assert_eq!(of(3.0, 3.0), LEAST);
        assert_eq!(of(5.0, 3.0), LEAST, "text does harm");
        assert_eq!(of(3.0, 7.0), LEAST + 1.0);
        assert_eq!(of(0.0, 99.0), LEAST + MOST_GAIN);
    }
}
