//! The corpus on disk: one file of lines of JSON a split, and what it was made from.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{
    build::CorpusReport,
    dedup::Deduplicator,
    manifest::{Manifest, Split},
};

/// A file of the corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Name of its package.
    pub package: String,
    /// Its path in the package's wheel.
    pub path: String,
    /// Its text; lines end in `\n`.
    pub text: String,
}

/// A corpus that was built.
#[derive(Debug, Clone)]
pub struct Corpus {
    folder: PathBuf,
    /// What it holds.
    pub report: CorpusReport,
}

impl Corpus {
    /// Opens the corpus under the work folder, if it was made from this manifest.
    ///
    /// # Errors
    /// If there is none, or the manifest has changed since.
    pub fn open(work: &Path, manifest: &Manifest) -> Result<Self> {
        let path = report_path(work);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}; build the corpus first", path.display()))?;
        let report: CorpusReport = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged; build the corpus again", path.display()))?;
        ensure!(
            report.manifest_sha256 == manifest.sha256,
            "the corpus in {} was made from another version of the manifest; build it again",
            folder(work).display()
        );
        Ok(Self { folder: folder(work), report })
    }

    /// A split's files, one package after the other, read as they are asked for.
    ///
    /// # Errors
    /// If the split's file cannot be opened. Each item is an error if its line is damaged.
    pub fn files(&self, split: Split) -> Result<impl Iterator<Item = Result<SourceFile>> + use<>> {
        let path = self.folder.join(format!("{split}.jsonl"));
        let file = File::open(&path)
            .with_context(|| format!("cannot open {}; build the corpus again", path.display()))?;
        Ok(BufReader::with_capacity(1 << 20, file).lines().enumerate().map(move |(index, line)| {
            let damaged =
                || format!("{}, line {}, is damaged; build the corpus again", path.display(), index + 1);
            serde_json::from_str(&line.with_context(damaged)?).with_context(damaged)
        }))
    }

    /// All of its files, for telling what repeats one of them.
    ///
    /// # Errors
    /// If a file of it cannot be read.
    pub fn seen(&self) -> Result<Deduplicator> {
        let mut seen = Deduplicator::default();
        for split in Split::BY_PRECEDENCE {
            for file in self.files(split)? {
                // None of them repeats another: they were built that way.
                let _ = seen.admit(&file?.text);
            }
        }
        Ok(seen)
    }

    /// A split's files, package by package.
    ///
    /// # Errors
    /// If the split's file cannot be read.
    pub fn packages(&self, split: Split) -> Result<Vec<Vec<SourceFile>>> {
        let mut packages: Vec<Vec<SourceFile>> = Vec::new();
        for file in self.files(split)? {
            let file = file?;
            match packages.last_mut() {
                Some(package) if package.last().is_some_and(|last| last.package == file.package) => {
                    package.push(file);
                }
                _ => packages.push(vec![file]),
            }
        }
        Ok(packages)
    }
}

pub(crate) fn folder(work: &Path) -> PathBuf {
    work.join("corpus")
}

pub(crate) fn report_path(work: &Path) -> PathBuf {
    folder(work).join("corpus.json")
}
