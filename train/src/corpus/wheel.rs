//! What is in a wheel, which is a zip archive.

use std::{
    io::{Cursor, Read},
    path::Path,
};

use anyhow::{Context, Result};
use zip::ZipArchive;

use super::{fetch::read_checked, manifest::Package};

/// The `.py` files of a wheel, by path, in the paths' order; the wheel is checked first.
///
/// # Errors
/// If the wheel is missing, changed, or cannot be unpacked.
pub(crate) fn python_files(package: &Package, cache: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let wheel = Cursor::new(read_checked(package, cache)?);
    unpack(wheel).with_context(|| format!("cannot unpack {}", package.wheel))
}

fn unpack(wheel: Cursor<Vec<u8>>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut wheel = ZipArchive::new(wheel)?;
    let mut files = Vec::new();
    for index in 0..wheel.len() {
        let mut member = wheel.by_index(index)?;
        let path = member.enclosed_name().context("a path in it leaves the wheel")?;
        if member.is_file() && path.extension().is_some_and(|ending| ending == "py") {
            let name: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes)?;
            files.push((name.join("/"), bytes));
        }
    }
    files.sort();
    Ok(files)
}
