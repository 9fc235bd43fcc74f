//! Files and folders from the browser's choosers.

use js_sys::{Function, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{File, FileList, FileSystemDirectoryHandle, FileSystemFileHandle, HtmlInputElement};

use super::{PickedFile, Selection, settled, split_root};
use llavacode_api::ignore::{GITIGNORE, Ignored};

/// The files of an `<input type="file">`, whose choice is then forgotten, so that choosing the same
/// files again is noticed.
pub fn from_input(input: &HtmlInputElement) -> Selection {
    let selection = input.files().map(|list| from_list(&list)).unwrap_or_default();
    input.set_value("");
    selection
}

/// With `webkitdirectory` each file has its path below the chosen folder; else it has its name.
fn from_list(list: &FileList) -> Selection {
    let mut selection = Selection::default();
    for file in (0..list.length()).filter_map(|place| list.get(place)) {
        let relative = relative_path(&file);
        let path = match split_root(&relative) {
            Some((root, rest)) => {
                selection.folder = Some(root.to_owned());
                rest.to_owned()
            }
            None => file.name(),
        };
        selection.candidates.push(PickedFile { path, file });
    }
    selection
}

fn relative_path(file: &File) -> String {
    Reflect::get(file, &"webkitRelativePath".into())
        .ok()
        .and_then(|path| path.as_string())
        .unwrap_or_default()
}

/// Whether the browser has a chooser that opens folders without reading all of them.
pub fn has_directory_picker() -> bool {
    directory_picker().is_some()
}

fn directory_picker() -> Option<Function> {
    Reflect::get(&js_sys::global(), &"showDirectoryPicker".into()).ok()?.dyn_into().ok()
}

/// Lets the user choose a folder. `None` if they changed their mind.
///
/// # Errors
/// What the browser threw.
pub async fn directory() -> Result<Option<Selection>, JsValue> {
    let Some(picker) = directory_picker() else { return Ok(None) };
    let chosen = match picker.call0(&js_sys::global())?.dyn_into() {
        Ok(promise) => settled(promise).await,
        Err(other) => Err(other),
    };
    let handle: FileSystemDirectoryHandle = match chosen {
        Ok(handle) => handle.unchecked_into(),
        Err(error) if is_abort(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut selection = Selection {
        folder: Some(handle.name()),
        writable: Some(handle.clone().into()),
        candidates: Vec::new(),
    };
    let mut ignored = Ignored::default();
    let mut folders = vec![(String::new(), handle)];
    while let Some((prefix, folder)) = folders.pop() {
        // A folder may be left out by what stands above it, which is read by now.
        if ignored.leaves_out(&prefix) {
            continue;
        }
        if let Some(patterns) = patterns(&folder).await {
            ignored.add(&prefix, &patterns);
        }
        let entries = folder.values();
        loop {
            let step = settled(entries.next()?).await?;
            if Reflect::get(&step, &"done".into())?.is_truthy() {
                break;
            }
            let entry: web_sys::FileSystemHandle = Reflect::get(&step, &"value".into())?.unchecked_into();
            let path = format!("{prefix}{}", entry.name());
            match entry.dyn_into::<FileSystemDirectoryHandle>() {
                Ok(below) => folders.push((format!("{path}/"), below)),
                Err(_) if ignored.leaves_out(&path) => {}
                Err(entry) => {
                    let file: FileSystemFileHandle = entry.unchecked_into();
                    let file: File = settled(file.get_file()).await?.unchecked_into();
                    selection.candidates.push(PickedFile { path, file });
                }
            }
        }
    }
    selection.candidates.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(selection))
}

/// What a folder's `.gitignore` says, if it has one that can be read.
async fn patterns(folder: &FileSystemDirectoryHandle) -> Option<String> {
    let file: FileSystemFileHandle = settled(folder.get_file_handle(GITIGNORE)).await.ok()?.unchecked_into();
    let file: File = settled(file.get_file()).await.ok()?.unchecked_into();
    settled(file.text()).await.ok()?.as_string()
}

fn is_abort(error: &JsValue) -> bool {
    error.dyn_ref::<web_sys::DomException>().is_some_and(|error| error.name() == "AbortError")
}
