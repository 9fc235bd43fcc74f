//! Which wheels the corpus is made of: `corpus.toml`.
//!
//! ```toml
//! [[package]]
//! name = "click"
//! version = "8.1.8"
//! wheel = "click-8.1.8-py3-none-any.whl"
//! sha256 = "63c132bb…"
//! license = "BSD-3-Clause"
//! split = "train"
//! ```

use std::{collections::BTreeSet, fmt, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Licences whose text may be learned from and given on without a condition on what is made of
/// it: SPDX identifiers.
const LICENSES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "HPND",
    "ISC",
    "MIT",
    "MIT-0",
    "PSF-2.0",
    "Unlicense",
    "Zlib",
];

/// What a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Weights are fitted to it.
    Train,
    /// Choices are made by it.
    Validation,
    /// Only what is reported is measured on it.
    Test,
}

impl Split {
    /// All of them, the one that keeps its copy of a duplicate first.
    pub const BY_PRECEDENCE: [Self; 3] = [Self::Test, Self::Validation, Self::Train];

    /// As in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One pinned wheel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name on PyPI.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The wheel's file name.
    pub wheel: String,
    /// SHA-256 of the wheel, lower-case hex.
    pub sha256: String,
    /// SPDX expression.
    pub license: String,
    /// What it is for.
    pub split: Split,
}

/// The corpus's recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The packages, as they stand in the file.
    pub packages: Vec<Package>,
    /// SHA-256 of the file: a corpus remembers which manifest it was made from.
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    package: Vec<Package>,
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// If the file cannot be read, or for the reasons of [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the corpus manifest {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("the corpus manifest {} cannot be used", path.display()))
    }

    /// Reads and checks a manifest of packages that are all held out.
    ///
    /// # Errors
    /// If the file cannot be read, or for the reasons of [`parse_held_out`](Self::parse_held_out).
    pub fn read_held_out(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the manifest {}", path.display()))?;
        Self::parse_held_out(&text).with_context(|| format!("the manifest {} cannot be used", path.display()))
    }

    /// Checks a manifest's text.
    ///
    /// # Errors
    /// If it is no such TOML, names a package twice, has a malformed hash or wheel name, a licence
    /// that is not permissive, or no package at all for a split.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest = Self::parse_any(text)?;
        for split in Split::BY_PRECEDENCE {
            if !manifest.packages.iter().any(|package| package.split == split) {
                bail!("no package has split = \"{split}\"; each split needs one");
            }
        }
        Ok(manifest)
    }

    /// Checks the text of a manifest that nothing is trained on.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and if a package is not of the test split.
    pub fn parse_held_out(text: &str) -> Result<Self> {
        let manifest = Self::parse_any(text)?;
        if let Some(package) = manifest.packages.iter().find(|package| package.split != Split::Test) {
            bail!("{} has split = \"{}\"; here every package is \"test\"", package.name, package.split);
        }
        ensure!(!manifest.packages.is_empty(), "it lists no package");
        Ok(manifest)
    }

    fn parse_any(text: &str) -> Result<Self> {
        // Line breaks are no part of what it says, and a checkout may change them.
        let text = text.replace("\r\n", "\n");
        let File { package: packages } = toml::from_str(&text)?;
        let mut names = BTreeSet::new();
        for package in &packages {
            let name = &package.name;
            ensure!(names.insert(name), "{name} is listed twice; take one of its entries out");
            let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            if package.sha256.len() != 64 || !package.sha256.chars().all(is_hex) {
                bail!("{name}: sha256 must be 64 lower-case hexadecimal digits, not {:?}", package.sha256);
            }
            if !package.wheel.ends_with("-none-any.whl") || package.wheel.contains(['/', '\\']) {
                bail!(
                    "{name}: {:?} is not the name of a pure-Python wheel (…-none-any.whl); list one that is",
                    package.wheel
                );
            }
            if let Some(part) = foreign_license(&package.license) {
                bail!(
                    "{name}: {part:?} is not among the permissive licences this corpus takes ({}); leave it out",
                    LICENSES.join(", ")
                );
            }
        }
        Ok(Self { packages, sha256: sha256(text.as_bytes()) })
    }
}

