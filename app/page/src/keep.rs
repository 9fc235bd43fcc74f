//! The workspace, kept in the browser (IndexedDB) so that a reload loses neither files nor edits, and
//! the folder that it is saved in.

use std::collections::BTreeSet;

use gloo::storage::{LocalStorage, Storage};
use idb::{Database, DatabaseEvent, Factory, ObjectStore, ObjectStoreParams, Query, TransactionMode};
use serde::{Deserialize, Serialize};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::FileSystemDirectoryHandle;

use crate::state::file::File;
use crate::state::workspace::{Home, Tabs, Workspace};
use llavacode_browser::committed;

const DATABASE: &str = "llavacode-page";
/// Version 1 had no [`FOLDER`], and of a file its text alone.
const VERSION: u32 = 2;
/// A [`File`] by its path.
const FILES: &str = "files";
/// The opened folder's handle, under [`OPENED`].
const FOLDER: &str = "folder";
const OPENED: &str = "opened";
/// Key of [`View`] in local storage.
const VIEW: &str = "llavacode.view";

/// What is kept beside the files: small, written often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// The workspace's name.
    pub workspace: String,
    /// Whether it is the demo.
    pub is_demo: bool,
    /// Whether it is a folder that the page may write to.
    pub in_folder: bool,
    /// Paths the user changed or made.
    pub edited: BTreeSet<String>,
    /// Paths of the demo that the user took out.
    pub removed: BTreeSet<String>,
    /// Open files.
    pub open: Vec<String>,
    /// The one shown.
    pub active: Option<String>,
    /// Line and column of the cursor in it.
    pub cursor: (usize, usize),
}

impl View {
    /// What is to be kept of a workspace.
    pub fn of(workspace: &Workspace, tabs: &Tabs, cursor: (usize, usize)) -> Self {
        Self {
            workspace: workspace.name.clone(),
            is_demo: workspace.is_demo(),
            in_folder: workspace.home == Home::Folder,
            edited: workspace.edited.clone(),
            removed: workspace.removed.clone(),
            open: tabs.open.clone(),
            active: tabs.active.clone(),
            cursor,
        }
    }

    /// The one kept.
    pub fn load() -> Option<Self> {
        LocalStorage::get(VIEW).ok()
    }

    /// Keeps it. A refusal costs the place of the cursor at most.
    pub fn keep(&self) {
        if let Err(error) = LocalStorage::set(VIEW, self) {
            log::warn!("the view is not kept: {error}");
        }
    }
}

async fn open() -> Result<Database, idb::Error> {
    let mut request = Factory::new()?.open(DATABASE, Some(VERSION))?;
    request.on_upgrade_needed(|event| {
        let make = || -> Result<(), idb::Error> {
            let database = event.database()?;
            let there = database.store_names();
            for name in [FILES, FOLDER].into_iter().filter(|name| !there.iter().any(|known| known == name)) {
                database.create_object_store(name, ObjectStoreParams::new())?;
            }
            Ok(())
        };
        if let Err(error) = make() {
            log::error!("the stores of files could not be made: {error}");
        }
    });
    request.await
}

/// Puts these files in the place of all that are kept.
///
/// # Errors
/// What the storage said.
pub async fn replace_files(files: &[(String, File)]) -> Result<(), String> {
    put_all(files, true).await
}

/// Keeps the newest state of some files.
///
/// # Errors
/// What the storage said.
pub async fn put_files(files: &[(String, File)]) -> Result<(), String> {
    put_all(files, false).await
}

async fn put_all(files: &[(String, File)], clear: bool) -> Result<(), String> {
    let values = files.iter().map(|(path, file)| Ok((path, file.serialize(&Serializer::json_compatible())?)));
    let values: Vec<_> =
        values.collect::<Result<_, serde_wasm_bindgen::Error>>().map_err(|e| e.to_string())?;
    write(FILES, |store| {
        if clear {
            store.clear()?;
        }
        for (path, value) in &values {
            store.put(value, Some(&path.as_str().into()))?;
        }
        Ok(())
    })
    .await
}

/// Keeps the handle of the opened folder, or that none is open.
///
/// # Errors
/// What the storage said.
pub async fn put_folder(folder: Option<&FileSystemDirectoryHandle>) -> Result<(), String> {
    write(FOLDER, |store| {
        match folder {
            Some(folder) => drop(store.put(folder, Some(&OPENED.into()))?),
            None => drop(store.clear()?),
        }
        Ok(())
    })
    .await
}

/// Writes into a store, all of it or nothing.
async fn write(name: &str, fill: impl FnOnce(&ObjectStore) -> Result<(), idb::Error>) -> Result<(), String> {
    let begin = async {
        let database = open().await?;
        let transaction = database.transaction(&[name], TransactionMode::ReadWrite)?;
        fill(&transaction.object_store(name)?)?;
        Ok((database, transaction))
    };
    let (database, transaction) = begin.await.map_err(|error: idb::Error| error.to_string())?;
    let ended = transaction.await;
    database.close();
    committed(ended)
}

/// The files that are kept.
///
/// # Errors
/// What the storage said.
pub async fn load_files() -> Result<Vec<(String, File)>, idb::Error> {
    let database = open().await?;
    let transaction = database.transaction(&[FILES], TransactionMode::ReadOnly)?;
    let store = transaction.object_store(FILES)?;
    let paths = store.get_all_keys(None, None)?.await?;
    let values = store.get_all(None, None)?.await?;
    transaction.await?;
    database.close();
    let pairs = paths.into_iter().zip(values);
    Ok(pairs.filter_map(|(path, value)| Some((path.as_string()?, kept_file(value)?))).collect())
}

/// A file as it is kept; version 1 kept its text.
fn kept_file(value: JsValue) -> Option<File> {
    match value.as_string() {
        Some(text) => Some(File::saved(&text)),
        None => serde_wasm_bindgen::from_value(value)
            .inspect_err(|error| log::warn!("a file that is kept cannot be read: {error}"))
            .ok(),
    }
}

/// The folder that was open, if its handle is still kept.
///
/// # Errors
/// What the storage said.
pub async fn load_folder() -> Result<Option<FileSystemDirectoryHandle>, idb::Error> {
    let database = open().await?;
    let transaction = database.transaction(&[FOLDER], TransactionMode::ReadOnly)?;
    let kept = transaction.object_store(FOLDER)?.get(Query::Key(OPENED.into()))?.await?;
    transaction.await?;
    database.close();
    Ok(kept.and_then(|handle| handle.dyn_into().ok()))
}
