//! Zip archives: a project that comes as one, and files that are downloaded as one.

use std::io::{Cursor, Read, Write};

use llavacode_api::Error;
use llavacode_api::filter::{MAX_FILE_BYTES, accept_size};
use zip::read::ZipFile;
use zip::result::{ZipError, ZipResult};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::{Collected, MAX_FILES, holds_patterns, judge, skipped, too_many};
use crate::state::file::File;
use crate::state::workspace::Skipped;
use llavacode_api::ignore::Ignored;

/// The largest archive that is taken in: 256 MiB. It is read as a whole.
pub const MAX_ARCHIVE_BYTES: u64 = 256 << 20;

/// What macOS puts into archives beside what was packed.
const MAC_EXTRAS: &str = "__MACOSX/";

/// Whether a file is an archive, by its name.
pub fn is_archive(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("zip"))
}

/// What can be used of an archive, and the name of the project in it: that of the one folder which
/// holds everything, or else of the archive itself.
///
/// # Errors
/// A sentence, if it is no zip archive.
pub fn unpack(name: &str, bytes: &[u8]) -> Result<(String, Collected), String> {
    let unreadable = |error: ZipError| format!("{name} cannot be unpacked: {}.", reason(&error));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(unreadable)?;
        if let Some(path) = entry.is_file().then(|| path(&entry)).flatten()
            && !path.starts_with(MAC_EXTRAS)
        {
            entries.push((path, index));
        }
    }
    entries.sort();
    let root = common_folder(entries.iter().map(|(path, _)| path.as_str())).to_owned();
    for (path, _) in &mut entries {
        path.drain(..root.len());
    }

    let mut ignored = Ignored::default();
    for (path, index) in &entries {
        if let Some(folder) = holds_patterns(path)
            && let Ok(bytes) = read(&mut archive, *index)
        {
            ignored.add(folder, &String::from_utf8_lossy(&bytes));
        }
    }
    let mut collected = Collected::default();
    for (path, index) in entries.into_iter().filter(|(path, _)| !ignored.leaves_out(path)) {
        if collected.files.len() == MAX_FILES {
            collected.skipped.push(too_many(path));
            break;
        }
        match take(&mut archive, &path, index) {
            Ok(file) => collected.files.push((path, file)),
            Err(reason) => collected.skipped.push(reason),
        }
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let project = if root.is_empty() { stem } else { root.trim_end_matches('/') };
    Ok((project.to_owned(), collected))
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

fn take(archive: &mut Archive<'_>, path: &str, index: usize) -> Result<File, Skipped> {
    let unreadable = |error: ZipError| {
        let reason = reason(&error);
        skipped(path.to_owned(), &Error::SkippedFile { path: path.to_owned(), reason })
    };
    let size = archive.by_index_raw(index).map_err(unreadable)?.size();
    let judged = |error: Error| skipped(path.to_owned(), &error);
    accept_size(path, size).map_err(judged)?;
    let bytes = read(archive, index).map_err(unreadable)?;
    judge(path, &bytes).map_err(judged)
}

/// An entry's bytes, no more than a source file may have: an archive may lie about its sizes.
fn read(archive: &mut Archive<'_>, index: usize) -> ZipResult<Vec<u8>> {
    let mut bytes = Vec::new();
    archive.by_index(index)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why the archive, or an entry, cannot be read.
fn reason(error: &ZipError) -> String {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => "it is encrypted".to_owned(),
        ZipError::UnsupportedArchive(what) => format!("this page cannot read such archives ({what})"),
        other => other.to_string().trim_end_matches('.').to_owned(),
    }
}

/// An entry's path, unless it leads out of the archive.
fn path<R: Read>(entry: &ZipFile<'_, R>) -> Option<String> {
    let path = entry.enclosed_name()?;
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    Some(parts.join("/"))
}

/// The folder, with `/` at its end, that holds all of these; empty if there is none.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a str>) -> &'a str {
    let Some(first) = paths.next() else { return "" };
    let Some(end) = first.find('/') else { return "" };
    let folder = &first[..=end];
    if paths.all(|path| path.starts_with(folder)) { folder } else { "" }
}

