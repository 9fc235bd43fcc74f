//! A segment's bytes: a header, then records, each behind the one before.
//!
//! | bytes | of a record |
//! |---|---|
//! | 4 | its length, all of it, as `u32` |
//! | 4 | CRC-32 of everything else |
//! | 16 | the text's hash |
//! | the rest | the body, of which nothing is known here |
//!
//! Numbers are little-endian. The lengths alone lead from record to record: one that is damaged in any
//! other place is passed over.

use crc32fast::Hasher;

/// What a segment begins with: a name and the format's version.
pub(super) const HEADER: [u8; 8] = *b"LLVSEG\x01\x00";
/// Bytes of a record before its body.
pub(in crate::workspace) const FRAME: usize = 24;
/// The longest record: what is read at once of a segment holds at least one.
pub(super) const MOST: usize = 4 << 20;

/// A text's hash, as its bytes.
pub(in crate::workspace) type Text = [u8; 16];

/// A record in the bytes of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::workspace) struct Record<'a> {
    /// Bytes of it, its frame included.
    pub(in crate::workspace) length: usize,
    /// Text and body; `None` if it is damaged.
    pub(in crate::workspace) content: Option<(Text, &'a [u8])>,
}

/// Appends a record. Nothing is appended if it would be longer than [`MOST`].
pub(in crate::workspace) fn append(bytes: &mut Vec<u8>, text: &Text, body: &[u8]) -> Option<usize> {
    let length = FRAME.checked_add(body.len()).filter(|length| *length <= MOST)?;
    let length_bytes = (length as u32).to_le_bytes();
    bytes.extend_from_slice(&length_bytes);
    bytes.extend_from_slice(&checksum(&length_bytes, text, body).to_le_bytes());
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(body);
    Some(length)
}

/// The first record; `None` where there is no whole one, or its length is none.
pub(in crate::workspace) fn first(bytes: &[u8]) -> Option<Record<'_>> {
    let (length_bytes, _) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length_bytes) as usize;
    if !(FRAME..=MOST).contains(&length) {
        return None;
    }
    let (_, rest) = bytes.get(..length)?.split_first_chunk::<4>()?;
    let (kept, rest) = rest.split_first_chunk::<4>()?;
    let (text, body) = rest.split_first_chunk::<16>()?;
    let is_whole = u32::from_le_bytes(*kept) == checksum(length_bytes, text, body);
    Some(Record { length, content: is_whole.then_some((*text, body)) })
}

fn checksum(length: &[u8; 4], text: &Text, body: &[u8]) -> u32 {
    let mut checksum = Hasher::new();
    checksum.update(length);
    checksum.update(text);
    checksum.update(body);
    checksum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn records_follow_each_other_and_a_damaged_one_is_passed_over() {
        let mut random = SplitMix64::new(3);
        let bodies: Vec<Vec<u8>> =
            (0..5).map(|n| (0..n * 7).map(|_| random.next_u64() as u8).collect()).collect();
        let mut bytes = Vec::new();
        let ends: Vec<usize> = bodies
            .iter()
            .map(|body| {
                append(&mut bytes, &[body.len() as u8; 16], body).expect("it is short");
                bytes.len()
            })
            .collect();
        let read = |mut bytes: &[u8]| {
            let mut found = Vec::new();
            while let Some(record) = first(bytes) {
                found.push(record.content.map(|(text, body)| (text[0], body.to_vec())));
                bytes = &bytes[record.length..];
            }
            found
        };
        let all: Vec<_> = bodies.iter().map(|body| Some((body.len() as u8, body.clone()))).collect();
        assert_eq!(read(&bytes), all);
        for at in 0..bytes.len() {
            assert_eq!(
                read(&bytes[..at]),
                all[..ends.iter().filter(|end| **end <= at).count()],
                "{at} bytes"
            );
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << random.below(8);
            let hit = ends.iter().filter(|end| **end <= at).count();
            let start = hit.checked_sub(1).map_or(0, |before| ends[before]);
            let found = read(&damaged);
            assert_eq!(found[..hit], all[..hit], "byte {at}");
            if at - start >= 4 {
                assert_eq!(found[hit], None, "byte {at}");
                assert_eq!(found[hit + 1..], all[hit + 1..], "byte {at}");
            }
        }
    }

    #[test]
    fn no_length_is_taken_for_one_that_is_too_short_or_too_long() {
        let mut bytes = vec![0; 100];
        for length in [0, 1, FRAME as u32 - 1, 101, MOST as u32 + 1, u32::MAX] {
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            assert_eq!(first(&bytes), None, "{length}");
        }
        assert_eq!(append(&mut bytes, &[0; 16], &vec![0; MOST]), None);
        assert_eq!(bytes.len(), 100);
    }
}
