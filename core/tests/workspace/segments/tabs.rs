//! Several tabs at the same files.

use super::*;

#[test]
fn two_tabs_write_at_once_and_lose_nothing() {
    let mut random = random();
    let all = kept(&mut random, 300, 6);
    let limits = SegmentLimits { segment: 2000, ..AMPLE };
    let drive = Drive::default();
    let mut tabs: Vec<_> = (0..3).map(|_| open(drive.clone(), limits)).collect();
    let mut rest = &all[..];
    while !rest.is_empty() {
        let (batch, behind) = rest.split_at(rest.len().min(1 + random.below(8)));
        let tab = random.below(tabs.len());
        put(&mut tabs[tab], batch);
        // Sometimes one is closed and opened again.
        if random.chance(1, 10) {
            tabs[tab] = open(drive.clone(), limits);
        }
        rest = behind;
        // Each finds what the others wrote.
        let written = all.len() - rest.len();
        assert_eq!(count(&tabs[random.below(3)], &all[..written]), written);
    }
    drop(tabs);
    assert_eq!(count(&open(drive.clone(), limits), &all), all.len());
    assert_eq!(all_records(&drive), (all.len(), 0));
}

#[test]
fn the_newest_segment_that_nobody_writes_is_gone_on_with() {
    let mut random = random();
    let all = kept(&mut random, 6, 6);
    let drive = Drive::default();
    for _ in 0..5 {
        let (mut first, mut second) = (open(drive.clone(), AMPLE), open(drive.clone(), AMPLE));
        put(&mut first, &all[..3]);
        put(&mut second, &all[3..]);
        assert_eq!(drive.files().len(), 2, "however often two tabs are opened");
    }
    assert_eq!(count(&open(drive.clone(), AMPLE), &all), 6);
}

#[test]
fn what_another_tab_removes_is_missing_and_what_it_writes_stays() {
    let mut random = random();
    let (all, record) = of_one_length(&mut random, 60);
    let segment = HEADER + 4 * record;
    let limits = SegmentLimits { segment, total: 4 * segment };
    let drive = Drive::default();
    let mut reader = open(drive.clone(), limits);
    put(&mut reader, &all[..6]);
    assert_eq!(count(&reader, &all[..6]), 6);
    let mut writer = open(drive.clone(), limits);
    put(&mut writer, &all[6..]);
    // The first segment went; the second is being written by the reader, and cannot.
    assert_eq!(there(&reader, &all[..6]), [false, false, false, false, true, true]);
    assert_eq!(there(&writer, &all[4..6]), [true, true]);
    let bytes = drive.bytes() as u64;
    assert!(bytes <= limits.total + segment, "{bytes} bytes: one segment more than one tab alone");
    put(&mut reader, &all[..2]);
    assert_eq!(there(&reader, &all[..6]), [true, true, false, false, true, true]);
}

#[test]
fn files_that_vanish_under_everybody_are_begun_anew() {
    let mut random = random();
    let all = kept(&mut random, 10, 6);
    let drive = Drive::default();
    let mut cache = open(drive.clone(), AMPLE);
    put(&mut cache, &all);
    drive.change(|files| files.clear());
    assert_eq!(count(&cache, &all), 0);
    put(&mut cache, &all);
    assert_eq!(count(&cache, &all), 10);
    assert_eq!(count(&open(drive.clone(), AMPLE), &all), 10);
}

#[test]
fn what_another_tab_is_still_writing_is_found_once_it_is_whole() {
    let mut random = random();
    let all = kept(&mut random, 10, 6);
    let drive = Drive::default();
    put(&mut open(drive.clone(), AMPLE), &all);
    let (name, whole) = drive.files().pop_first().expect("a segment");
    drive.change(|files| files.get_mut(&name).expect("it is there").clear());
    let cache = open(drive.clone(), AMPLE);
    for length in 0..=whole.len() {
        drive.change(|files| *files.get_mut(&name).expect("it is there") = whole[..length].to_vec());
        let (records, _) = whole_records(&whole[..length]);
        assert_eq!(there(&cache, &all), (0..10).map(|n| n < records).collect::<Vec<_>>(), "{length} bytes");
    }
}