/// Packs files.
///
/// # Errors
/// A sentence, if that is more than fits.
pub fn pack(files: &[(String, String)]) -> Result<Vec<u8>, String> {
    let pack = || -> ZipResult<Vec<u8>> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, text) in files {
            archive.start_file(path, SimpleFileOptions::default())?;
            archive.write_all(text.as_bytes())?;
        }
        Ok(archive.finish()?.into_inner())
    };
    pack().map_err(|error| format!("The files could not be packed: {}.", reason(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(files: &[(&str, &str)]) -> Vec<u8> {
        let files: Vec<_> = files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect();
        pack(&files).expect("it can be packed")
    }

    fn unpacked(files: &[(&str, &str)]) -> (String, Vec<String>, Vec<Skipped>) {
        let (name, collected) = unpack("shop-main.zip", &packed(files)).expect("it can be unpacked");
        (name, collected.files.into_iter().map(|(path, _)| path).collect(), collected.skipped)
    }

    #[test]
    fn a_project_comes_out_as_it_was_packed() {
        let (_, collected) = unpack("a.zip", &packed(&[("b.py", "x\r\n"), ("a/a.py", "y")])).expect("a zip");
        let texts: Vec<_> =
            collected.files.iter().map(|(path, file)| (path.as_str(), file.written())).collect();
        assert_eq!(texts, [("a/a.py", "y".to_owned()), ("b.py", "x\r\n".to_owned())]);
    }

    #[test]
    fn the_one_folder_that_holds_everything_names_the_project() {
        let (name, paths, _) = unpacked(&[("shop/a.py", "1"), ("shop/b/c.py", "1"), ("__MACOSX/x", "1")]);
        assert_eq!((name.as_str(), paths), ("shop", vec!["a.py".into(), "b/c.py".into()]));
        let (name, paths, _) = unpacked(&[("a/a.py", "1"), ("b/b.py", "1")]);
        assert_eq!((name.as_str(), paths.len()), ("shop-main", 2));
    }

    #[test]
    fn what_gitignore_names_and_what_is_no_source_stays_in_the_archive() {
        let (_, paths, skipped) = unpacked(&[
            ("s/.gitignore", "*.log\n"),
            ("s/a.py", "1"),
            ("s/a.log", "1"),
            ("s/x/.gitignore", "/own.py"),
            ("s/x/own.py", "1"),
            ("s/node_modules/m.js", "1"),
            ("s/empty.py", ""),
        ]);
        assert_eq!(paths, [".gitignore", "a.py", "x/.gitignore"]);
        assert!(skipped.len() == 1 && skipped[0].reason.contains("empty"), "{skipped:?}");
    }

    #[test]
    fn what_unpacks_to_more_than_a_source_file_is_left_out() {
        let (_, paths, skipped) = unpacked(&[("a.py", "1"), ("big.py", &"x\n".repeat(MAX_FILE_BYTES))]);
        assert_eq!((paths, skipped.len()), (vec!["a.py".into()], 1));
        assert!(skipped[0].reason.contains("large"), "{skipped:?}");
    }

    #[test]
    fn no_path_leads_out_of_the_archive() {
        let mut bytes = packed(&[("aaaaa.py", "1"), ("b.py", "1")]);
        let evil = b"../aa.py";
        for at in 0..bytes.len() - evil.len() {
            if bytes[at..].starts_with(b"aaaaa.py") {
                bytes[at..at + evil.len()].copy_from_slice(evil);
            }
        }
        let (_, collected) = unpack("a.zip", &bytes).expect("a zip");
        let paths: Vec<_> = collected.files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["b.py"]);
    }

    #[test]
    fn what_is_no_archive_is_refused_with_a_sentence() {
        let refused = unpack("a.zip", b"not a zip").expect_err("no zip");
        assert!(refused.starts_with("a.zip cannot be unpacked: "), "{refused}");
        assert!(is_archive("A.ZIP") && !is_archive("zip") && !is_archive("a.zip.py"));
    }
}
