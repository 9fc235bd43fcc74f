//! Segments: what is in them whatever was cut off, damaged, written or removed by others.

mod damage;
mod drive;
mod folder;
mod limits;
mod tabs;

use std::time::{SystemTime, UNIX_EPOCH};

use llavacode_core::index::{TextHash, Vectors};
use llavacode_core::random::SplitMix64;
use llavacode_core::workspace::{SegmentCache, SegmentFiles, SegmentLimits, VectorCache};

use crate::MODEL;
use drive::{Drive, Fault};

/// No segment is full, and none goes.
const AMPLE: SegmentLimits = SegmentLimits { segment: 1 << 20, total: 1 << 30 };

/// What is put into a cache: texts and their vectors.
type Kept = Vec<(TextHash, Vectors)>;

/// Other numbers at every run; a test that fails says which.
fn random() -> SplitMix64 {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_nanos() as u64;
    println!("seed {seed}");
    SplitMix64::new(seed)
}

/// Vectors of up to so many numbers.
fn vectors(random: &mut SplitMix64, most: usize) -> Vectors {
    let mut numbers = || {
        let count = 1 + random.below(most);
        (0..count).map(|_| random.uniform() as f32 - 0.5).collect::<Vec<_>>()
    };
    Vectors::new(&numbers(), [&*numbers()])
}

/// So many different texts.
fn kept(random: &mut SplitMix64, count: usize, most: usize) -> Kept {
    (0..count).map(|_| (TextHash::of(&random.next_u64().to_string()), vectors(random, most))).collect()
}

/// As [`kept`], all of one length, of which it is told how long their records are.
fn of_one_length(random: &mut SplitMix64, count: usize) -> (Kept, u64) {
    let kept: Kept = kept(random, count, 1);
    let drive = Drive::default();
    put(&mut open(drive.clone(), AMPLE), &kept[..1]);
    (kept, drive.bytes() as u64 - HEADER)
}

/// Bytes of a segment's header.
const HEADER: u64 = 8;

fn open<F: SegmentFiles>(files: F, limits: SegmentLimits) -> SegmentCache<F> {
    SegmentCache::new(files, limits)
}

fn try_to_put<F: SegmentFiles>(
    cache: &mut SegmentCache<F>,
    kept: &[(TextHash, Vectors)],
) -> llavacode_core::Result<()> {
    let kept: Vec<_> = kept.iter().map(|(text, vectors)| (*text, vectors)).collect();
    pollster::block_on(cache.put_many(MODEL, &kept))
}

fn put<F: SegmentFiles>(cache: &mut SegmentCache<F>, kept: &[(TextHash, Vectors)]) {
    try_to_put(cache, kept).expect("it takes them");
}

/// Whether each of these is there. What is there is right.
fn there<F: SegmentFiles>(cache: &SegmentCache<F>, kept: &[(TextHash, Vectors)]) -> Vec<bool> {
    let texts: Vec<TextHash> = kept.iter().map(|(text, _)| *text).collect();
    let found = pollster::block_on(cache.get_many(MODEL, &texts)).expect("it gives");
    assert_eq!(found.len(), kept.len());
    let check = |(found, (text, right)): (Option<Vectors>, &(TextHash, Vectors))| {
        found.map(|found| assert_eq!(found, *right, "{text:?}")).is_some()
    };
    found.into_iter().zip(kept).map(check).collect()
}

fn count<F: SegmentFiles>(cache: &SegmentCache<F>, kept: &[(TextHash, Vectors)]) -> usize {
    there(cache, kept).into_iter().filter(|there| *there).count()
}

/// How many records of a segment are whole, by their lengths alone, and how many bytes are behind them.
fn whole_records(segment: &[u8]) -> (usize, usize) {
    let (mut rest, mut count) = (segment.get(HEADER as usize..).unwrap_or_default(), 0);
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some(behind) = rest.get(length..) else { break };
        (rest, count) = (behind, count + 1);
    }
    (count, rest.len())
}

/// The same of all segments of a drive.
fn all_records(drive: &Drive) -> (usize, usize) {
    let sum = |(count, behind), segment: &Vec<u8>| {
        let (more, bytes) = whole_records(segment);
        (count + more, behind + bytes)
    };
    drive.files().values().fold((0, 0), sum)
}
