//! Where vectors are kept between visits: in segments in the browser's private files; where it has none,
//! in its database; and where that refuses too, in memory for this visit.

use llavacode_core::{
    Result,
    index::{TextHash, Vectors},
    workspace::{MemoryCache, SegmentCache, SegmentLimits, VectorCache},
};

use super::{indexed_db::IndexedDb, segments::PrivateSegments};

/// Vectors, wherever this browser keeps them.
pub enum BrowserCache {
    /// In private files.
    Segments(SegmentCache<PrivateSegments>),
    /// In the database.
    Database(IndexedDb),
    /// In memory.
    Forgotten(MemoryCache),
}

impl BrowserCache {
    /// Opens the best there is. An error says why nothing outlasts the visit.
    pub(super) async fn open() -> (Self, Result<()>) {
        match PrivateSegments::open().await {
            Ok(files) => {
                // What an earlier version kept there: a cache, which is filled anew.
                IndexedDb::delete();
                return (Self::Segments(SegmentCache::new(files, SegmentLimits::default())), Ok(()));
            }
            Err(refused) => log::info!("vectors are kept in the database: {refused}"),
        }
        match IndexedDb::open().await {
            Ok(database) => (Self::Database(database), Ok(())),
            Err(error) => (Self::Forgotten(MemoryCache::default()), Err(error)),
        }
    }
}

impl VectorCache for BrowserCache {
    async fn get_many(&self, model: &str, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>> {
        match self {
            Self::Segments(cache) => cache.get_many(model, texts).await,
            Self::Database(cache) => cache.get_many(model, texts).await,
            Self::Forgotten(cache) => cache.get_many(model, texts).await,
        }
    }

    async fn put_many(&mut self, model: &str, vectors: &[(TextHash, &Vectors)]) -> Result<()> {
        match self {
            Self::Segments(cache) => cache.put_many(model, vectors).await,
            Self::Database(cache) => cache.put_many(model, vectors).await,
            Self::Forgotten(cache) => cache.put_many(model, vectors).await,
        }
    }
}
