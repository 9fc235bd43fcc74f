//! Appending to the segments of one model: the one that is written, the next one, and those that go.

use super::{
    SegmentLimits,
    files::{SegmentFiles, SegmentWriter},
    model::{ModelSegments, Open, Place, Seen, parse},
    record::{HEADER, Text},
};
use crate::{Error, Result};

/// New segments that are tried, where others take them.
const TRIES: u64 = 64;

impl<W: SegmentWriter> ModelSegments<W> {
    /// Appends records: their bytes, and the text and length of each.
    pub(super) async fn append(
        &mut self,
        files: &impl SegmentFiles<Writer = W>,
        limits: SegmentLimits,
        mut bytes: &[u8],
        mut records: &[(Text, usize)],
    ) -> Result<()> {
        while let Some((_, length)) = records.first() {
            if self.writer.is_none() || self.room(limits) < *length as u64 {
                self.begin(files, limits, *length as u64).await?;
            }
            // As many as there is room for, and at least one.
            let (room, mut count, mut sum) = (self.room(limits), 1, *length);
            for (_, length) in &records[1..] {
                if room < (sum + length) as u64 {
                    break;
                }
                (count, sum) = (count + 1, sum + length);
            }
            self.write(&bytes[..sum], &records[..count])?;
            (bytes, records) = (&bytes[sum..], &records[count..]);
        }
        Ok(())
    }

    /// Bytes that may still be appended to the segment that is written.
    fn room(&self, limits: SegmentLimits) -> u64 {
        let number = self.writer.as_ref().map(|writer| writer.number);
        let end = number.and_then(|number| self.seen.get(&number)).map_or(0, |seen| seen.end);
        limits.segment.saturating_sub(end)
    }

    fn write(&mut self, bytes: &[u8], records: &[(Text, usize)]) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let seen = self.seen.entry(writer.number).or_default();
        if let Err(error) = writer.file.write(seen.end, bytes) {
            // Back to the last whole record. A segment that cannot be mended is left.
            if writer.file.truncate(seen.end).is_err() {
                self.writer = None;
            }
            return Err(error);
        }
        for (text, length) in records {
            self.records.insert(*text, Place { segment: writer.number, at: seen.end, length: *length });
            seen.end += *length as u64;
        }
        seen.length = seen.end;
        Ok(())
    }

    /// Begins to write the newest segment that has room for so many bytes and that nobody else writes,
    /// or a new one.
    async fn begin(
        &mut self,
        files: &impl SegmentFiles<Writer = W>,
        limits: SegmentLimits,
        needed: u64,
    ) -> Result<()> {
        self.writer = None;
        let listed = files.list().await?;
        // Not for a few bytes: one that was full for another record stays so.
        let needed = needed.max(limits.segment / 8);
        let has_room = |(number, length): (u64, u64)| (length + needed <= limits.segment).then_some(number);
        let with_room: Vec<u64> = self.own(&listed).into_iter().rev().filter_map(has_room).collect();
        for number in with_room {
            match self.open(files, number).await {
                Ok(true) => {
                    self.make_room(files, limits, &listed, number).await;
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => log::warn!("a segment cannot be gone on with: {error}"),
            }
        }
        let newest = listed.iter().filter_map(|(file, _)| Some(parse(file)?.1)).max().unwrap_or(0);
        self.make_room(files, limits, &listed, newest + 1).await;
        for number in newest + 1..=newest + TRIES {
            if self.open(files, number).await? {
                return Ok(());
            }
        }
        Err(Error::Storage { reason: "every new file is taken by another tab or program".into() })
    }

    /// Opens a segment to write behind its last whole record; what is behind that is cut off. False if
    /// it is another's to write, or of another version.
    async fn open(&mut self, files: &impl SegmentFiles<Writer = W>, number: u64) -> Result<bool> {
        let Some(file) = files.open(&self.file(number)).await? else { return Ok(false) };
        let length = file.len()?;
        self.writer = Some(Open { number, file });
        // Only now it stays as it is: what was seen of it before does not count.
        self.forget(number);
        let ready = match self.scan(files, number, length).await {
            Ok(end) => self.mend(number, length, end),
            Err(error) => Err(error),
        };
        if ready != Ok(true) {
            self.writer = None;
        }
        ready
    }

    /// Makes the segment that is written end with its last whole record. False if it is of another
    /// version.
    fn mend(&mut self, number: u64, length: u64, end: u64) -> Result<bool> {
        let Some(writer) = &mut self.writer else { return Ok(false) };
        let header = HEADER.len() as u64;
        match end {
            0 if length >= header => return Ok(false),
            0 => writer.file.write(0, &HEADER)?,
            _ if end < length => writer.file.truncate(end)?,
            _ => {}
        }
        let end = end.max(header);
        self.seen.insert(number, Seen { length: end, end });
        Ok(true)
    }

    /// Removes the oldest segments until there is room for a whole one, number `kept`. One that somebody
    /// writes stays.
    async fn make_room(
        &mut self,
        files: &impl SegmentFiles<Writer = W>,
        limits: SegmentLimits,
        listed: &[(String, u64)],
        kept: u64,
    ) {
        let kept = self.file(kept);
        let others = listed.iter().filter(|(file, _)| *file != kept);
        let mut others: Vec<_> =
            others.filter_map(|(file, length)| Some((parse(file)?.1, file, *length))).collect();
        others.sort_unstable();
        let mut bytes: u64 = others.iter().map(|(_, _, length)| length).sum();
        for (number, file, length) in others {
            if bytes + limits.segment <= limits.total {
                break;
            }
            match files.remove(file).await {
                Ok(true) => {
                    bytes -= length;
                    if *file == self.file(number) {
                        self.forget(number);
                    }
                }
                Ok(false) => {}
                Err(error) => log::warn!("an old segment stays: {error}"),
            }
        }
    }
}
