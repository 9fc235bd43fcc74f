//! Wheels to the corpus on disk.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{
    dedup::Deduplicator,
    filter::{self, Dropped},
    manifest::{Manifest, Package, Split},
    store::{SourceFile, folder, report_path},
    wheel::python_files,
};
use crate::random::fnv1a;

/// Most bytes of one package, so that no package sets the tone.
pub const MAX_PACKAGE_BYTES: u64 = 4_000_000;

/// What one split holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitReport {
    /// Packages with at least one file.
    pub packages: u64,
    /// Files.
    pub files: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// Files left out, by reason.
    pub dropped: BTreeMap<Dropped, u64>,
}

/// What the corpus holds, and of which manifest it was made: `corpus.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusReport {
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// By split.
    pub splits: BTreeMap<Split, SplitReport>,
    /// Packages by licence.
    pub licenses: BTreeMap<String, u64>,
    /// Bytes of each package's text.
    pub package_bytes: BTreeMap<String, u64>,
}

/// Builds the corpus under `work` from the wheels in `wheels`: `corpus/{split}.jsonl`, a
/// [`SourceFile`] a line, and `corpus/corpus.json`. Files that repeat one that `seen` has are left
/// out, too. `tell` is called with a line a package.
///
/// # Errors
/// If a wheel is missing or was changed, or something cannot be written.
pub fn build(
    manifest: &Manifest,
    wheels: &Path,
    work: &Path,
    mut seen: Deduplicator,
    mut tell: impl FnMut(&str),
) -> Result<CorpusReport> {
    let folder = folder(work);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Until the last line is written there is no corpus.
    let report_path = report_path(work);
    if report_path.exists() {
        fs::remove_file(&report_path).with_context(|| format!("cannot remove {}", report_path.display()))?;
    }

    let mut report = CorpusReport {
        manifest_sha256: manifest.sha256.clone(),
        splits: BTreeMap::new(),
        licenses: BTreeMap::new(),
        package_bytes: BTreeMap::new(),
    };
    for split in Split::BY_PRECEDENCE {
        let path = folder.join(format!("{split}.jsonl"));
        let mut out =
            BufWriter::new(File::create(&path).with_context(|| format!("cannot write {}", path.display()))?);
        let mut total = SplitReport::default();
        for package in manifest.packages.iter().filter(|package| package.split == split) {
            let files = python_files(package, wheels)?;
            let files = select(package, files, &mut seen, &mut total.dropped);
            let bytes: u64 = files.iter().map(|file| file.text.len() as u64).sum();
            ensure!(
                !files.is_empty(),
                "no file of {} is of use; take it out of the manifest or give it another version",
                package.name
            );
            tell(&format!(
                "{split:<10} {:<24} {:>5} files {:>6} kB",
                package.name,
                files.len(),
                bytes / 1000
            ));
            total.packages += 1;
            total.files += files.len() as u64;
            total.bytes += bytes;
            *report.licenses.entry(package.license.clone()).or_default() += 1;
            report.package_bytes.insert(package.name.clone(), bytes);
            for file in &files {
                serde_json::to_writer(&mut out, file)
                    .map_err(Into::into)
                    .and_then(|()| out.write_all(b"\n"))
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        out.flush().with_context(|| format!("cannot write {}", path.display()))?;
        report.splits.insert(split, total);
    }
    fs::write(&report_path, serde_json::to_string_pretty(&report)? + "\n")
        .with_context(|| format!("cannot write {}", report_path.display()))?;
    Ok(report)
}

/// The files of a package that belong in the corpus, by path.
fn select(
    package: &Package,
    mut files: Vec<(String, Vec<u8>)>,
    seen: &mut Deduplicator,
    dropped: &mut BTreeMap<Dropped, u64>,
) -> Vec<SourceFile> {
    // Of a package above the cap, whole folders are kept, chosen as if by lot: files of one folder
    // use each other's names, and the alphabet has nothing to do with them.
    files.sort_by_cached_key(|(path, _)| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        (fnv1a(folder.as_bytes()), path.clone())
    });
    let mut taken = Vec::new();
    let mut bytes = 0;
    for (path, content) in files {
        let judged = filter::accept(&path, &content).and_then(|text| {
            if bytes + text.len() as u64 > MAX_PACKAGE_BYTES {
                return Err(Dropped::OverCap);
            }
            seen.admit(&text).map(|()| text)
        });
        match judged {
            Ok(text) => {
                bytes += text.len() as u64;
                taken.push(SourceFile { package: package.name.clone(), path, text });
            }
            Err(reason) => *dropped.entry(reason).or_default() += 1,
        }
    }
    taken.sort_by(|a, b| a.path.cmp(&b.path));
    taken
}

impl fmt::Display for CorpusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (split, report) in &self.splits {
            let SplitReport { packages, files, bytes, dropped } = report;
            let megabytes = *bytes as f64 / 1e6;
            writeln!(f, "{split:<10} {packages:>3} packages {files:>6} files {megabytes:>6.1} MB")?;
            let reasons: Vec<_> = dropped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            writeln!(f, "           left out: {}", reasons.join(", "))?;
        }
        let licenses: Vec<_> = self.licenses.iter().map(|(name, count)| format!("{count} {name}")).collect();
        write!(f, "licences   {}", licenses.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        fetch::{python, wheel_path},
        manifest::{sha256, tests::entry},
        store::Corpus,
    };
    use super::*;

    /// Code of a kind of its own.
    fn code(name: &str) -> String {
        (0..40).map(|n| format!("def {name}_{n}(value):\n    return value.{name}({n}, {name})\n\n")).collect()
    }

    /// A wheel with these files, made as a wheel is: a ZIP.
    fn make_wheel(wheels: &Path, package: &str, files: &[(&str, String)]) -> String {
        let folder = wheels.join("sources").join(package);
        fs::create_dir_all(folder.join("tests")).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let wheel = wheels.join(format!("{package}-1.0-py3-none-any.whl"));
        let status = python().args(["-m", "zipfile", "-c"]).args([&wheel, &folder]).status().unwrap();
        assert!(status.success());
        sha256(&fs::read(&wheel).unwrap())
    }

    fn manifest(wheels: &Path) -> String {
        let shared = code("shared");
        let near = shared.replace("_39", "_99");
        [
            ("alpha", Split::Train, vec![("a.py", code("a")), ("copy.py", near), ("tests/t.py", code("t"))]),
            ("beta", Split::Validation, vec![("b.py", code("b")), ("small.py", "x = 1\n".into())]),
            ("gamma", Split::Test, vec![("c.py", code("c")), ("shared.py", shared)]),
        ]
        .map(|(name, split, files)| entry(name, split, "MIT", &make_wheel(wheels, name, &files)))
        .concat()
    }

    #[test]
    fn splits_are_by_package_and_held_out_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (wheels, work) = (folder.path().join("wheels"), folder.path().join("work"));
        fs::create_dir_all(&wheels).unwrap();
        let text = manifest(&wheels);
        let manifest = Manifest::parse(&text).unwrap();
        let report = build(&manifest, &wheels, &work, Deduplicator::default(), |_| {}).unwrap();

        let corpus = Corpus::open(&work, &manifest).unwrap();
        assert_eq!(corpus.report, report);
        let paths = |split| {
            let files: Vec<_> = corpus.files(split).unwrap().map(Result::unwrap).collect();
            files.into_iter().map(|file| format!("{}: {}", file.package, file.path)).collect::<Vec<_>>()
        };
        assert_eq!(paths(Split::Test), ["gamma: gamma/c.py", "gamma: gamma/shared.py"]);
        assert_eq!(paths(Split::Validation), ["beta: beta/b.py"]);
        assert_eq!(paths(Split::Train), ["alpha: alpha/a.py"]);
        let train = &report.splits[&Split::Train];
        assert_eq!(train.dropped, [(Dropped::Test, 1), (Dropped::NearDuplicate, 1)].into());
        assert_eq!(train.bytes, code("a").len() as u64);

        // The same again, byte by byte.
        let written = fs::read(work.join("corpus/train.jsonl")).unwrap();
        build(&manifest, &wheels, &work, Deduplicator::default(), |_| {}).unwrap();
        assert_eq!(fs::read(work.join("corpus/train.jsonl")).unwrap(), written);

        // Next to a corpus that has the files, nothing is left of a package.
        let other = folder.path().join("other");
        let error = build(&manifest, &wheels, &other, corpus.seen().unwrap(), |_| {}).unwrap_err();
        assert!(error.to_string().contains("no file of gamma is of use"), "{error}");

        // Another manifest: the corpus is not taken for its own.
        let changed = Manifest::parse(&text.replace("\"MIT\"", "\"ISC\"")).unwrap();
        let error = Corpus::open(&work, &changed).unwrap_err().to_string();
        assert!(error.contains("another version of the manifest"), "{error}");

        // A wheel that changed is not read.
        fs::write(wheel_path(&wheels, &manifest.packages[0]), b"no wheel").unwrap();
        assert!(build(&manifest, &wheels, &work, Deduplicator::default(), |_| {}).is_err());
        assert!(Corpus::open(&work, &manifest).is_err(), "a half-built corpus must not open");
    }

    #[test]
    fn a_large_package_gives_no_more_than_its_cap() {
        let package = Package {
            name: "big".into(),
            version: "1".into(),
            wheel: String::new(),
            sha256: String::new(),
            license: "MIT".into(),
            split: Split::Train,
        };
        let big: String = (0..700)
            .map(|n| format!("def NAME_total_{n}(value):\n    return value.NAME(default, NAME)\n\n"))
            .collect();
        let word = |mut n: usize| {
            let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
            let first = letter(n);
            n /= 26;
            format!("{first}{}", letter(n))
        };
        let files: Vec<_> = (0..200)
            .map(|n| (format!("big/f{}/x{n}.py", n % 20), big.replace("NAME", &word(n)).into_bytes()))
            .collect();
        let mut dropped = BTreeMap::new();
        let kept = select(&package, files, &mut Deduplicator::default(), &mut dropped);
        let bytes: u64 = kept.iter().map(|file| file.text.len() as u64).sum();
        assert!(bytes <= MAX_PACKAGE_BYTES && bytes > MAX_PACKAGE_BYTES * 9 / 10, "{bytes}");
        assert_eq!(dropped[&Dropped::OverCap] as usize + kept.len(), 200);
    }
}
