//! A place to keep bytes between visits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Result;

/// Keeps bytes under a key. In the browser this is the origin-private file system or IndexedDB.
// Its futures are awaited where they are made, on one thread: no caller needs them to be Send.
#[allow(async_fn_in_trait)]
pub trait Storage {
    /// The bytes under a key, if there are any.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if the storage refuses.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Keeps bytes under a key, in place of what was there.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if the storage refuses.
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()>;

    /// Forgets a key, whether it is there or not.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if the storage refuses.
    async fn remove(&self, key: &str) -> Result<()>;
}

/// Keeps bytes as long as it lives: for tests, and where the browser refuses storage.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    entries: Mutex<HashMap<String, Vec<u8>>>,
}

impl MemoryStorage {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        // No operation leaves the map half changed, so a poisoned lock does no harm.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.entries().get(key).cloned())
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        self.entries().insert(key.into(), bytes);
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.entries().remove(key);
        Ok(())
    }
}
