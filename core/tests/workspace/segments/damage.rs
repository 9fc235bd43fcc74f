//! The end at any byte, bits that flip, a drive that is full or cannot be read.

use llavacode_core::Error;

use super::*;
use crate::{BATCH, Embedder, numbered, workspace};

/// Small enough that a few batches fill several.
const SMALL: SegmentLimits = SegmentLimits { segment: 600, total: 1 << 20 };

#[test]
fn an_end_at_any_byte_loses_nothing_that_was_written_before() {
    let mut random = random();
    let batches: Vec<Kept> = (0..6).map(|_| kept(&mut random, 5, 6)).collect();
    let all = batches.concat();
    let run = |drive: &Drive| {
        let mut cache = open(drive.clone(), SMALL);
        batches.iter().take_while(|batch| try_to_put(&mut cache, batch).is_ok()).count()
    };
    let whole = Drive::default();
    assert_eq!(run(&whole), batches.len());
    assert!(whole.files().len() > 3, "several segments: {}", whole.files().len());
    for end in 0..=whole.done() {
        let drive = Drive::default();
        drive.set(Fault::EndsAfter(end));
        let batches_put = run(&drive);
        drive.set(Fault::None);
        let (written, _) = all_records(&drive);
        assert!(written >= 5 * batches_put, "{written} records of {batches_put} batches, end at {end}");
        // The next visit has what was written, and no more; it goes on from there.
        let mut cache = open(drive.clone(), SMALL);
        let found = there(&cache, &all);
        assert!(found[..written].iter().all(|there| *there), "end at {end}: {found:?}");
        assert!(!found[written..].contains(&true), "end at {end}: {found:?}");
        put(&mut cache, &all[written..]);
        assert_eq!(count(&cache, &all), all.len(), "end at {end}");
        drop(cache);
        assert_eq!(count(&open(drive.clone(), SMALL), &all), all.len(), "end at {end}");
        assert_eq!(all_records(&drive).0, all.len(), "each is there once, end at {end}");
    }
}

#[test]
fn indexing_that_is_ended_at_any_moment_goes_on_from_the_last_batch() {
    let (mut random, text) = (random(), numbered("a", 3000));
    let (drive, embedder) = (Drive::default(), Embedder::default());
    let (mut visits, mut embedded) = (0, 0);
    loop {
        let mut visit = workspace(open(drive.clone(), AMPLE));
        visit.set_files([("a.py", &*text)]);
        drive.set(Fault::EndsAfter(1 + random.below(20_000)));
        // A tab that has ended embeds nothing more.
        let (mut is_over, mut has_ended) = (false, false);
        while !is_over && !has_ended {
            let step = pollster::block_on(visit.embed_next(&embedder, BATCH)).expect("it embeds");
            (is_over, has_ended) = (step.is_over(), visit.take_refusal().is_some());
        }
        visits += 1;
        embedded += embedder.count();
        drive.set(Fault::None);
        if is_over && !has_ended {
            break;
        }
        assert!(visits < 1000, "it does not get on");
    }
    let mut last = workspace(open(drive.clone(), AMPLE));
    last.set_files([("a.py", &*text)]);
    let mut recalled = 0;
    while last.waiting() > 0 {
        recalled += pollster::block_on(last.embed_next(&embedder, BATCH)).expect("it recalls").recalled;
        assert_eq!(embedder.count(), 0);
    }
    assert_eq!(recalled, 599);
    assert!(embedded <= 599 + visits * BATCH, "{visits} visits embedded {embedded}");
}

#[test]
fn a_bit_that_flips_loses_its_record_or_what_its_length_leads_to() {
    let mut random = random();
    let all = kept(&mut random, 12, 6);
    let more = kept(&mut random, 2, 6);
    let drive = Drive::default();
    put(&mut open(drive.clone(), AMPLE), &all);
    let (name, bytes) = drive.files().pop_first().expect("a segment");
    let mut starts = vec![HEADER as usize];
    while let Some(length) = bytes[starts[starts.len() - 1]..].first_chunk::<4>() {
        starts.push(starts[starts.len() - 1] + u32::from_le_bytes(*length) as usize);
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << random.below(8);
        drive.change(|files| {
            files.clear();
            files.insert(name.clone(), damaged);
        });
        let mut cache = open(drive.clone(), AMPLE);
        let found = there(&cache, &all);
        let hit = starts.iter().rposition(|start| *start <= at);
        let in_length = hit.is_some_and(|hit| at < starts[hit] + 4);
        for (n, there) in found.iter().enumerate() {
            match hit {
                None => assert!(!there, "byte {at} of the header, record {n}"),
                Some(hit) if n == hit => assert!(!there, "byte {at}, record {n}"),
                Some(hit) if n < hit || !in_length => assert!(there, "byte {at}, record {n}"),
                Some(_) => {}
            }
        }
        // It goes on behind the damage, and what was still there stays.
        put(&mut cache, &more);
        drop(cache);
        let cache = open(drive.clone(), AMPLE);
        assert_eq!(there(&cache, &all), found, "byte {at}");
        assert_eq!(count(&cache, &more), more.len(), "byte {at}");
    }
}

