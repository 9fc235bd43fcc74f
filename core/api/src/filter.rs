//! What of a workspace is source text. The rest is left out, with a sentence that says why.
//!
//! Any text is taken, whatever its language; how well the models know it is another matter.

use crate::{Error, Result};

/// The largest file that is indexed: 1 MiB. Source files are smaller; what is larger is data.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// The longest line of a file written by people, in bytes.
const MAX_LINE_BYTES: usize = 10_000;

/// The mean length of lines above which a file is taken for minified, in bytes; only files of
/// more than [`MINIFIED_FROM_BYTES`] are judged by it.
const MAX_MEAN_LINE_BYTES: usize = 300;

/// Shorter files may have few, long lines and still be written by people.
const MINIFIED_FROM_BYTES: usize = 4096;

/// Directories of version control, caches, dependencies and build outputs.
const IGNORED_DIRECTORIES: [&str; 33] = [
    ".cache",
    ".eggs",
    ".git",
    ".gradle",
    ".hg",
    ".idea",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".next",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".terraform",
    ".tox",
    ".venv",
    ".vs",
    ".vscode",
    "__pycache__",
    "_vendor",
    "bower_components",
    "build",
    "dist",
    "env",
    "htmlcov",
    "node_modules",
    "out",
    "site-packages",
    "target",
    "third_party",
    "vendor",
    "venv",
    "virtualenv",
];

/// Endings of directory names that are build outputs.
const IGNORED_DIRECTORY_ENDINGS: [&str; 2] = [".egg-info", ".dist-info"];

/// Whether a path lies in a directory that nobody edits: version control, dependencies, build
/// outputs. Ask for a directory itself with a `/` at its end, before walking into it.
pub fn is_ignored(path: &str) -> bool {
    ignored_directory(path).is_some()
}

fn ignored_directory(path: &str) -> Option<&str> {
    let (directories, _file) = path.rsplit_once(['/', '\\'])?;
    directories.split(['/', '\\']).find(|name| {
        IGNORED_DIRECTORIES.contains(name)
            || IGNORED_DIRECTORY_ENDINGS.iter().any(|ending| name.ends_with(ending))
    })
}

/// Refuses a file by its size alone, before it is read.
///
/// # Errors
/// [`Error::SkippedFile`] if it is empty or larger than [`MAX_FILE_BYTES`].
pub fn accept_size(path: &str, bytes: u64) -> Result<()> {
    if bytes == 0 {
        return skip(path, "it is empty");
    }
    if bytes > MAX_FILE_BYTES as u64 {
        return skip(
            path,
            format!(
                "it is {} large, and source files up to {} are read",
                Size(bytes),
                Size(MAX_FILE_BYTES as u64)
            ),
        );
    }
    Ok(())
}

/// The text of a file, if it is source text: UTF-8 without its byte order mark.
///
/// # Errors
/// [`Error::SkippedFile`] if the file lies in an ignored directory, is empty or blank, too
/// large, binary, not UTF-8, or minified or generated (its lines are too long).
pub fn accept(path: &str, bytes: &[u8]) -> Result<String> {
    if let Some(directory) = ignored_directory(path) {
        return skip(path, format!("directories named {directory} hold no sources of this project"));
    }
    accept_size(path, bytes.len() as u64)?;
    if let Some(encoding) = utf16_mark(bytes) {
        return skip(path, format!("it is {encoding}, not UTF-8; save it as UTF-8 to have it indexed"));
    }
    if bytes.contains(&0) {
        return skip(
            path,
            "it is a binary file (it contains a NUL byte), and only source text can be indexed",
        );
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            return skip(
                path,
                format!(
                    "it is not UTF-8 (byte {} is no part of a character); save it as UTF-8 to have it indexed",
                    error.valid_up_to()
                ),
            );
        }
    };
    if text.trim().is_empty() {
        return skip(path, "there is nothing in it but white space");
    }
    let (mut count, mut longest) = (0, 0);
    for line in crate::text::lines(text) {
        count += 1;
        longest = longest.max(line.len());
    }
    let minified = text.len() > MINIFIED_FROM_BYTES && text.len() / count > MAX_MEAN_LINE_BYTES;
    if longest > MAX_LINE_BYTES || minified {
        return skip(
            path,
            format!("it looks minified or generated (its longest line is {})", Size(longest as u64)),
        );
    }
    Ok(text.to_owned())
}

fn skip<T>(path: &str, reason: impl Into<String>) -> Result<T> {
    Err(Error::SkippedFile { path: path.into(), reason: reason.into() })
}

fn utf16_mark(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// A number of bytes, for a user.
struct Size(u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        match self.0 {
            bytes @ ..KIB => write!(f, "{bytes} bytes"),
            bytes @ KIB..MIB => write!(f, "{:.1} KiB", bytes as f64 / KIB as f64),
            bytes => write!(f, "{:.1} MiB", bytes as f64 / MIB as f64),
        }
    }
}
