//! The segments of one model: what is in them, and finding it.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use sha2::{Digest, Sha256};

use super::{
    files::{SegmentFiles, SegmentWriter},
    record::{self, HEADER, MOST, Text},
};
use crate::{
    Error, Result,
    index::{TextHash, Vectors},
    workspace::decode,
};

/// Bytes between two records that are read rather than asked for apart.
const GAP: u64 = 64 << 10;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) at: u64,
    pub(super) length: usize,
}

impl Place {
    fn end(self) -> u64 {
        self.at + self.length as u64
    }

    /// Whether `next`, a later place, is read along with this one.
    fn reaches(self, next: Self) -> bool {
        self.segment == next.segment && next.at <= self.end() + GAP
    }
}

/// What was seen of a segment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) length: u64,
    /// Where its last whole record ends; 0 if it does not even have a header.
    pub(super) end: u64,
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Open<W> {
    pub(super) number: u64,
    pub(super) file: W,
}

/// The segments of one model.
#[derive(Debug)]
pub(super) struct ModelSegments<W> {
    model: String,
    /// What the names of its segments begin with.
    name: String,
    pub(super) records: HashMap<Text, Place>,
    pub(super) seen: BTreeMap<u64, Seen>,
    pub(super) writer: Option<Open<W>>,
}

/// A file's model and number; `None` if it is no segment.
pub(super) fn parse(file: &str) -> Option<(&str, u64)> {
    let (model, number) = file.strip_suffix(".segment")?.rsplit_once('-')?;
    Some((model, number.parse().ok()?))
}

/// What cannot be read is missing.
fn unreadable<T: Default>(error: Error) -> T {
    log::warn!("vectors that cannot be read are made anew: {error}");
    T::default()
}

impl<W: SegmentWriter> ModelSegments<W> {
    pub(super) fn new(model: &str) -> Self {
        let name = hex::encode(&Sha256::digest(model)[..16]);
        Self { model: model.into(), name, records: HashMap::new(), seen: BTreeMap::new(), writer: None }
    }

    pub(super) fn is_of(&self, model: &str) -> bool {
        self.model == model
    }

    pub(super) fn file(&self, number: u64) -> String {
        format!("{}-{number:08}.segment", self.name)
    }

    /// The number and length of each of its segments among these files, the oldest first.
    pub(super) fn own(&self, files: &[(String, u64)]) -> BTreeMap<u64, u64> {
        let own = |(file, length): &(String, u64)| match parse(file)? {
            (model, number) if model == self.name => Some((number, *length)),
            _ => None,
        };
        files.iter().filter_map(own).collect()
    }

    /// The vectors of these texts.
    pub(super) async fn recall(
        &mut self,
        files: &impl SegmentFiles<Writer = W>,
        texts: &[TextHash],
    ) -> Result<Vec<Option<Vectors>>> {
        if texts.iter().any(|text| !self.records.contains_key(text.bytes())) {
            self.look(files).await?;
        }
        let place = |(n, text): (usize, &TextHash)| Some((*self.records.get(text.bytes())?, n));
        let mut wanted: Vec<(Place, usize)> = texts.iter().enumerate().filter_map(place).collect();
        wanted.sort_unstable();
        let mut found: Vec<Option<Vectors>> = texts.iter().map(|_| None).collect();
        for run in wanted.chunk_by(|(place, _), (next, _)| place.reaches(*next)) {
            let (first, last) = (run[0].0, run[run.len() - 1].0);
            let bytes = self.read(files, first.segment, first.at..last.end()).await;
            let bytes = bytes.unwrap_or_else(unreadable);
            for (place, n) in run {
                let record = bytes.get((place.at - first.at) as usize..).and_then(record::first);
                let content = record.and_then(|record| record.content);
                let body = content.filter(|(text, _)| text == texts[*n].bytes()).map(|(_, body)| body);
                found[*n] = body.and_then(|body| decode(&self.model, texts[*n], body));
                if found[*n].is_none() {
                    self.records.remove(texts[*n].bytes());
                    // Nor is the segment, if it is the one that is written, what it was taken for.
                    self.writer.take_if(|writer| writer.number == place.segment);
                }
            }
        }
        Ok(found)
    }

    /// Takes in what was appended since the last look, whoever did, and forgets what was removed.
    async fn look(&mut self, files: &impl SegmentFiles<Writer = W>) -> Result<()> {
        let own = self.own(&files.list().await?);
        let known = self.seen.len();
        self.seen.retain(|number, _| own.contains_key(number));
        if self.seen.len() < known {
            self.records.retain(|_, place| own.contains_key(&place.segment));
            self.writer.take_if(|writer| !own.contains_key(&writer.number));
        }
        let written = self.writer.as_ref().map(|writer| writer.number);
        for (number, length) in own {
            if Some(number) != written && self.seen.get(&number).is_none_or(|seen| seen.length != length) {
                let scanned = self.scan(files, number, length).await;
                scanned.map_or_else(unreadable, drop);
            }
        }
        Ok(())
    }

    /// Reads a segment of this length from where its last whole record ended. Says where it ends now.
    pub(super) async fn scan(
        &mut self,
        files: &impl SegmentFiles<Writer = W>,
        number: u64,
        length: u64,
    ) -> Result<u64> {
        let header = HEADER.len() as u64;
        let seen = self.seen.get(&number).map_or(0, |seen| seen.end);
        // What has become shorter was cut by its writer, and may be other records from there on.
        let mut end = if seen <= length { seen } else { 0 };
        // Even what cannot be read is not looked at again until it grows.
        self.seen.insert(number, Seen { length, end });
        if end == 0 && length >= header && self.read(files, number, 0..header).await? == HEADER {
            end = header;
            self.seen.insert(number, Seen { length, end });
        }
        let mut at = end;
        while end > 0 && at < length {
            let bytes = self.read(files, number, at..length.min(at + MOST as u64)).await?;
            let mut rest = &bytes[..];
            while let Some(record) = record::first(rest) {
                let place = Place { segment: number, at, length: record.length };
                at += record.length as u64;
                rest = &rest[record.length..];
                if let Some((text, _)) = record.content {
                    self.records.insert(text, place);
                    end = at;
                }
            }
            self.seen.insert(number, Seen { length, end });
            if rest.len() == bytes.len() {
                break;
            }
        }
        Ok(end)
    }

    async fn read(
        &self,
        files: &impl SegmentFiles<Writer = W>,
        number: u64,
        range: Range<u64>,
    ) -> Result<Vec<u8>> {
        match &self.writer {
            Some(writer) if writer.number == number => writer.file.read(range),
            _ => files.read(&self.file(number), range).await,
        }
    }

    pub(super) fn forget(&mut self, number: u64) {
        self.seen.remove(&number);
        self.records.retain(|_, place| place.segment != number);
    }
}
