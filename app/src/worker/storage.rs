//! Where the index is kept between visits: one IndexedDB object store, a key a workspace.

use idb::{Database, DatabaseEvent, Factory, ObjectStore, ObjectStoreParams, TransactionMode};
use js_sys::Uint8Array;
use llavacode_app::transaction::committed;
use llavacode_core::{Error, Result, index::store::Storage};
use wasm_bindgen::JsValue;

const DATABASE: &str = "llavacode";
const STORE: &str = "indexes";

/// The browser's own database.
pub(super) struct IndexedDb {
    database: Database,
}

impl IndexedDb {
    /// Opens the database, making it at the first visit.
    ///
    /// # Errors
    /// [`Error::Storage`] where the browser refuses, as in some private windows.
    pub(super) async fn open() -> Result<Self> {
        let database = async {
            let mut request = Factory::new()?.open(DATABASE, Some(1))?;
            request.on_upgrade_needed(|event| {
                if let Ok(database) = event.database() {
                    // A failure shows when the store is used.
                    let _ = database.create_object_store(STORE, ObjectStoreParams::new());
                }
            });
            request.await
        };
        Ok(Self { database: database.await.map_err(refused)? })
    }

    /// Runs requests in a transaction of their own, to its end.
    async fn write(&self, requests: impl FnOnce(&ObjectStore) -> Result<(), idb::Error>) -> Result<()> {
        let begin = || {
            let transaction = self.database.transaction(&[STORE], TransactionMode::ReadWrite)?;
            requests(&transaction.object_store(STORE)?)?;
            Ok(transaction)
        };
        let transaction = begin().map_err(refused)?;
        committed(transaction.await).map_err(|reason| Error::Storage { reason })
    }
}

fn refused(error: idb::Error) -> Error {
    Error::Storage { reason: error.to_string() }
}

impl Storage for IndexedDb {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let value = async {
            let transaction = self.database.transaction(&[STORE], TransactionMode::ReadOnly)?;
            let value = transaction.object_store(STORE)?.get(JsValue::from_str(key))?.await?;
            Ok(value)
        };
        let value = value.await.map_err(refused)?;
        Ok(value.map(|bytes| Uint8Array::new(&bytes).to_vec()))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let value = Uint8Array::from(bytes.as_slice());
        self.write(|store| store.put(&value, Some(&JsValue::from_str(key))).map(drop)).await
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.write(|store| store.delete(JsValue::from_str(key)).map(drop)).await
    }
}
