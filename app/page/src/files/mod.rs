//! Files from the user's disk and back: picked or dropped, read, saved, downloaded.

pub mod archive;
pub mod disk;
pub mod download;
pub mod drop;
pub mod pick;

use llavacode_api::Error;
use llavacode_api::filter::{accept, accept_size};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::state::file::File;
use crate::state::workspace::Skipped;
use disk::Folder;
use llavacode_api::ignore::{GITIGNORE, Ignored};
use llavacode_browser::describe;

/// More files than this are not taken in: the page would be busy for minutes.
pub const MAX_FILES: usize = 5_000;

/// A file that may be taken in. Nothing of it is read yet.
#[derive(Debug, Clone)]
pub struct PickedFile {
    /// Its path in the folder it was chosen from.
    pub path: String,
    /// The browser's handle.
    pub file: web_sys::File,
}

/// What was chosen at once.
#[derive(Debug, Default)]
pub struct Selection {
    /// The folder's name, if one folder was chosen.
    pub folder: Option<String>,
    /// The folder, if it can be written to.
    pub writable: Option<Folder>,
    /// The files in it.
    pub candidates: Vec<PickedFile>,
}

impl Selection {
    /// The file, if one archive was chosen and nothing else.
    pub fn archive(&self) -> Option<&PickedFile> {
        match self.candidates.as_slice() {
            [only] if self.folder.is_none() && archive::is_archive(&only.path) => Some(only),
            _ => None,
        }
    }
}

/// What became of a selection.
#[derive(Debug, Default)]
pub struct Collected {
    /// Taken in, by path.
    pub files: Vec<(String, File)>,
    /// Left out, with a sentence each.
    pub skipped: Vec<Skipped>,
}

/// Reads what can be used. A file is read only if its size allows it; what a folder ignores is passed
/// over in silence. `progress` is told how many were looked at.
pub async fn read(candidates: Vec<PickedFile>, progress: impl Fn(usize)) -> Collected {
    let mut collected = Collected::default();
    let ignored = ignored(&candidates).await;
    let wanted = candidates.into_iter().filter(|candidate| !ignored.leaves_out(&candidate.path));
    for (count, candidate) in wanted.enumerate() {
        if collected.files.len() == MAX_FILES {
            collected.skipped.push(too_many(candidate.path));
            break;
        }
        match read_one(&candidate).await {
            Ok(file) => collected.files.push((candidate.path, file)),
            Err(error) => collected.skipped.push(skipped(candidate.path, &error)),
        }
        progress(count + 1);
    }
    collected
}

/// Reads an archive as [`read`] reads a folder, and names the project in it.
///
/// # Errors
/// A sentence, if it is too large or no archive.
pub async fn read_archive(candidate: &PickedFile) -> Result<(String, Collected), String> {
    let name = &candidate.path;
    if candidate.file.size() > archive::MAX_ARCHIVE_BYTES as f64 {
        let most = archive::MAX_ARCHIVE_BYTES >> 20;
        return Err(format!("{name} is larger than {most} MiB. Unpack it, and open the folder."));
    }
    let bytes = bytes(candidate).await.map_err(|error| error.to_string())?;
    archive::unpack(name, &bytes)
}

/// The `.gitignore` files among what was chosen. Files that were picked one by one are wanted, whatever
/// such a file beside them says.
async fn ignored(candidates: &[PickedFile]) -> Ignored {
    let mut ignored = Ignored::default();
    if !candidates.iter().any(|candidate| candidate.path.contains('/')) {
        return ignored;
    }
    for candidate in candidates {
        if let Some(folder) = holds_patterns(&candidate.path)
            && let Ok(bytes) = bytes(candidate).await
        {
            ignored.add(folder, &String::from_utf8_lossy(&bytes));
        }
    }
    ignored
}

/// The folder, empty or with `/` at its end, of which a file is the `.gitignore`.
fn holds_patterns(path: &str) -> Option<&str> {
    path.strip_suffix(GITIGNORE).filter(|folder| folder.is_empty() || folder.ends_with('/'))
}

async fn read_one(candidate: &PickedFile) -> Result<File, Error> {
    accept_size(&candidate.path, candidate.file.size() as u64)?;
    judge(&candidate.path, &bytes(candidate).await?)
}

async fn bytes(candidate: &PickedFile) -> Result<Vec<u8>, Error> {
    let buffer = JsFuture::from(candidate.file.array_buffer())
        .await
        .map_err(|error| Error::Read { file: candidate.path.clone(), reason: describe(&error) })?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// A file, if its bytes are source text.
///
/// # Errors
/// If they are not.
pub fn judge(path: &str, bytes: &[u8]) -> Result<File, Error> {
    // Its text is taken as it is written: how, the file remembers.
    accept(path, bytes)?;
    Ok(File::saved(&String::from_utf8_lossy(bytes)))
}

fn skipped(path: String, error: &Error) -> Skipped {
    Skipped { path, reason: error.to_string() }
}

fn too_many(path: String) -> Skipped {
    let reason = format!(
        "only the first {MAX_FILES} files were taken in, and this and what follows left out. Open a smaller \
         folder."
    );
    Skipped { path, reason }
}

/// The first folder of a path and the rest, as `webkitRelativePath` gives them.
fn split_root(path: &str) -> Option<(&str, &str)> {
    path.split_once('/').filter(|(root, rest)| !root.is_empty() && !rest.is_empty())
}

/// A promise's value.
async fn settled(promise: js_sys::Promise) -> Result<JsValue, JsValue> {
    JsFuture::from(promise).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_as_text_and_remembers_how_it_is_written() {
        let file = judge("a.py", "\u{feff}a\r\nb\r\n".as_bytes()).expect("text");
        assert_eq!((file.text.as_str(), file.form.byte_order_mark, file.form.crlf), ("a\nb\n", true, true));
        assert!(judge("a.py", b"\0").is_err());
    }

    #[test]
    fn patterns_stand_in_files_of_one_name() {
        assert_eq!(holds_patterns(".gitignore"), Some(""));
        assert_eq!(holds_patterns("a/.gitignore"), Some("a/"));
        assert_eq!(holds_patterns("a/x.gitignore"), None);
    }

    #[test]
    fn a_folders_name_is_split_from_its_files() {
        assert_eq!(split_root("shop/api/views.py"), Some(("shop", "api/views.py")));
        assert_eq!(split_root("views.py"), None);
    }
}
