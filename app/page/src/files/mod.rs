//! Files from the user's disk: picked, or dropped.

pub mod drop;
pub mod pick;

use llavacode_api::Error;
use llavacode_api::filter::{accept, accept_size, is_ignored};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::state::workspace::Skipped;
use llavacode_browser::describe;
use llavacode_protocol::SourceFile;

/// More files than this are not taken in: the page would be busy for minutes.
pub const MAX_FILES: usize = 5_000;

/// A file that may be taken in. Nothing of it is read yet.
#[derive(Debug, Clone)]
pub struct Candidate {
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
    /// The files in it.
    pub candidates: Vec<Candidate>,
}

/// What became of a selection.
#[derive(Debug, Default)]
pub struct Collected {
    /// Taken in.
    pub files: Vec<SourceFile>,
    /// Left out, with a sentence each.
    pub skipped: Vec<Skipped>,
}

/// Reads what can be used. A file is read only if its size allows it; files in ignored folders are
/// passed over in silence. `progress` is told how many were looked at.
pub async fn read(candidates: Vec<Candidate>, progress: impl Fn(usize)) -> Collected {
    let mut collected = Collected::default();
    let wanted = candidates.into_iter().filter(|candidate| !is_ignored(&candidate.path));
    for (count, candidate) in wanted.enumerate() {
        if collected.files.len() == MAX_FILES {
            let reason = format!(
                "only the first {MAX_FILES} files were taken in, and this and what follows left out. Open a \
                 smaller folder."
            );
            collected.skipped.push(Skipped { path: candidate.path, reason });
            break;
        }
        match read_one(&candidate).await {
            Ok(text) => collected.files.push(SourceFile { path: candidate.path, text }),
            Err(error) => collected.skipped.push(skipped(candidate.path, &error)),
        }
        progress(count + 1);
    }
    collected
}

async fn read_one(candidate: &Candidate) -> Result<String, Error> {
    accept_size(&candidate.path, candidate.file.size() as u64)?;
    let buffer = JsFuture::from(candidate.file.array_buffer())
        .await
        .map_err(|error| Error::Read { file: candidate.path.clone(), reason: describe(&error) })?;
    accept(&candidate.path, &js_sys::Uint8Array::new(&buffer).to_vec())
}

fn skipped(path: String, error: &Error) -> Skipped {
    Skipped { path, reason: error.to_string() }
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
    fn a_folders_name_is_split_from_its_files() {
        assert_eq!(split_root("shop/api/views.py"), Some(("shop", "api/views.py")));
        assert_eq!(split_root("views.py"), None);
    }
}