/// The first part of an SPDX expression that is not permissive. Of alternatives too every one
/// must be: it keeps the rule short.
fn foreign_license(expression: &str) -> Option<&str> {
    expression
        .split([' ', '(', ')'])
        .filter(|part| !matches!(*part, "" | "AND" | "OR"))
        .find(|part| !LICENSES.contains(part))
        .or_else(|| expression.trim().is_empty().then_some(""))
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn entry(name: &str, split: Split, license: &str, sha256: &str) -> String {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1.0\"\nwheel = \"{name}-1.0-py3-none-any.whl\"\n\
             sha256 = \"{sha256}\"\nlicense = \"{license}\"\nsplit = \"{split}\"\n"
        )
    }

    fn manifest_with(license: &str) -> String {
        let hash = "ab".repeat(32);
        [("a", Split::Train), ("b", Split::Validation), ("c", Split::Test)]
            .map(|(name, split)| entry(name, split, license, &hash))
            .concat()
    }

    #[test]
    fn reads_entries_and_hashes_the_file() {
        let manifest = Manifest::parse(&manifest_with("MIT")).unwrap();
        assert_eq!(manifest.packages.len(), 3);
        assert_eq!(manifest.packages[2].split, Split::Test);
        assert_eq!(manifest.sha256, sha256(manifest_with("MIT").as_bytes()));
        assert_eq!(Manifest::parse(&manifest_with("MIT").replace('\n', "\r\n")).unwrap(), manifest);
        assert_ne!(Manifest::parse(&manifest_with("ISC")).unwrap().sha256, manifest.sha256);
    }

    #[test]
    fn refuses_what_is_not_permissive_and_says_so() {
        assert!(Manifest::parse(&manifest_with("MIT OR (Apache-2.0 AND BSD-3-Clause)")).is_ok());
        for license in ["GPL-3.0-only", "MIT OR LGPL-2.1-or-later", ""] {
            let error = Manifest::parse(&manifest_with(license)).unwrap_err().to_string();
            assert!(error.contains("permissive"), "{license:?}: {error}");
        }
    }

    #[test]
    fn refuses_duplicates_bad_hashes_and_missing_splits() {
        let hash = "ab".repeat(32);
        let twice = manifest_with("MIT") + &entry("a", Split::Test, "MIT", &hash);
        assert!(Manifest::parse(&twice).unwrap_err().to_string().contains("twice"));
        let short = manifest_with("MIT") + &entry("d", Split::Test, "MIT", "abc");
        assert!(Manifest::parse(&short).unwrap_err().to_string().contains("hexadecimal"));
        let binary = manifest_with("MIT").replace("py3-none-any", "cp313-cp313-win32");
        assert!(Manifest::parse(&binary).unwrap_err().to_string().contains("pure-Python"));
        let only = entry("a", Split::Train, "MIT", &hash);
        assert!(Manifest::parse(&only).unwrap_err().to_string().contains("split"));
    }

    #[test]
    fn the_manifest_of_the_repository_is_valid() {
        let manifest = Manifest::parse(include_str!("../../corpus.toml")).unwrap();
        assert!(manifest.packages.len() > 50);
    }

    #[test]
    fn newer_packages_are_all_held_out_and_none_is_of_the_corpus() {
        let newer = Manifest::parse_held_out(include_str!("../../recent.toml")).unwrap();
        let corpus = Manifest::parse(include_str!("../../corpus.toml")).unwrap();
        assert!((30..=60).contains(&newer.packages.len()));
        let names: BTreeSet<_> = corpus.packages.iter().map(|package| &package.name).collect();
        assert!(newer.packages.iter().all(|package| !names.contains(&package.name)));

        let trained = entry("d", Split::Train, "MIT", &"ab".repeat(32));
        let error = Manifest::parse_held_out(&trained).unwrap_err().to_string();
        assert!(error.contains("every package is \"test\""), "{error}");
    }
}
