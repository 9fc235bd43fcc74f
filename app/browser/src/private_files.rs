//! The origin-private file system, where a page keeps files of any size that nobody else sees. Page and
//! worker both look; only a worker can write in place.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemSyncAccessHandle, StorageManager,
};

use crate::describe;

/// Why the disk does not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no room.
    #[error("the disk is full, or what this browser gives this page of it")]
    Full,
    /// Another tab is writing the file.
    #[error("another tab of this page is writing the file")]
    Busy,
    /// The browser's own words.
    #[error("{0}")]
    Other(String),
}

impl From<JsValue> for Refused {
    fn from(error: JsValue) -> Self {
        match error.dyn_ref::<DomException>().map(DomException::name).as_deref() {
            Some("QuotaExceededError") => Self::Full,
            Some("NoModificationAllowedError") => Self::Busy,
            _ => Self::Other(describe(error)),
        }
    }
}

/// What a promise gives.
pub(crate) async fn settled<T: JsCast>(promise: js_sys::Promise) -> Result<T, JsValue> {
    JsFuture::from(promise).await.map(JsCast::unchecked_into)
}

/// The browser's storage of this page.
pub(crate) fn storage() -> Result<StorageManager, JsValue> {
    // The same in a window and in a worker.
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    Reflect::get(&navigator, &"storage".into())?
        .dyn_into()
        .map_err(|_| JsValue::from_str("this browser keeps no files for a page that is not served safely"))
}

/// Whether a method is there: what is not would throw where nothing catches it.
fn has(object: &JsValue, method: &str) -> Result<(), JsValue> {
    match Reflect::has(object, &method.into())? {
        true => Ok(()),
        false => Err(JsValue::from_str("this browser keeps no files for a page, or not in this way")),
    }
}

/// A folder of files.
#[derive(Debug, Clone)]
pub struct Folder(FileSystemDirectoryHandle);

impl Folder {
    /// Opens the folder of this name, making it if it is not there.
    ///
    /// # Errors
    /// [`Refused`]: the browser keeps no files here.
    pub async fn open(name: &str) -> Result<Self, Refused> {
        let storage = storage()?;
        has(&storage, "getDirectory")?;
        let root: FileSystemDirectoryHandle = settled(storage.get_directory()).await?;
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        Ok(Self(settled(root.get_directory_handle_with_options(name, &options)).await?))
    }

    /// The names of its files.
    ///
    /// # Errors
    /// [`Refused`]
    pub async fn names(&self) -> Result<Vec<String>, Refused> {
        let (keys, mut names) = (self.0.keys(), Vec::new());
        loop {
            let step: JsValue = settled(keys.next()?).await?;
            if Reflect::get(&step, &"done".into())?.is_truthy() {
                return Ok(names);
            }
            names.extend(Reflect::get(&step, &"value".into())?.as_string());
        }
    }

    /// A file as it is now; once it is changed, what this gave can no longer be read.
    pub async fn file(&self, name: &str) -> Option<File> {
        let handle: FileSystemFileHandle = settled(self.0.get_file_handle(name)).await.ok()?;
        settled(handle.get_file()).await.ok()
    }

    /// Opens a file for writing in place, making it if it is not there.
    ///
    /// # Errors
    /// [`Refused`], as where another tab has it open.
    pub async fn open_file(&self, name: &str) -> Result<OpenFile, Refused> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let handle: FileSystemFileHandle =
            settled(self.0.get_file_handle_with_options(name, &options)).await?;
        has(&handle, "createSyncAccessHandle")?;
        Ok(OpenFile(settled(handle.create_sync_access_handle()).await?))
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// [`Refused`], as where a tab has it open.
    pub async fn remove(&self, name: &str) -> Result<(), Refused> {
        match JsFuture::from(self.0.remove_entry(name)).await {
            Err(error) if !is_missing(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn is_missing(error: &JsValue) -> bool {
    error.dyn_ref::<DomException>().is_some_and(|error| error.name() == "NotFoundError")
}

/// A file that is open for writing. No other tab can open or remove it.
#[derive(Debug)]
pub struct OpenFile(FileSystemSyncAccessHandle);

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[allow(clippy::len_without_is_empty, reason = "an empty file is nothing special")]
impl OpenFile {
    /// Its bytes.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn len(&self) -> Result<u64, Refused> {
        Ok(self.0.get_size()? as u64)
    }

    /// `length` bytes from a place on; as many as there are, if it is shorter.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn read(&self, place: u64, length: u64) -> Result<Vec<u8>, Refused> {
        let array = Uint8Array::new_with_length(u32::try_from(length).unwrap_or(u32::MAX));
        let read = self.0.read_with_js_u8_array_and_options(&array, &at(place))?;
        Ok(array.slice(0, read as u32).to_vec())
    }

    /// Puts bytes at a place.
    ///
    /// # Errors
    /// [`Refused`]; any number of them may be there then.
    pub fn write(&self, place: u64, bytes: &[u8]) -> Result<(), Refused> {
        // A copy on the JavaScript side: a view of memory that threads share would be refused.
        let written = self.0.write_with_js_u8_array_and_options(&Uint8Array::from(bytes), &at(place))?;
        if written as usize == bytes.len() { Ok(()) } else { Err(Refused::Full) }
    }

    /// Cuts it to this length.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn truncate(&self, length: u64) -> Result<(), Refused> {
        Ok(self.0.truncate_with_f64(length as f64)?)
    }

    /// Sees to it that what was written is on the disk.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn flush(&self) -> Result<(), Refused> {
        Ok(self.0.flush()?)
    }
}

fn at(place: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(place as f64);
    options
}
