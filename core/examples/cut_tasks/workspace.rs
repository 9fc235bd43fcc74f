//! The workspace on disk, and as the page reads it.

use std::{error::Error, fs, path::Path};

use serde::{Deserialize, Serialize};

/// Shown by the page, and the key under which it keeps the workspace's index.
const NAME: &str = "tidewatch";
/// The file that is open at first.
pub(crate) const OPEN_FILE: &str = "tidewatch/bulletin.py";
/// The line in it that is still to be finished.
const UNFINISHED_LINE: &str = "estimate = self._analyzer";

/// Everything in `workspace.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Workspace {
    /// Its name.
    pub(crate) name: String,
    /// Its Python files, by path.
    pub(crate) files: Vec<SourceFile>,
    /// Path of the file to open.
    pub(crate) open: String,
    /// Where the cursor stands in it.
    pub(crate) cursor: Cursor,
}

/// One file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SourceFile {
    /// Path in the workspace, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// A place in a file, counted from 0; the column in characters.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Line.
    pub(crate) line: usize,
    /// Column.
    pub(crate) column: usize,
}

impl Workspace {
    /// Reads every `.py` file under `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut files = Vec::new();
        collect_files(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let cursor = files
            .iter()
            .find(|file| file.path == OPEN_FILE)
            .and_then(|file| unfinished_line(&file.text))
            .ok_or_else(|| format!("{OPEN_FILE} holds no line {UNFINISHED_LINE:?}"))?;
        Ok(Self { name: NAME.into(), files, open: OPEN_FILE.into(), cursor })
    }
}

fn unfinished_line(text: &str) -> Option<Cursor> {
    text.lines()
        .enumerate()
        .find(|(_, line)| line.trim() == UNFINISHED_LINE)
        .map(|(line, text)| Cursor { line, column: text.chars().count() })
}

fn collect_files(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> Result<(), Box<dyn Error>> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), &format!("{path}/"), files)?;
        } else if path.ends_with(".py") {
            let text = fs::read_to_string(entry.path()).map_err(|e| format!("{path}: {e}"))?;
            files.push(SourceFile { path, text });
        }
    }
    Ok(())
}

/// A value as it is kept in a file: indented, with a final line break.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