#[test]
fn what_is_damaged_while_it_is_in_use_is_missing_and_made_anew() {
    let mut random = random();
    let all = kept(&mut random, 50, 6);
    let drive = Drive::default();
    let mut cache = open(drive.clone(), AMPLE);
    put(&mut cache, &all);
    assert_eq!(count(&cache, &all), 50);
    drive.change(|files| {
        for bytes in files.values_mut() {
            let at = 100 + random.below(bytes.len() - 100);
            bytes[at] ^= 1;
        }
    });
    let lost = missing(&cache, &all);
    assert_eq!(lost.len(), 1);
    put(&mut cache, &lost);
    // Where a length was hit, what is behind it went when it was gone on with.
    let lost = missing(&cache, &all);
    put(&mut cache, &lost);
    assert_eq!(count(&cache, &all), 50);
    assert_eq!(count(&open(drive.clone(), AMPLE), &all), 50);
}

fn missing(cache: &SegmentCache<Drive>, all: &Kept) -> Kept {
    let there = there(cache, all);
    all.iter().zip(there).filter(|(_, there)| !there).map(|(one, _)| one.clone()).collect()
}

#[test]
fn a_full_drive_is_told_and_loses_only_what_it_did_not_take() {
    let mut random = random();
    let (before, refused, after) =
        (kept(&mut random, 5, 6), kept(&mut random, 5, 6), kept(&mut random, 5, 6));
    let needed = {
        let drive = Drive::default();
        put(&mut open(drive.clone(), AMPLE), &before);
        let bytes = drive.bytes();
        put(&mut open(drive.clone(), AMPLE), &refused);
        drive.bytes() - bytes
    };
    // Full while a segment is appended to; while a new one is begun; and the mending fails, too.
    for (limits, ends) in [(AMPLE, false), (SMALL, false), (AMPLE, true), (SMALL, true)] {
        for room in 0..needed {
            let drive = Drive::default();
            let mut cache = open(drive.clone(), limits);
            put(&mut cache, &before);
            drive.set(if ends { Fault::EndsAfter(room) } else { Fault::FullAfter(room) });
            let told = try_to_put(&mut cache, &refused);
            assert!(matches!(told, Err(Error::Storage { .. })), "room for {room}: {told:?}");
            drive.set(Fault::None);
            assert!(ends || all_records(&drive).1 == 0, "what was begun is taken back, room for {room}");
            assert_eq!(count(&cache, &before), 5, "room for {room}");
            put(&mut cache, &after);
            for cache in [cache, open(drive.clone(), limits)] {
                assert_eq!(count(&cache, &before) + count(&cache, &after), 10, "room for {room}");
                // What is not the cache's, by what it says, is not there half.
                there(&cache, &refused);
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_made_anew_and_stays_as_it_is() {
    let mut random = random();
    let all = kept(&mut random, 20, 6);
    let drive = Drive::default();
    put(&mut open(drive.clone(), AMPLE), &all[..10]);
    let (name, bytes) = drive.files().pop_first().expect("a segment");
    for known in [false, true] {
        let mut cache = open(drive.clone(), AMPLE);
        if known {
            assert_eq!(count(&cache, &all[..10]), 10);
        }
        drive.set(Fault::Unreadable);
        assert_eq!(count(&cache, &all), 0);
        put(&mut cache, &all[5..]);
        drive.set(Fault::None);
        assert!(count(&cache, &all) >= 15);
        assert_eq!(count(&open(drive.clone(), AMPLE), &all), 20);
        assert_eq!(drive.files()[&name], bytes, "nothing was cut off or written");
    }
}

#[test]
fn a_segment_of_another_version_is_left_as_it_is() {
    let mut random = random();
    let all = kept(&mut random, 5, 6);
    let drive = Drive::default();
    put(&mut open(drive.clone(), AMPLE), &all);
    drive.change(|files| files.values_mut().for_each(|bytes| bytes[6] += 1));
    let (name, newer) = drive.files().pop_first().expect("a segment");
    let mut cache = open(drive.clone(), AMPLE);
    assert_eq!(count(&cache, &all), 0);
    put(&mut cache, &all);
    assert_eq!(count(&cache, &all), 5);
    assert_eq!(drive.files()[&name], newer);
    assert_eq!(drive.files().len(), 2);
}
