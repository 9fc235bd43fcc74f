//! The browser's side: what is there, and one file to be written. Page and worker both look; only a
//! worker can write in place.

use js_sys::{Reflect, Uint8Array};
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemSyncAccessHandle, StorageEstimate,
    StorageManager,
};

use super::{
    KeptFile, Record, file_name,
    transfer::{Place, Refused},
};
use crate::describe;

const FOLDER: &str = "models";

/// What this browser keeps for this page, and what more it would.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes kept, of whatever kind.
    pub used: u64,
    /// Bytes that may be kept altogether; 0 where the browser does not say.
    pub quota: u64,
}

/// Why there is no store.
pub type Reason = String;

fn storage() -> Result<StorageManager, JsValue> {
    // The same in a window and in a worker.
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    Reflect::get(&navigator, &"storage".into())?
        .dyn_into()
        .map_err(|_| JsValue::from_str("this browser keeps no files for a page that is not served safely"))
}

async fn settled<T: JsCast>(promise: js_sys::Promise) -> Result<T, JsValue> {
    JsFuture::from(promise).await.map(JsCast::unchecked_into)
}

async fn folder() -> Result<FileSystemDirectoryHandle, JsValue> {
    let root: FileSystemDirectoryHandle = settled(storage()?.get_directory()).await?;
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    settled(root.get_directory_handle_with_options(FOLDER, &options)).await
}

/// Whether files can be kept here at all.
pub async fn is_there() -> bool {
    folder().await.is_ok()
}

/// How full it is.
pub async fn room() -> Room {
    let estimate = async { settled::<StorageEstimate>(storage()?.estimate()?).await };
    match estimate.await {
        Ok(estimate) => Room {
            used: estimate.get_usage().unwrap_or(0.0) as u64,
            quota: estimate.get_quota().unwrap_or(0.0) as u64,
        },
        Err(_) => Room::default(),
    }
}

/// Asks the browser not to clear what is kept when its disk is full. It may refuse.
pub async fn ask_to_persist() {
    if let Ok(promise) = storage().and_then(|storage| storage.persist()) {
        // A refusal changes nothing that can be helped here.
        let _ = JsFuture::from(promise).await;
    }
}

/// Everything that is kept, whole or not.
///
/// # Errors
/// What the browser said: it keeps no files here.
pub async fn list() -> Result<Vec<KeptFile>, Reason> {
    list_in().await.map_err(|error| describe(&error))
}

async fn list_in() -> Result<Vec<KeptFile>, JsValue> {
    let folder = folder().await?;
    let mut kept = Vec::new();
    for name in names(&folder).await? {
        let Some(name) = name.strip_suffix(".json") else { continue };
        let Some(record) = read_json::<Record>(&folder, &format!("{name}.json")).await else { continue };
        let bytes = match file(&folder, name).await {
            Some(file) => file.size() as u64,
            None => 0,
        };
        let whole = file(&folder, &format!("{name}.whole")).await.is_some();
        kept.push(KeptFile { record, bytes, whole });
    }
    kept.sort_by(|a, b| a.record.url.cmp(&b.record.url));
    Ok(kept)
}

async fn names(folder: &FileSystemDirectoryHandle) -> Result<Vec<String>, JsValue> {
    let (keys, mut names) = (folder.keys(), Vec::new());
    loop {
        let step: JsValue = settled(keys.next()?).await?;
        if Reflect::get(&step, &"done".into())?.is_truthy() {
            return Ok(names);
        }
        names.extend(Reflect::get(&step, &"value".into())?.as_string());
    }
}

async fn file(folder: &FileSystemDirectoryHandle, name: &str) -> Option<File> {
    let handle: FileSystemFileHandle = settled(folder.get_file_handle(name)).await.ok()?;
    settled(handle.get_file()).await.ok()
}

async fn read_json<T: DeserializeOwned>(folder: &FileSystemDirectoryHandle, name: &str) -> Option<T> {
    let text: JsValue = settled(file(folder, name).await?.text()).await.ok()?;
    serde_json::from_str(&text.as_string()?).ok()
}

/// The file of this address, if it is there and whole.
pub async fn whole_file(url: &str) -> Option<File> {
    let folder = folder().await.ok()?;
    let name = file_name(url);
    file(&folder, &format!("{name}.whole")).await?;
    file(&folder, &name).await
}

