//! The files of a project, as the page reads them.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use llavacode_api::{
    filter,
    ignore::{GITIGNORE, Ignored},
};

/// Paths below the folder, with `/`, and texts, in the order of the paths. What `.gitignore` files name, what
/// the page leaves out by name, and what is no text, is left out; links are not followed.
///
/// # Errors
/// If a folder or file cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    read_folder(folder, "", &mut Ignored::default(), &mut files)?;
    files.sort();
    Ok(files)
}

/// `below` is the folder's path in the project: empty, or ending in `/`.
fn read_folder(
    folder: &Path,
    below: &str,
    ignored: &mut Ignored,
    files: &mut Vec<(String, String)>,
) -> Result<()> {
    let unreadable = || format!("{} cannot be read", folder.display());
    if let Ok(text) = fs::read(folder.join(GITIGNORE)) {
        ignored.add(below, &String::from_utf8_lossy(&text));
    }
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let kind = entry.file_type().with_context(unreadable)?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            let path = path + "/";
            if !ignored.leaves_out(&path) {
                read_folder(&entry.path(), &path, ignored, files)?;
            }
        } else if kind.is_file() && !ignored.leaves_out(&path) {
            let bytes = fs::read(entry.path()).with_context(|| format!("{path} cannot be read"))?;
            if let Ok(text) = filter::accept(&path, &bytes) {
                files.push((path, as_in_the_page(&text)));
            }
        }
    }
    Ok(())
}

/// Every line ends in `\n` there.
fn as_in_the_page(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_files_and_no_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write("b/c.py", b"\xef\xbb\xbfx = 1\r\ny = 2\n");
        write("a.py", b"a = 1\n");
        write(".gitignore", b"*.log\nbuilt/\n");
        write("b/.gitignore", b"!kept.log\n");
        write("a.log", b"no\n");
        write("b/kept.log", b"yes\n");
        write("built/d.py", b"no = 1\n");
        write("node_modules/e.js", b"no\n");
        write("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00");
        let found = read(folder.path()).unwrap();
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, [".gitignore", "a.py", "b/.gitignore", "b/c.py", "b/kept.log"]);
        assert_eq!(found[3].1, "x = 1\ny = 2\n");
    }
}
