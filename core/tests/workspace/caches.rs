use llavacode_core::index::{TextHash, Vectors};
use llavacode_core::workspace::{MemoryCache, VectorCache, decode, encode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{MODEL, vectors_of};

fn hash(n: usize) -> TextHash {
    TextHash::of(&format!("text {n}"))
}

fn get(cache: &impl VectorCache, texts: &[TextHash]) -> Vec<Option<Vectors>> {
    pollster::block_on(cache.get_many(MODEL, texts)).expect("it gives")
}

fn put(cache: &mut impl VectorCache, text: TextHash, vectors: &Vectors) {
    pollster::block_on(cache.put_many(MODEL, &[(text, vectors)])).expect("it takes");
}

#[test]
fn a_record_that_is_damaged_or_anothers_is_not_there() {
    let mut random = StdRng::seed_from_u64(1);
    let mut numbers = |count| (0..count).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    let vectors = Vectors::new(&numbers(17), [&*numbers(40), &*numbers(3)]);
    let record = encode(MODEL, hash(0), &vectors);
    assert_eq!(decode(MODEL, hash(0), &record), Some(vectors));
    assert_eq!(decode("another", hash(0), &record), None);
    assert_eq!(decode(MODEL, hash(1), &record), None);
    for at in 0..record.len() {
        let mut damaged = record.clone();
        damaged[at] ^= 1 << (at % 8);
        assert_eq!(decode(MODEL, hash(0), &damaged), None, "byte {at}");
        assert_eq!(decode(MODEL, hash(0), &record[..at]), None, "{at} bytes");
    }
}

/// Behind a checksum that fits: what a faulty writer could have left.
#[test]
fn no_lengths_in_a_record_make_it_panic() {
    use sha2::{Digest, Sha256};
    for count_and_length in [[u32::MAX, u32::MAX], [u32::MAX, 1], [0, 0], [1, 0], [0, 3]] {
        let mut record = b"LLV2".to_vec();
        record.extend(count_and_length.iter().flat_map(|number| number.to_le_bytes()));
        record.extend([0; 8]);
        let mut sum = Sha256::new();
        sum.update(&record);
        sum.update(MODEL);
        sum.update(hash(0).bytes());
        record.extend_from_slice(&sum.finalize()[..16]);
        assert_eq!(decode(MODEL, hash(0), &record), None, "{count_and_length:?}");
    }
}

#[test]
fn the_oldest_go_where_there_is_no_room() {
    let size = encode(MODEL, hash(0), &vectors_of("x")).len();
    let mut memory = MemoryCache::new(3 * size);
    for n in 0..5 {
        put(&mut memory, hash(n), &vectors_of("x"));
    }
    let texts: Vec<TextHash> = (0..5).map(hash).collect();
    let there = |found: Vec<Option<Vectors>>| found.iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(there(get(&memory, &texts)), [false, false, true, true, true]);
    assert_eq!(memory.bytes(), 3 * size);
    // Writing the same again takes no more room.
    put(&mut memory, hash(4), &vectors_of("x"));
    assert_eq!(there(get(&memory, &texts)), [false, false, true, true, true]);
}