/// Deletes what is kept of an address.
///
/// # Errors
/// What the browser said, e.g. that another tab is fetching it.
pub async fn remove(url: &str) -> Result<(), Reason> {
    let name = file_name(url);
    let removed = async {
        let folder = folder().await?;
        // What marks it as whole goes first: half a file is never taken for one.
        for name in [format!("{name}.whole"), name.clone(), format!("{name}.json")] {
            match JsFuture::from(folder.remove_entry(&name)).await {
                Ok(_) => {}
                Err(error) if named(&error, "NotFoundError") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    removed.await.map_err(|error: JsValue| match named(&error, "NoModificationAllowedError") {
        true => "it is in use by another tab of this page: close that first".to_owned(),
        false => describe(&error),
    })
}

fn named(error: &JsValue, name: &str) -> bool {
    error.dyn_ref::<DomException>().is_some_and(|error| error.name() == name)
}

/// A file that is being written. While it is open no other tab can open it.
pub struct OpenFile {
    folder: FileSystemDirectoryHandle,
    name: String,
    handle: FileSystemSyncAccessHandle,
}

impl OpenFile {
    /// Opens the file of an address, making it if it is not there.
    ///
    /// # Errors
    /// [`Refused`]: there is no room, the browser keeps no files, or another tab is writing this one.
    pub async fn open(url: &str) -> Result<Self, Refused> {
        let name = file_name(url);
        let open = async {
            let folder = folder().await?;
            let handle = open_for_writing(&folder, &name).await?;
            Ok(Self { folder, name, handle })
        };
        open.await.map_err(|error: JsValue| match named(&error, "NoModificationAllowedError") {
            true => Refused::Busy,
            false => refused(error),
        })
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.handle.close();
    }
}

async fn open_for_writing(
    folder: &FileSystemDirectoryHandle,
    name: &str,
) -> Result<FileSystemSyncAccessHandle, JsValue> {
    let options = FileSystemGetFileOptions::new();
    options.set_create(true);
    let handle: FileSystemFileHandle = settled(folder.get_file_handle_with_options(name, &options)).await?;
    settled(handle.create_sync_access_handle()).await
}

async fn write_small(folder: &FileSystemDirectoryHandle, name: &str, bytes: &[u8]) -> Result<(), JsValue> {
    let handle = open_for_writing(folder, name).await?;
    let write = || {
        handle.truncate_with_u32(0)?;
        handle.write_with_u8_array(bytes)?;
        handle.flush()
    };
    let written = write();
    handle.close();
    written
}

fn refused(error: JsValue) -> Refused {
    match named(&error, "QuotaExceededError") {
        true => Refused::Full,
        false => Refused::Other(describe(&error)),
    }
}

fn at(place: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(place as f64);
    options
}

impl Place for OpenFile {
    async fn record(&self) -> Option<Record> {
        read_json(&self.folder, &format!("{}.json", self.name)).await
    }

    async fn set_record(&mut self, record: &Record) -> Result<(), Refused> {
        let bytes = serde_json::to_vec(record).map_err(|error| Refused::Other(error.to_string()))?;
        write_small(&self.folder, &format!("{}.json", self.name), &bytes).await.map_err(refused)
    }

    async fn set_whole(&mut self) -> Result<(), Refused> {
        write_small(&self.folder, &format!("{}.whole", self.name), &[]).await.map_err(refused)
    }

    fn len(&self) -> Result<u64, Refused> {
        self.handle.get_size().map(|size| size as u64).map_err(refused)
    }

    fn write(&mut self, place: u64, bytes: &[u8]) -> Result<(), Refused> {
        // A copy on the JavaScript side: a view of memory that threads share would be refused.
        let written = self
            .handle
            .write_with_js_u8_array_and_options(&Uint8Array::from(bytes), &at(place))
            .map_err(refused)?;
        match written as usize == bytes.len() {
            true => Ok(()),
            false => Err(Refused::Full),
        }
    }

    fn read(&self, place: u64, length: u64) -> Result<Vec<u8>, Refused> {
        let array = Uint8Array::new_with_length(u32::try_from(length).unwrap_or(u32::MAX));
        let read = self.handle.read_with_js_u8_array_and_options(&array, &at(place)).map_err(refused)?;
        Ok(array.slice(0, read as u32).to_vec())
    }

    async fn clear(&mut self) -> Result<(), Refused> {
        for name in [format!("{}.whole", self.name), format!("{}.json", self.name)] {
            match JsFuture::from(self.folder.remove_entry(&name)).await {
                Err(error) if !named(&error, "NotFoundError") => return Err(refused(error)),
                _ => {}
            }
        }
        self.handle.truncate_with_u32(0).map_err(refused)
    }

    fn flush(&mut self) -> Result<(), Refused> {
        self.handle.flush().map_err(refused)
    }

    async fn free(&self) -> Option<u64> {
        let room = room().await;
        (room.quota > 0).then(|| room.quota.saturating_sub(room.used))
    }
}
