//! Vectors in IndexedDB, a record a text: where the browser has no private files.
//!
//! | object store | key | value |
//! |---|---|---|
//! | `vectors` | models and text's hash | the record ([`encode`]) |
//! | `order` | a number that grows | such a key: the oldest go first where there is no room |

use idb::{
    Database, DatabaseEvent, Factory, KeyPath, ObjectStoreParams, Query, Transaction, TransactionMode,
    TransactionResult,
};
use js_sys::Uint8Array;
use llavacode_browser::committed;
use llavacode_core::{
    Error, Result,
    index::{TextHash, Vectors},
    workspace::{VectorCache, decode, encode},
};
use wasm_bindgen::JsValue;

const DATABASE: &str = "llavacode-vectors";
const VECTORS: &str = "vectors";
const ORDER: &str = "order";
/// Earlier pages kept whole indexes here. A tab of such a page may have it open, so it is not this one
/// in a newer version: that would wait until the tab is closed.
const FORMER: &str = "llavacode";

/// Records take no more than this.
const MOST_BYTES: usize = 512 << 20;
/// Records dropped at once where there is no room.
const DROPPED: u32 = 256;

/// The browser's own database.
pub struct IndexedDb {
    database: Database,
}

impl IndexedDb {
    /// Opens the database, making it at the first visit.
    ///
    /// # Errors
    /// [`Error::Storage`] where the browser refuses, as in some private windows.
    pub(super) async fn open() -> Result<Self> {
        let database = async {
            let factory = Factory::new()?;
            // It goes once nobody has it open; nobody waits for that.
            let _ = factory.delete(FORMER);
            let mut request = factory.open(DATABASE, Some(1))?;
            request.on_upgrade_needed(|event| {
                let Ok(database) = event.database() else { return };
                let mut numbered = ObjectStoreParams::new();
                numbered.auto_increment(true).key_path(None::<KeyPath>);
                // A failure shows when the stores are used.
                let _ = database.create_object_store(VECTORS, ObjectStoreParams::new());
                let _ = database.create_object_store(ORDER, numbered);
            });
            request.await
        };
        Ok(Self { database: database.await.map_err(refused)? })
    }

    /// Deletes the database, where vectors are kept elsewhere now. It goes once nobody has it open; nobody
    /// waits for that.
    pub(super) fn delete() {
        if let Ok(factory) = Factory::new() {
            let _ = factory.delete(FORMER);
            let _ = factory.delete(DATABASE);
        }
    }

    fn begin(&self, mode: TransactionMode) -> Result<Transaction, idb::Error> {
        self.database.transaction(&[VECTORS, ORDER], mode)
    }

    async fn get(&self, model: &str, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>, idb::Error> {
        let transaction = self.begin(TransactionMode::ReadOnly)?;
        let store = transaction.object_store(VECTORS)?;
        // All are asked for before the first is awaited: one round for all of them.
        let asked = texts.iter().map(|&text| store.get(key(model, text))).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::new();
        for (request, &text) in asked.into_iter().zip(texts) {
            let record = request.await?.map(|record| Uint8Array::new(&record).to_vec());
            found.push(record.and_then(|record| decode(model, text, &record)));
        }
        Ok(found)
    }

    /// One request at a time: of several that fail together `idb` takes the first and throws at the next.
    async fn put(
        &self,
        model: &str,
        vectors: &[(TextHash, &Vectors)],
    ) -> Result<TransactionResult, idb::Error> {
        let transaction = self.begin(TransactionMode::ReadWrite)?;
        let (store, order) = (transaction.object_store(VECTORS)?, transaction.object_store(ORDER)?);
        for &(text, vectors) in vectors {
            let (key, record) = (key(model, text), encode(model, text, vectors));
            store.put(&Uint8Array::from(record.as_slice()), Some(&key))?.await?;
            order.add(&key, None)?.await?;
        }
        transaction.await
    }

    /// Drops the oldest while there are more than so many.
    async fn evict(&self, most: u32) -> Result<(), idb::Error> {
        let transaction = self.begin(TransactionMode::ReadWrite)?;
        let (store, order) = (transaction.object_store(VECTORS)?, transaction.object_store(ORDER)?);
        if order.count(None)?.await? > most {
            let numbers = order.get_all_keys(None, Some(DROPPED))?.await?;
            let keys = order.get_all(None, Some(DROPPED))?.await?;
            for (number, key) in numbers.into_iter().zip(keys) {
                store.delete(Query::Key(key))?.await?;
                order.delete(Query::Key(number))?.await?;
            }
        }
        transaction.await.map(drop)
    }
}

fn key(model: &str, text: TextHash) -> JsValue {
    format!("{model} {text:?}").into()
}

fn refused(error: idb::Error) -> Error {
    Error::Storage { reason: error.to_string() }
}

impl VectorCache for IndexedDb {
    async fn get_many(&self, model: &str, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>> {
        self.get(model, texts).await.map_err(refused)
    }

    async fn put_many(&mut self, model: &str, vectors: &[(TextHash, &Vectors)]) -> Result<()> {
        let Some((text, first)) = vectors.first() else { return Ok(()) };
        let most = MOST_BYTES / encode(model, *text, first).len();
        committed(self.put(model, vectors).await).map_err(|reason| Error::Storage { reason })?;
        self.evict(u32::try_from(most).unwrap_or(u32::MAX)).await.map_err(refused)
    }
}
