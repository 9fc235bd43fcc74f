//! The workspace, kept in the browser (IndexedDB) so that a reload loses neither files nor edits.

use std::collections::BTreeSet;

use gloo::storage::{LocalStorage, Storage};
use idb::{Database, DatabaseEvent, Factory, ObjectStoreParams, Transaction, TransactionMode};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use crate::state::workspace::{Tabs, Workspace};
use llavacode_browser::committed;
use llavacode_protocol::SourceFile;

const DATABASE: &str = "llavacode-page";
/// Text by path.
const FILES: &str = "files";
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
    /// Paths the user changed.
    pub edited: BTreeSet<String>,
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
            is_demo: workspace.is_demo,
            edited: workspace.edited.clone(),
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
    let mut request = Factory::new()?.open(DATABASE, Some(1))?;
    request.on_upgrade_needed(|event| {
        let made = event.database().and_then(|db| db.create_object_store(FILES, ObjectStoreParams::new()));
        if let Err(error) = made {
            log::error!("the store of files could not be made: {error}");
        }
    });
    request.await
}

/// Puts these files in the place of all that are kept.
///
/// # Errors
/// What the storage said.
pub async fn replace_files(files: &[SourceFile]) -> Result<(), String> {
    write(files, true).await
}

/// Keeps the newest text of some files.
///
/// # Errors
/// What the storage said.
pub async fn put_files(files: &[SourceFile]) -> Result<(), String> {
    write(files, false).await
}

async fn write(files: &[SourceFile], clear: bool) -> Result<(), String> {
    let (database, transaction) = begin_to_write(files, clear).await.map_err(|error| error.to_string())?;
    let ended = transaction.await;
    database.close();
    committed(ended)
}

async fn begin_to_write(files: &[SourceFile], clear: bool) -> Result<(Database, Transaction), idb::Error> {
    let database = open().await?;
    let transaction = database.transaction(&[FILES], TransactionMode::ReadWrite)?;
    let store = transaction.object_store(FILES)?;
    if clear {
        store.clear()?;
    }
    for file in files {
        store.put(&file.text.as_str().into(), Some(&file.path.as_str().into()))?;
    }
    Ok((database, transaction))
}

/// The files that are kept.
///
/// # Errors
/// What the storage said.
pub async fn load_files() -> Result<Vec<SourceFile>, idb::Error> {
    let database = open().await?;
    let transaction = database.transaction(&[FILES], TransactionMode::ReadOnly)?;
    let store = transaction.object_store(FILES)?;
    let paths = store.get_all_keys(None, None)?.await?;
    let texts = store.get_all(None, None)?.await?;
    transaction.await?;
    database.close();
    let strings = |value: JsValue| value.as_string();
    let pairs = paths.into_iter().map(strings).zip(texts.into_iter().map(strings));
    Ok(pairs.filter_map(|(path, text)| Some(SourceFile { path: path?, text: text? })).collect())
}
