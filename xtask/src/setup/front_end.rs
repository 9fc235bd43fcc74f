//! The editor's JavaScript: CodeMirror, bundled into one module.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{say, wasm_opt};
use crate::{command, paths};

/// Bundles it if its sources are not those of the last time.
pub(super) fn ensure() -> Result<()> {
    let folder = paths::front_end();
    let sources = digest(&folder).context("the editor's sources could not be read")?;
    let (built, digest_file) = (folder.join("dist"), folder.join("dist/.sources"));
    if fs::read_to_string(&digest_file).is_ok_and(|text| text == sources) {
        return Ok(());
    }
    wasm_opt::ensure_npm()?;
    say("bundling the editor", "its sources are new or have changed");
    for arguments in [&["ci", "--silent", "--no-audit", "--no-fund"][..], &["run", "--silent", "build"]] {
        command::run(command::program("npm").current_dir(&folder).args(arguments))?;
    }
    fs::create_dir_all(built)?;
    fs::write(digest_file, sources).context("the bundled editor could not be marked as done")
}

/// A digest of all that the bundle is made of.
fn digest(folder: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        (file.strip_prefix(folder).unwrap_or(&file), fs::read(&file)?).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let made = entry.file_name() == "node_modules" || entry.file_name() == "dist";
        match entry.file_type()?.is_dir() {
            true if made => {}
            true => collect(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}
