//! Vectors kept between visits, by what they were made from.

use std::collections::{HashMap, VecDeque};

use sha2::{Digest, Sha256};

use crate::{
    Result,
    index::{TextHash, Vectors, vectors::Row},
};

/// Keeps vectors under the models that made them and the hash of the text they were made from. It may
/// forget: what it does not have is made anew.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
pub trait VectorCache {
    /// The vectors of these texts, in their order; `None` for each it does not have, or has damaged.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    async fn get_many(&self, model: &str, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>>;

    /// Keeps vectors. Where there is no room, those that were put first go.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) if it refuses.
    async fn put_many(&mut self, model: &str, vectors: &[(TextHash, &Vectors)]) -> Result<()>;
}

/// Keeps vectors as long as it lives: for tests, and where there is no storage.
#[derive(Debug, Clone)]
pub struct MemoryCache {
    records: HashMap<(String, TextHash), Vec<u8>>,
    /// The oldest first.
    order: VecDeque<(String, TextHash)>,
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
    async fn get_many(&self, model: &str, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>> {
        let get = |text: &TextHash| decode(model, *text, self.records.get(&(model.to_owned(), *text))?);
        Ok(texts.iter().map(get).collect())
    }

    async fn put_many(&mut self, model: &str, vectors: &[(TextHash, &Vectors)]) -> Result<()> {
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

const MAGIC: &[u8; 4] = b"LLV2";
const CHECKSUM: usize = 16;

/// A record: magic; the number of vectors (`u32`), the embedding first, then the projections; for each
/// its length (`u32`), its scale (`f32`) and its numbers (`i8`); then the first 16 bytes of the SHA-256
/// of all that, of the models and of the text's hash. Little-endian.
pub fn encode(model: &str, text: TextHash, vectors: &Vectors) -> Vec<u8> {
    let rows = vectors.rows();
    let numbers: usize = rows.iter().map(|row| row.values.len()).sum();
    let mut record = Vec::with_capacity(MAGIC.len() + 4 + 8 * rows.len() + numbers + CHECKSUM);
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    for row in rows {
        record.extend_from_slice(&(row.values.len() as u32).to_le_bytes());
        record.extend_from_slice(&row.scale.to_le_bytes());
        record.extend_from_slice(bytemuck::cast_slice(&row.values));
    }
    let checksum = checksum(model, text, &record);
    record.extend_from_slice(&checksum);
    record
}

/// The vectors of a record; `None` if it is damaged, or of other models or another text.
pub fn decode(model: &str, text: TextHash, record: &[u8]) -> Option<Vectors> {
    let (body, kept) = record.split_at_checked(record.len().checked_sub(CHECKSUM)?)?;
    if kept != checksum(model, text, body) {
        return None;
    }
    let body = body.strip_prefix(MAGIC)?;
    let (count, mut rest) = body.split_first_chunk()?;
    let mut rows = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (length, behind) = rest.split_first_chunk()?;
        let (scale, behind) = behind.split_first_chunk()?;
        let (values, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rows.push(Row { scale: f32::from_le_bytes(*scale), values: bytemuck::cast_slice(values).into() });
        rest = behind;
    }
    rest.is_empty().then(|| Vectors::from_rows(rows))
}

fn checksum(model: &str, text: TextHash, body: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    hash.update(body);
    hash.update(model);
    hash.update(text.bytes());
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&hash.finalize()[..CHECKSUM]);
    checksum
}
