//! Tables in documents, between two marks.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Replaces what stands between a document's lines `<!-- name:begin -->` and `<!-- name:end -->`.
///
/// # Errors
/// If it cannot be read or written, or lacks either line.
pub fn write_between(document: &Path, name: &str, text: &str) -> Result<()> {
    let [begin, end] = ["begin", "end"].map(|mark| format!("<!-- {name}:{mark} -->"));
    let old = fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let missing = || format!("{} lacks the lines {begin} and {end}", document.display());
    let (before, rest) = old.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    fs::write(document, format!("{before}{begin}\n{text}{end}{after}"))?;
    Ok(())
}
