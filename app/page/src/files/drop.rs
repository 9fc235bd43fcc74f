//! Files and folders dropped on the page.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{
    DataTransfer, File, FileSystemDirectoryEntry, FileSystemDirectoryReader, FileSystemEntry,
    FileSystemFileEntry,
};

use super::{PickedFile, Selection, holds_patterns, settled, split_root};
use llavacode_api::ignore::Ignored;

/// Whether files are dragged, and not, say, text.
pub fn carries_files(transfer: &DataTransfer) -> bool {
    transfer.types().includes(&JsValue::from_str("Files"), 0)
}

/// What was dropped. To be called while the event is handled: the browser empties it afterwards.
pub fn entries(transfer: &DataTransfer) -> Vec<FileSystemEntry> {
    let items = transfer.items();
    (0..items.length())
        .filter_map(|place| items.get(place))
        .filter_map(|item| item.webkit_get_as_entry().ok().flatten())
        .collect()
}

/// Finds every file below the dropped entries. One dropped folder gives its name to the selection;
/// beside other things it is a folder among them.
///
/// # Errors
/// What the browser threw.
pub async fn walk(entries: Vec<FileSystemEntry>) -> Result<Selection, JsValue> {
    let single = matches!(entries.as_slice(), [only] if only.is_directory());
    let mut selection = Selection::default();
    if single {
        selection.folder = entries.first().map(FileSystemEntry::name);
    }
    let path_of = |entry: &FileSystemEntry| {
        let full = entry.full_path();
        let full = full.trim_start_matches('/');
        let path = if single { split_root(full).map_or("", |(_, rest)| rest) } else { full };
        path.to_owned()
    };
    let mut ignored = Ignored::default();
    let mut waiting = entries;
    while let Some(entry) = waiting.pop() {
        let path = path_of(&entry);
        if entry.is_directory() {
            if !path.is_empty() && ignored.leaves_out(&format!("{path}/")) {
                continue;
            }
            let below = children(entry.unchecked_ref()).await?;
            // What it ignores is known before anything in it is looked at.
            for child in &below {
                if let Some(folder) = holds_patterns(&path_of(child))
                    && let Ok(file) = file_of(child.unchecked_ref()).await
                    && let Some(text) = settled(file.text()).await.ok().and_then(|text| text.as_string())
                {
                    ignored.add(folder, &text);
                }
            }
            waiting.extend(below);
        } else if !ignored.leaves_out(&path) {
            let file = file_of(entry.unchecked_ref()).await?;
            selection.candidates.push(PickedFile { path, file });
        }
    }
    selection.candidates.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(selection)
}

/// A folder's entries; the browser hands them out in batches, an empty one last.
async fn children(folder: &FileSystemDirectoryEntry) -> Result<Vec<FileSystemEntry>, JsValue> {
    let reader: FileSystemDirectoryReader = folder.create_reader();
    let mut all = Vec::new();
    loop {
        let batch = settled(Promise::new(&mut |resolve, reject| {
            if let Err(error) = reader.read_entries_with_callback_and_callback(&resolve, &reject) {
                // Only a page that is being closed cannot call it.
                let _ = reject.call1(&JsValue::UNDEFINED, &error);
            }
        }))
        .await?;
        let batch: Array = batch.unchecked_into();
        if batch.length() == 0 {
            return Ok(all);
        }
        all.extend(batch.iter().map(JsCast::unchecked_into::<FileSystemEntry>));
    }
}

async fn file_of(entry: &FileSystemFileEntry) -> Result<File, JsValue> {
    let file = settled(Promise::new(&mut |resolve, reject| {
        entry.file_with_callback_and_callback(&resolve, &reject);
    }))
    .await?;
    Ok(file.unchecked_into())
}
