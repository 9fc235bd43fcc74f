use llavacode_core::Error;
use llavacode_core::config::ChunkingConfig;
use llavacode_core::index::Index;
use llavacode_core::index::store::{MemoryStorage, Storage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

use crate::{CHUNKING, by_words, embed_pending, numbered, places, random_file};

/// Bytes of the header: magic, version, checksum.
const HEADER: usize = 8 + 4 + 32;

fn sample(random: &mut StdRng) -> Index {
    let mut index = Index::new(CHUNKING, "a model's key");
    index.update_file("empty.py", "");
    for file in 0..5 {
        index.update_file(&format!("pkg/{file}é.py"), &random_file(random));
    }
    embed_pending(&mut index);
    index.update_file("unencoded.py", &numbered("x", 12));
    index
}

fn read(bytes: &[u8]) -> Result<Index, Error> {
    Index::from_bytes(bytes, CHUNKING, "a model's key")
}

#[track_caller]
fn assert_stale<T: std::fmt::Debug>(result: Result<T, Error>, word: &str) {
    match result {
        Err(Error::StaleIndex { reason }) => {
            assert!(reason.contains(word), "{reason:?} does not say {word:?}")
        }
        other => panic!("should be refused: {other:?}"),
    }
}

#[test]
fn what_is_read_back_equals_what_was_written() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..30 {
        let index = sample(&mut random);
        let read = read(&index.to_bytes()).expect("it was just written");
        assert!(read.chunks().eq(index.chunks()));
        assert!(read.paths().eq(index.paths()));
        assert_eq!(read.stats(), index.stats());
        assert_eq!(read.pending(), index.pending());
        assert_eq!(read.to_bytes(), index.to_bytes());
        let query = by_words("main.py", "x = self.area\nimport os");
        assert_eq!(places(&read, &query), places(&index, &query));
        for (a, b) in read.retrieve(&query).iter().zip(index.retrieve(&query)) {
            assert_eq!(a.score, b.score);
            assert_eq!(read.projections(a.id), index.projections(b.id));
            assert_eq!(read.embedding(a.id), index.embedding(b.id));
        }
    }
}

#[test]
fn vectors_nobody_uses_are_not_written() {
    let mut index = Index::new(CHUNKING, "a model's key");
    index.update_file("a.py", &numbered("a", 50));
    embed_pending(&mut index);
    index.update_file("a.py", "a = 1\n");
    embed_pending(&mut index);
    let read = read(&index.to_bytes()).expect("it was just written");
    assert_eq!(read.stats().vector_bytes, 22 * 4);
}

#[test]
fn vectors_of_other_models_or_chunks_are_refused() {
    let bytes = sample(&mut StdRng::seed_from_u64(2)).to_bytes();
    assert_stale(Index::from_bytes(&bytes, CHUNKING, "another key"), "other models");
    let other = ChunkingConfig { lines: 12, stride: 6 };
    assert_stale(Index::from_bytes(&bytes, other, "a model's key"), "another length");
}

#[test]
fn other_versions_and_other_files_are_refused() {
    let mut bytes = sample(&mut StdRng::seed_from_u64(3)).to_bytes();
    bytes[8] += 1;
    assert_stale(read(&bytes), "version 2");
    assert_stale(read(b"{\"version\": 1}"), "begin like an index");
    assert_stale(read(b""), "cut short");
}

#[test]
fn damage_is_noticed() {
    let mut random = StdRng::seed_from_u64(4);
    let bytes = sample(&mut random).to_bytes();
    for _ in 0..500 {
        let mut damaged = bytes.clone();
        match random.random_range(0..3) {
            0 => damaged.truncate(random.random_range(0..bytes.len())),
            1 => damaged.push(random.random()),
            _ => damaged[random.random_range(0..bytes.len())] ^= random.random_range(1..=255u8),
        }
        assert_stale(read(&damaged), "");
    }
}

/// Past the checksum: what a faulty writer could have left.
#[test]
fn no_body_makes_it_panic_or_allocate_without_bounds() {
    let mut random = StdRng::seed_from_u64(5);
    let bytes = sample(&mut random).to_bytes();
    let mut refused = 0;
    for _ in 0..3000 {
        let mut body = bytes[HEADER..].to_vec();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..body.len());
            match random.random_range(0..4) {
                0 => body.truncate(at.max(1)),
                1 => body[at] = [0, 1, 0x7f, 0xff][random.random_range(0..4)],
                // A length of 4 Gi at any place.
                2 => body[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
                _ => body.insert(at, random.random()),
            }
        }
        let mut changed = bytes[..12].to_vec();
        changed.extend_from_slice(&Sha256::digest(&body));
        changed.extend_from_slice(&body);
        match read(&changed) {
            // A changed letter or number may still be an index; it must then work as one.
            Ok(index) => {
                places(&index, &by_words("main.py", "x = self.area\nimport os"));
                assert!(read(&index.to_bytes()).is_ok());
            }
            Err(error) => {
                assert!(matches!(error, Error::StaleIndex { .. }), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn an_index_goes_through_a_storage() {
    pollster::block_on(async {
        let storage = MemoryStorage::new();
        let index = sample(&mut StdRng::seed_from_u64(6));
        assert_eq!(storage.get("demo").await, Ok(None));
        storage.put("demo", index.to_bytes()).await.expect("memory takes it");
        let bytes = storage.get("demo").await.expect("memory gives it").expect("it is there");
        assert!(read(&bytes).expect("it was just written").chunks().eq(index.chunks()));
        storage.remove("demo").await.expect("memory lets go of it");
        assert_eq!(storage.get("demo").await, Ok(None));
        assert_eq!(storage.remove("demo").await, Ok(()));
    });
}
