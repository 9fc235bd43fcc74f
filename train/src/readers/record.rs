//! Scores on disk: a line of JSON each, appended as they come.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::tasks::Set;

/// Which measurement a score is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The reader's name.
    pub reader: String,
    /// Marks of its bundle and of the tasks' file: with another of either it is measured anew.
    pub of: String,
    /// Whose table the task stands in.
    pub set: Set,
    /// Its number.
    pub task: usize,
    /// How the reader was asked.
    pub lane: String,
}

/// A reader's score in a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Of what.
    #[serde(flatten)]
    pub key: Key,
    /// Of the prompt.
    pub positions: usize,
    /// 100 or 0.
    pub exact_match: f64,
    /// Percent.
    pub edit_similarity: f64,
    /// −ln of the target's probability.
    pub nats: f64,
    /// Tokens that hold some of the target.
    pub target_tokens: usize,
    /// Of the target.
    pub target_characters: usize,
    /// What the reader said.
    pub text: String,
}

/// A file of records.
#[derive(Debug)]
pub struct Records {
    file: File,
    all: Vec<Record>,
    keys: BTreeSet<Key>,
}

impl Records {
    /// Opens a file, or makes it. Of a line that a kill has cut in two nothing is kept.
    ///
    /// # Errors
    /// If it cannot be read or written, or holds something else.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let all = text[..whole]
            .split_inclusive(|&byte| byte == b'\n')
            .enumerate()
            .map(|(number, line)| {
                serde_json::from_slice(line).with_context(|| {
                    format!(
                        "{}, line {}, is no score: delete the file to begin anew",
                        path.display(),
                        number + 1
                    )
                })
            })
            .collect::<Result<Vec<Record>>>()?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.set_len(whole as u64).with_context(|| format!("cannot write {}", path.display()))?;
        let keys = all.iter().map(|record: &Record| record.key.clone()).collect();
        Ok(Self { file, all, keys })
    }

    /// Whether there is a score of this.
    pub fn has(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }

    /// The score of this, if there is one.
    pub fn get(&self, key: &Key) -> Option<&Record> {
        self.has(key).then(|| self.all.iter().find(|record| record.key == *key)).flatten()
    }

    /// Adds a score, unless there is one of the same.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, record: Record) -> Result<()> {
        if self.keys.insert(record.key.clone()) {
            let mut line = serde_json::to_vec(&record)?;
            line.push(b'\n');
            self.file.write_all(&line).context("the scores cannot be written")?;
            self.all.push(record);
        }
        Ok(())
    }

    /// Copies a task's scores from where it stands in another set, if it was measured there in all of
    /// these lanes; says whether it was.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn copy_other_set(&mut self, lanes: impl Iterator<Item = Key>) -> Result<bool> {
        let same = |wanted: &Key| {
            self.all.iter().find(|Record { key, .. }| {
                (&key.reader, &key.of, key.task, &key.lane)
                    == (&wanted.reader, &wanted.of, wanted.task, &wanted.lane)
            })
        };
        let copy = |key: Key| same(&key).map(|record| Record { key, ..record.clone() });
        let Some(copies) = lanes.map(copy).collect::<Option<Vec<Record>>>() else { return Ok(false) };
        copies.into_iter().try_for_each(|copy| self.append(copy))?;
        Ok(true)
    }

    /// All of them, in the file's order.
    pub fn into_all(self) -> Vec<Record> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(task: usize) -> Record {
        Record {
            key: Key {
                reader: "pico".into(),
                of: "a-b".into(),
                set: Set::CrossFile,
                task,
                lane: "base".into(),
            },
            positions: 12,
            exact_match: 100.0,
            edit_similarity: 100.0,
            nats: 1.5 + task as f64 / 3.0,
            target_tokens: 3,
            target_characters: 9,
            text: "x = \"1\"".into(),
        }
    }

    #[test]
    fn a_file_that_was_cut_goes_on_where_it_was_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/scores.jsonl");
        let mut records = Records::open(&path).unwrap();
        (0..3).for_each(|task| records.append(record(task)).unwrap());
        records.append(record(1)).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.iter().filter(|&&byte| byte == b'\n').count(), 3, "no score is written twice");

        fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        let mut records = Records::open(&path).unwrap();
        assert!(records.has(&record(1).key) && !records.has(&record(2).key));
        records.append(record(2)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(Records::open(&path).unwrap().into_all(), [record(0), record(1), record(2)]);

        fs::write(&path, "{}\n").unwrap();
        assert!(Records::open(&path).unwrap_err().to_string().contains("line 1, is no score"));
    }
}
