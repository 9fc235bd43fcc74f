//! How many bytes there are, what goes, and how often is read.

use super::*;

fn segments_of(records: u64, record: u64, segments: u64) -> SegmentLimits {
    let segment = HEADER + records * record;
    SegmentLimits { segment, total: segments * segment }
}

#[test]
fn the_oldest_segments_go_where_there_is_no_room() {
    let mut random = random();
    let (all, record) = of_one_length(&mut random, 100);
    let limits = segments_of(4, record, 3);
    let drive = Drive::default();
    let mut cache = open(drive.clone(), limits);
    for n in 0..all.len() {
        put(&mut cache, &all[n..=n]);
        assert!(drive.bytes() as u64 <= limits.total, "{} bytes", drive.bytes());
        // Whole segments of four: those before, two of them at most, and the one that is written.
        let oldest = (n / 4).saturating_sub(2) * 4;
        for cache in [&cache, &open(drive.clone(), limits)] {
            let found = there(cache, &all);
            assert!(found[oldest..=n].iter().all(|there| *there), "{n}: {found:?}");
            assert!(!found[..oldest].contains(&true), "{n}: {found:?}");
        }
    }
}

#[test]
fn a_batch_may_fill_several_segments_and_a_record_may_be_longer_than_one() {
    let mut random = random();
    let (all, record) = of_one_length(&mut random, 25);
    let drive = Drive::default();
    put(&mut open(drive.clone(), segments_of(4, record, 100)), &all);
    let lengths: Vec<usize> = drive.files().values().map(Vec::len).collect();
    assert_eq!(lengths.len(), 7);
    assert!(lengths[..6].iter().all(|length| *length as u64 == HEADER + 4 * record), "{lengths:?}");
    let tiny = SegmentLimits { segment: 1, total: 1 << 20 };
    let drive = Drive::default();
    put(&mut open(drive.clone(), tiny), &all);
    assert_eq!(drive.files().len(), 25);
    assert_eq!(count(&open(drive.clone(), tiny), &all), 25);
    // No room for anything: what is written stays until the next is begun.
    let none = SegmentLimits { segment: 1, total: 0 };
    let mut cache = open(drive.clone(), none);
    put(&mut cache, &all);
    assert_eq!(there(&cache, &all), (0..25).map(|n| n == 24).collect::<Vec<_>>());
}

#[test]
fn other_models_segments_are_not_read_and_go_when_they_are_the_oldest() {
    let mut random = random();
    let (all, record) = of_one_length(&mut random, 20);
    let limits = segments_of(4, record, 4);
    let drive = Drive::default();
    let mut cache = open(drive.clone(), limits);
    let theirs: Vec<_> = all[..4].iter().map(|(text, vectors)| (*text, vectors)).collect();
    pollster::block_on(cache.put_many("another", &theirs)).expect("it takes them");
    let texts: Vec<TextHash> = theirs.iter().map(|(text, _)| *text).collect();
    let of_another = |cache: &SegmentCache<Drive>| {
        let found = pollster::block_on(cache.get_many("another", &texts)).expect("it gives");
        found.iter().flatten().count()
    };
    assert_eq!(count(&cache, &all[..4]), 0);
    put(&mut cache, &all[4..16]);
    assert_eq!(of_another(&cache), 4);
    assert_eq!(count(&cache, &all), 12);
    put(&mut cache, &all[16..]);
    assert_eq!(of_another(&cache), 0);
    assert_eq!(count(&cache, &all), 16);
}

#[test]
fn a_segment_is_gone_on_with_at_the_next_visit() {
    let mut random = random();
    let (all, record) = of_one_length(&mut random, 10);
    let drive = Drive::default();
    let limits = segments_of(5, record, 10);
    for one in all.chunks(1) {
        put(&mut open(drive.clone(), limits), one);
    }
    let lengths =
        |drive: &Drive| drive.files().values().map(|segment| segment.len() as u64).collect::<Vec<_>>();
    assert_eq!(lengths(&drive), [limits.segment; 2]);
    // For less than an eighth of it a new one is begun.
    let drive = Drive::default();
    let limits = segments_of(10, record, 10);
    for some in [&all[..8], &all[8..9], &all[9..]] {
        put(&mut open(drive.clone(), limits), some);
    }
    assert_eq!(lengths(&drive), [HEADER + 9 * record, HEADER + record]);
}

#[test]
fn what_is_put_last_counts() {
    let mut random = random();
    let (first, record) = of_one_length(&mut random, 10);
    let second: Kept = first.iter().map(|(text, _)| (*text, vectors(&mut random, 1))).collect();
    let drive = Drive::default();
    let mut cache = open(drive.clone(), segments_of(3, record, 100));
    put(&mut cache, &first);
    put(&mut cache, &second);
    assert_eq!(count(&cache, &second), 10);
    assert_eq!(count(&open(drive.clone(), AMPLE), &second), 10);
}

#[test]
fn records_that_stand_together_are_read_at_once() {
    let mut random = random();
    let mut all = kept(&mut random, 4000, 6);
    let drive = Drive::default();
    put(&mut open(drive.clone(), AMPLE), &all);
    let cache = open(drive.clone(), AMPLE);
    assert_eq!(count(&cache, &all[..256]), 256);
    let before = drive.reads();
    for texts in all.chunks(256) {
        assert_eq!(count(&cache, texts), texts.len());
    }
    assert_eq!(drive.reads() - before, 16, "one read for each that is asked for at once");
    // In whatever order they are asked for, and the same ones twice.
    random.shuffle(&mut all);
    let twice = [&all[..200], &all[100..200]].concat();
    let before = drive.reads();
    assert_eq!(count(&cache, &twice), 300);
    assert!(drive.reads() - before <= 2, "{}", drive.reads() - before);
}
