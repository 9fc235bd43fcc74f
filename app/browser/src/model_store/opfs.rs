//! The browser's side: what is there, and one file to be written.

use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, StorageEstimate};

use super::{
    KeptFile, Record, file_name,
    transfer::{Place, Refused},
};
use crate::private_files::{self, Folder, settled, storage};

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

async fn folder() -> Result<Folder, Refused> {
    Folder::open(FOLDER).await
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
    list_in().await.map_err(|refused| refused.to_string())
}

async fn list_in() -> Result<Vec<KeptFile>, Refused> {
    let folder = folder().await?;
    let mut kept = Vec::new();
    for name in folder.names().await? {
        let Some(name) = name.strip_suffix(".json") else { continue };
        let Some(record) = read_json::<Record>(&folder, &format!("{name}.json")).await else { continue };
        let bytes = match folder.file(name).await {
            Some(file) => file.size() as u64,
            None => 0,
        };
        let whole = folder.file(&format!("{name}.whole")).await.is_some();
        kept.push(KeptFile { record, bytes, whole });
    }
    kept.sort_by(|a, b| a.record.url.cmp(&b.record.url));
    Ok(kept)
}

async fn read_json<T: DeserializeOwned>(folder: &Folder, name: &str) -> Option<T> {
    let text: JsValue = settled(folder.file(name).await?.text()).await.ok()?;
    serde_json::from_str(&text.as_string()?).ok()
}

/// The file of this address, if it is there and whole.
pub async fn whole_file(url: &str) -> Option<File> {
    let folder = folder().await.ok()?;
    let name = file_name(url);
    folder.file(&format!("{name}.whole")).await?;
    folder.file(&name).await
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
            folder.remove(&name).await?;
        }
        Ok(())
    };
    removed.await.map_err(|refused| match refused {
        Refused::Busy => "it is in use by another tab of this page: close that first".to_owned(),
        refused => refused.to_string(),
    })
}

/// A file that is being written. While it is open no other tab can open it.
pub struct OpenFile {
    folder: Folder,
    name: String,
    file: private_files::OpenFile,
}

impl OpenFile {
    /// Opens the file of an address, making it if it is not there.
    ///
    /// # Errors
    /// [`Refused`]: there is no room, the browser keeps no files, or another tab is writing this one.
    pub async fn open(url: &str) -> Result<Self, Refused> {
        let (folder, name) = (folder().await?, file_name(url));
        let file = folder.open_file(&name).await?;
        Ok(Self { folder, name, file })
    }
}

async fn write_small(folder: &Folder, name: &str, bytes: &[u8]) -> Result<(), Refused> {
    let file = folder.open_file(name).await?;
    file.truncate(0)?;
    file.write(0, bytes)?;
    file.flush()
}

impl Place for OpenFile {
    async fn record(&self) -> Option<Record> {
        read_json(&self.folder, &format!("{}.json", self.name)).await
    }

    async fn set_record(&mut self, record: &Record) -> Result<(), Refused> {
        let bytes = serde_json::to_vec(record).map_err(|error| Refused::Other(error.to_string()))?;
        write_small(&self.folder, &format!("{}.json", self.name), &bytes).await
    }

    async fn set_whole(&mut self) -> Result<(), Refused> {
        write_small(&self.folder, &format!("{}.whole", self.name), &[]).await
    }

    fn len(&self) -> Result<u64, Refused> {
        self.file.len()
    }

    fn write(&mut self, place: u64, bytes: &[u8]) -> Result<(), Refused> {
        self.file.write(place, bytes)
    }

    fn read(&self, place: u64, length: u64) -> Result<Vec<u8>, Refused> {
        self.file.read(place, length)
    }

    async fn clear(&mut self) -> Result<(), Refused> {
        for name in [format!("{}.whole", self.name), format!("{}.json", self.name)] {
            self.folder.remove(&name).await?;
        }
        self.file.truncate(0)
    }

    fn flush(&mut self) -> Result<(), Refused> {
        self.file.flush()
    }

    async fn free(&self) -> Option<u64> {
        let room = room().await;
        (room.quota > 0).then(|| room.quota.saturating_sub(room.used))
    }
}
