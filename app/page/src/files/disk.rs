//! A folder that the user opened: its files read again, written and removed.
//!
//! Asking for permission is what web-sys keeps unstable, and a stream's end belongs to a type that
//! nothing else here needs; both are bound below.

use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions,
};

use super::settled;
use llavacode_browser::describe;

#[wasm_bindgen]
extern "C" {
    /// A handle that is asked for permission.
    #[wasm_bindgen(js_name = FileSystemHandle)]
    type Guarded;

    #[wasm_bindgen(method, catch, js_name = queryPermission)]
    async fn query_permission(this: &Guarded, wish: &Object) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = requestPermission)]
    async fn request_permission(this: &Guarded, wish: &Object) -> Result<JsValue, JsValue>;

    /// What a file is written through. The file changes when it is closed, all at once.
    #[wasm_bindgen(js_name = FileSystemWritableFileStream)]
    type Writable;

    #[wasm_bindgen(method, catch)]
    async fn write(this: &Writable, bytes: &Uint8Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn close(this: &Writable) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn abort(this: &Writable) -> Result<JsValue, JsValue>;
}

/// Why the disk refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The exception's name, such as `NotFoundError`.
    pub name: String,
    /// What it says of itself.
    pub message: String,
}

impl From<JsValue> for Refusal {
    fn from(error: JsValue) -> Self {
        let name = Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string());
        Self { name: name.unwrap_or_default(), message: describe(&error) }
    }
}

impl Refusal {
    /// The user, or the browser in their place, said no.
    fn not_allowed() -> Self {
        Self { name: "NotAllowedError".into(), message: "writing is not allowed".into() }
    }

    fn is_not_found(&self) -> bool {
        self.name == "NotFoundError"
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder {
    handle: FileSystemDirectoryHandle,
}

impl From<FileSystemDirectoryHandle> for Folder {
    fn from(handle: FileSystemDirectoryHandle) -> Self {
        Self { handle }
    }
}

impl Folder {
    /// What the browser keeps of it.
    pub fn handle(&self) -> &FileSystemDirectoryHandle {
        &self.handle
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.handle.name()
    }

    /// Makes sure that the page may write into it. The browser asks the user where it must, which it
    /// does only right after a key or a click.
    ///
    /// # Errors
    /// If it may not.
    pub async fn ask(&self) -> Result<(), Refusal> {
        let wish = Object::new();
        Reflect::set(&wish, &"mode".into(), &"readwrite".into())?;
        let guarded: &Guarded = self.handle.unchecked_ref();
        let granted = |answer: JsValue| answer.as_string().as_deref() == Some("granted");
        if granted(guarded.query_permission(&wish).await?) {
            return Ok(());
        }
        if granted(guarded.request_permission(&wish).await?) { Ok(()) } else { Err(Refusal::not_allowed()) }
    }

    /// A file's bytes; `None` where there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let read = async {
            let (folder, name) = self.parent(path, false).await?;
            let file: FileSystemFileHandle = settled(folder.get_file_handle(name)).await?.unchecked_into();
            let file: File = settled(file.get_file()).await?.unchecked_into();
            Ok(Uint8Array::new(&settled(file.array_buffer()).await?).to_vec())
        };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(refusal) if Refusal::is_not_found(&refusal) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Writes a file, in folders that are made where they are missing. What stood there stays as it is
    /// unless all of it was written.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let (folder, name) = self.parent(path, true).await?;
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file = settled(folder.get_file_handle_with_options(name, &options)).await?;
        let file: FileSystemFileHandle = file.unchecked_into();
        let stream: Writable = settled(file.create_writable()).await?.unchecked_into();
        let written = match stream.write(&Uint8Array::from(bytes)).await {
            Ok(_) => stream.close().await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            // It may have ended by itself.
            let _ = stream.abort().await;
            return Err(error.into());
        }
        Ok(())
    }

    /// Removes a file, and the folders that are empty then.
    ///
    /// # Errors
    /// If it is there and cannot be removed.
    pub async fn remove(&self, path: &str) -> Result<(), Refusal> {
        let remove = async {
            let (folder, name) = self.parent(path, false).await?;
            settled(folder.remove_entry(name)).await?;
            Ok(())
        };
        match remove.await {
            Err(refusal) if !Refusal::is_not_found(&refusal) => return Err(refusal),
            _ => {}
        }
        for (end, _) in path.match_indices('/').collect::<Vec<_>>().into_iter().rev() {
            let Ok((folder, name)) = self.parent(&path[..end], false).await else { break };
            // One that still holds something stays.
            if settled(folder.remove_entry(name)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The folder in which a path's last part lies, and that part.
    async fn parent<'a>(
        &self,
        path: &'a str,
        create: bool,
    ) -> Result<(FileSystemDirectoryHandle, &'a str), Refusal> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(create);
        let mut folder = self.handle.clone();
        for below in folders.split('/').filter(|below| !below.is_empty()) {
            let found = settled(folder.get_directory_handle_with_options(below, &options)).await?;
            folder = found.unchecked_into();
        }
        Ok((folder, name))
    }
}
