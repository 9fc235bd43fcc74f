//! Vectors kept between visits, by what they were made from.

use std::collections::{HashMap, VecDeque};

use sha2::{Digest, Sha256};

use crate::{
    Result,
    index::{ChunkHash, Vectors},
};

/// Keeps vectors under the models that made them and the hash of the text they were made from. It may
/// forget: what it does not have is made anew.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
pub trait VectorCache {
    /// The vectors of these texts, in their order; `None` for each it does not have, or has damaged.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    async fn get_many(&self, model: &str, texts: &[ChunkHash]) -> Result<Vec<Option<Vectors>>>;

    /// Keeps vectors. Where there is no room, those that were put first go.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    async fn put_many(&mut self, model: &str, vectors: &[(ChunkHash, &Vectors)]) -> Result<()>;
}

/// Keeps vectors as long as it lives: for tests, and where there is no storage.
#[derive(Debug, Clone)]
pub struct MemoryCache {
    records: HashMap<(String, ChunkHash), Vec<u8>>,
    /// The oldest first.
    order: VecDeque<(String, ChunkHash)>,
    bytes: usize,
    most_bytes: usize,
}

impl MemoryCache {
    /// An empty one that holds at most so many bytes.
    pub fn new(most_bytes: usize) -> Self {
        Self { records: HashMap::new(), order: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Default for MemoryCache {
    /// 256 MB.
    fn default() -> Self {
        Self::new(256 << 20)
    }
}

impl VectorCache for MemoryCache {
    async fn get_many(&self, model: &str, texts: &[ChunkHash]) -> Result<Vec<Option<Vectors>>> {
        let get = |text: &ChunkHash| decode(model, *text, self.records.get(&(model.to_owned(), *text))?);
        Ok(texts.iter().map(get).collect())
    }

    async fn put_many(&mut self, model: &str, vectors: &[(ChunkHash, &Vectors)]) -> Result<()> {
        for (text, vectors) in vectors {
            let key = (model.to_owned(), *text);
            let record = encode(model, *text, vectors);
            self.bytes += record.len();
            match self.records.insert(key.clone(), record) {
                Some(before) => self.bytes -= before.len(),
                None => self.order.push_back(key),
            }
        }
        while self.bytes > self.most_bytes {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.records.remove(&oldest).map_or(0, |record| record.len());
        }
        Ok(())
    }
}

const MAGIC: &[u8; 4] = b"LLV1";
const CHECKSUM: usize = 16;

/// A record: magic, numbers of the embedding and of the projections (`u32`), both as `f32`, then the
/// first 16 bytes of the SHA-256 of all that, of the models and of the text's hash. Little-endian.
pub fn encode(model: &str, text: ChunkHash, vectors: &Vectors) -> Vec<u8> {
    let parts = [&vectors.embedding, &vectors.projections];
    let numbers: usize = parts.iter().map(|part| part.len()).sum();
    let mut record = Vec::with_capacity(MAGIC.len() + 8 + 4 * numbers + CHECKSUM);
    record.extend_from_slice(MAGIC);
    for part in parts {
        record.extend_from_slice(&(part.len() as u32).to_le_bytes());
    }
    for part in parts {
        record.extend(part.iter().flat_map(|number| number.to_le_bytes()));
    }
    let checksum = checksum(model, text, &record);
    record.extend_from_slice(&checksum);
    record
}

/// The vectors of a record; `None` if it is damaged, or of other models or another text.
pub fn decode(model: &str, text: ChunkHash, record: &[u8]) -> Option<Vectors> {
    let (body, kept) = record.split_at_checked(record.len().checked_sub(CHECKSUM)?)?;
    if kept != checksum(model, text, body) {
        return None;
    }
    let body = body.strip_prefix(MAGIC)?;
    let (lengths, numbers) = body.split_at_checked(8)?;
    let length = |at: usize| Some(u32::from_le_bytes(lengths.get(at..at + 4)?.try_into().ok()?) as usize);
    let (embedding, projections) = (length(0)?, length(4)?);
    if numbers.len() != embedding.checked_add(projections)?.checked_mul(4)? {
        return None;
    }
    let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut numbers = numbers.chunks_exact(4).map(number);
    let embedding = numbers.by_ref().take(embedding).collect();
    Some(Vectors { embedding, projections: numbers.collect() })
}

fn checksum(model: &str, text: ChunkHash, body: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    hash.update(body);
    hash.update(model);
    hash.update(text.bytes());
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&hash.finalize()[..CHECKSUM]);
    checksum
}
