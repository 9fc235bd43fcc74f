//! The same in a folder of the disk.

use std::{fs, time::Instant};

use llavacode_core::workspace::{DiskCache, SegmentFolder};

use super::*;
use crate::{Embedder, embed_all, numbered, workspace};

#[test]
fn a_folder_keeps_vectors_for_the_next_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || DiskCache::open(folder.path().join("vectors"), 1 << 20).expect("it opens");
    let embedder = Embedder::default();
    let mut first = workspace(open());
    first.update("a.py", &numbered("a", 400));
    assert_eq!(embed_all(&mut first, &embedder), (0, 79));
    drop(first);
    let mut second = workspace(open());
    second.update("b.py", &numbered("a", 400));
    assert_eq!(embed_all(&mut second, &embedder), (79, 0));
    assert_eq!(second.take_refusal(), None);
}

#[test]
fn programs_that_write_at_once_lose_nothing_and_keep_to_the_limit() {
    let mut random = random();
    let folder = tempfile::tempdir().expect("a folder");
    let limits = SegmentLimits { segment: 2000, total: 1 << 20 };
    let open = |limits| SegmentCache::new(SegmentFolder::open(folder.path()).expect("it opens"), limits);
    let each: Vec<Kept> = (0..4).map(|_| kept(&mut random, 100, 6)).collect();
    std::thread::scope(|scope| {
        for kept in &each {
            scope.spawn(move || {
                let mut cache = open(limits);
                for batch in kept.chunks(7) {
                    put(&mut cache, batch);
                    assert_eq!(count(&cache, batch), batch.len());
                }
                assert_eq!(count(&cache, kept), kept.len());
            });
        }
    });
    assert_eq!(count(&open(limits), &each.concat()), 400);
    // The same with so little room that each removes what the others wrote.
    let limits = SegmentLimits { segment: 2000, total: 8000 };
    std::thread::scope(|scope| {
        for kept in &each {
            scope.spawn(move || {
                let mut cache = open(limits);
                for batch in kept.chunks(7) {
                    put(&mut cache, batch);
                    // It is in the segment that is being written, or in the one before.
                    there(&cache, batch);
                    assert_eq!(count(&cache, &batch[batch.len() - 1..]), 1);
                }
            });
        }
    });
    let mut cache = open(limits);
    put(&mut cache, &each[0]);
    let files = fs::read_dir(folder.path()).expect("it is there");
    let bytes: u64 = files.map(|file| file.expect("a file").metadata().expect("it is there").len()).sum();
    assert!(bytes <= limits.total, "{bytes} bytes");
}

#[test]
fn a_folder_that_cannot_be_is_refused_and_one_that_is_gone_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a file");
    fs::write(&file, "of something else").expect("it is written");
    assert!(matches!(DiskCache::open(&file, 1), Err(llavacode_core::Error::Storage { .. })));
    let mut random = random();
    let kept = kept(&mut random, 2, 6);
    let gone = folder.path().join("gone");
    let mut cache = DiskCache::open(&gone, 1 << 20).expect("it opens");
    fs::remove_dir(&gone).expect("it is empty");
    assert!(matches!(try_to_put(&mut cache, &kept), Err(llavacode_core::Error::Storage { .. })));
}

/// Not a measurement: the time is told, and what is found is checked.
#[test]
fn a_hundred_thousand_records_are_opened_and_recalled_in_one_run() {
    let mut random = random();
    let folder = tempfile::tempdir().expect("a folder");
    let open = || DiskCache::open(folder.path(), 1 << 30).expect("it opens");
    let all = kept(&mut random, 100_000, 550);
    let start = Instant::now();
    let mut cache = open();
    for batch in all.chunks(1000) {
        put(&mut cache, batch);
    }
    println!("100,000 records written in {:.2?}", start.elapsed());
    drop(cache);
    let cache = open();
    let start = Instant::now();
    assert_eq!(count(&cache, &all[..256]), 256);
    println!("opened in {:.2?}", start.elapsed());
    let start = Instant::now();
    for batch in all.chunks(256) {
        assert_eq!(count(&cache, batch), batch.len());
    }
    println!("recalled in {:.2?}", start.elapsed());
    let bytes: u64 = fs::read_dir(folder.path())
        .expect("it is there")
        .map(|file| file.expect("a file").metadata().expect("it is there").len())
        .sum();
    println!("{} bytes a record", bytes / 100_000);
}
