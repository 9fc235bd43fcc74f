//! Fetching one file into the store, and going on where an earlier try ended.

use std::time::Duration;

use llavacode_protocol::Step;
use sha2::{Digest, Sha256};

use super::{ModelFile, Record, name_of};
pub use super::{
    fault::Fault,
    surroundings::{Answer, Body, Host, Place, Refused},
};

/// Pauses after a lost connection, one after the other; bytes that come begin them anew. After the
/// last the user decides.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
];
/// A pause is cut into these, so that the user need not wait for its end.
const SLICE: Duration = Duration::from_millis(250);
/// Bytes read from the disk at once, for the hash.
const PIECE: u64 = 4 << 20;

/// How a try ended, if the file is not there.
enum Ended {
    Over(Fault),
    /// Worth another try.
    Lost(String),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Over(fault)
    }
}

/// Fetches a file, from where an earlier try ended. What was there is kept only if it is of the same
/// address and, as far as the server tells, of the same version.
///
/// # Errors
/// [`Fault`]
pub async fn transfer<H: Host, P: Place>(
    host: &H,
    place: &mut P,
    file: &ModelFile,
    progress: impl FnMut(Step),
) -> Result<(), Fault> {
    let mut transfer = Transfer { host, place, file, progress, record: None, at: 0, heard: false };
    let outcome = transfer.run().await;
    // What came is to be there at the next try, whatever stopped this one.
    let flushed = transfer.refused_by(|place| place.flush());
    outcome.and(flushed)
}

struct Transfer<'a, H, P, F> {
    host: &'a H,
    place: &'a mut P,
    file: &'a ModelFile,
    progress: F,
    record: Option<Record>,
    /// Bytes that are there.
    at: u64,
    /// The server has answered.
    heard: bool,
}

impl<H: Host, P: Place, F: FnMut(Step)> Transfer<'_, H, P, F> {
    async fn run(&mut self) -> Result<(), Fault> {
        self.record = self.place.record().await.filter(|record| record.url == self.file.url);
        match self.record {
            Some(_) => self.at = self.refused_by(|place| place.len())?,
            None => self.clear().await?,
        }
        let mut tries = 0;
        loop {
            let before = self.at;
            match self.attempt().await {
                Ok(()) => break,
                Err(Ended::Over(fault)) => return Err(fault),
                Err(Ended::Lost(reason)) => {
                    if !self.heard && self.host.is_online() {
                        return Err(Fault::Unreachable { url: self.file.url.clone(), reason });
                    }
                    tries = if self.at > before { 0 } else { tries };
                    let Some(&pause) = PAUSES.get(tries) else { return Err(Fault::Lost { reason }) };
                    tries += 1;
                    self.pause(pause).await?;
                }
            }
        }
        self.check_hash().await?;
        let whole = self.place.set_whole().await;
        self.or_fault(whole)
    }

    fn total(&self) -> Option<u64> {
        self.record.as_ref().and_then(|record| record.total)
    }

    fn stop_if_told(&self) -> Result<(), Fault> {
        if self.host.is_stopped() { Err(Fault::Stopped) } else { Ok(()) }
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), Fault> {
        let (read, total) = (self.at, self.total());
        (self.progress)(Step::Waiting { read, total });
        let mut waited = Duration::ZERO;
        while waited < pause {
            self.stop_if_told()?;
            self.host.wait(SLICE).await;
            waited += SLICE;
        }
        self.stop_if_told()
    }

    /// Asks once for what is missing, and takes what comes.
    async fn attempt(&mut self) -> Result<(), Ended> {
        if self.total() == Some(self.at) && self.at > 0 {
            return Ok(());
        }
        let mut answer = self.ask().await?;
        // The whole file, another version of it, or another place in it: from the beginning.
        let begins_anew = match answer.status {
            200 | 416 => self.at > 0,
            206 => self.at > 0 && !self.goes_on(&answer),
            _ => false,
        };
        if begins_anew {
            self.clear().await?;
            if answer.status != 200 {
                answer = self.ask().await?;
            }
        }
        self.refuse_status(answer.status)?;
        if self.at == 0 {
            if answer.range.is_some_and(|(start, _)| start > 0) {
                return Err(Ended::Lost("the server sent another part than was asked for".into()));
            }
            self.begin(&answer).await?;
        }
        let end = self.total();
        let mut first = (self.at == 0).then(Vec::new);
        while let Some(bytes) = answer.body.next().await.map_err(Ended::Lost)? {
            self.stop_if_told()?;
            self.take(&bytes)?;
            self.recognise(&mut first, &bytes).await?;
            if end.is_some_and(|end| self.at > end) {
                self.clear().await?;
                return Err(Ended::Lost("the server sent more than it said".into()));
            }
        }
        match end {
            Some(end) if self.at < end => Err(Ended::Lost("it ended early".into())),
            Some(_) => Ok(()),
            None => {
                let record = self.record.as_mut().map(|record| {
                    record.total = Some(self.at);
                    record.clone()
                });
                if let Some(record) = record {
                    let kept = self.place.set_record(&record).await;
                    self.or_fault(kept)?;
                }
                Ok(())
            }
        }
    }

    async fn ask(&mut self) -> Result<Answer<H::Body>, Ended> {
        self.stop_if_told()?;
        let answer = self.host.get(&self.file.url, self.at).await.map_err(Ended::Lost)?;
        self.heard = true;
        // Before anything that is here is given up for it.
        match answer.is_page && matches!(answer.status, 200..=299) {
            true => Err(Fault::Page { url: self.file.url.clone() }.into()),
            false => Ok(answer),
        }
    }

    /// Whether an answer is the rest of what is there.
    fn goes_on(&self, answer: &Answer<H::Body>) -> bool {
        let Some(record) = &self.record else { return false };
        let same_mark = match (&record.etag, &answer.etag) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        };
        // Cross-origin a page sees the length of what comes, seldom more.
        let place = match (answer.range, answer.length) {
            (Some((start, total)), _) => start == self.at && record.total.is_none_or(|known| known == total),
            (None, Some(length)) => record.total == Some(self.at + length),
            (None, None) => false,
        };
        answer.status == 206 && same_mark && place
    }

    fn refuse_status(&self, status: u16) -> Result<(), Ended> {
        let meaning = match status {
            200 | 206 => return Ok(()),
            408 | 429 | 500..=599 => return Err(Ended::Lost(format!("the server answered {status}"))),
            401 | 403 => "it may not be read without leave; some models have to be asked for first",
            404 | 410 => "there is no such file; check the address",
            _ => "it cannot be fetched that way; check the address",
        };
        Err(Fault::Status { url: self.file.url.clone(), status, meaning }.into())
    }

    /// Notes what the server says of the file, once there is room for it.
    async fn begin(&mut self, answer: &Answer<H::Body>) -> Result<(), Fault> {
        let total = answer.range.map(|(_, total)| total).or(answer.length);
        if let (Some(total), Some(free)) = (total, self.place.free().await)
            && total > free
        {
            let file = name_of(&self.file.url).to_owned();
            return Err(Fault::NoRoom { file, needed: total.div_ceil(1_000_000), free: free / 1_000_000 });
        }
        let record = Record { url: self.file.url.clone(), total, etag: answer.etag.clone() };
        let kept = self.place.set_record(&record).await;
        self.or_fault(kept)?;
        self.record = Some(record);
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let at = self.at;
        self.refused_by(|place| place.write(at, bytes))?;
        self.at += bytes.len() as u64;
        let (read, total) = (self.at, self.total());
        (self.progress)(Step::Fetching { read, total });
        Ok(())
    }

    /// Looks at the first bytes of a GGUF file: what cannot be run need not come whole.
    async fn recognise(&mut self, first: &mut Option<Vec<u8>>, bytes: &[u8]) -> Result<(), Fault> {
        let Some(seen) = first else { return Ok(()) };
        let file = name_of(&self.file.url);
        if !file.to_lowercase().ends_with(".gguf") {
            *first = None;
            return Ok(());
        }
        seen.extend_from_slice(&bytes[..bytes.len().min(H::FIRST_BYTES)]);
        if seen.len() < H::FIRST_BYTES && self.total() != Some(self.at) {
            return Ok(());
        }
        let seen = first.take().unwrap_or_default();
        if let Err(sentence) = self.host.recognise(file, &seen).await {
            self.clear().await?;
            return Err(Fault::Wrong(sentence));
        }
        Ok(())
    }

    async fn check_hash(&mut self) -> Result<(), Fault> {
        let Some(expected) = &self.file.sha256 else { return Ok(()) };
        let (total, mut hasher, mut read) = (self.at, Sha256::new(), 0);
        while read < total {
            self.stop_if_told()?;
            let piece = self.refused_by(|place| place.read(read, PIECE.min(total - read)))?;
            hasher.update(&piece);
            read += piece.len() as u64;
            (self.progress)(Step::Checking { read, total });
            // The page's messages come in between.
            self.host.wait(Duration::ZERO).await;
            if piece.is_empty() {
                break;
            }
        }
        let found = hex::encode(hasher.finalize());
        if found.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        self.clear().await?;
        let short = |hash: &str| hash.chars().take(12).collect();
        let file = name_of(&self.file.url).to_owned();
        Err(Fault::Hash { file, found: short(&found), expected: short(expected) })
    }

    async fn clear(&mut self) -> Result<(), Fault> {
        let cleared = self.place.clear().await;
        self.or_fault(cleared)?;
        (self.at, self.record) = (0, None);
        Ok(())
    }

    fn refused_by<T>(&mut self, act: impl FnOnce(&mut P) -> Result<T, Refused>) -> Result<T, Fault> {
        let outcome = act(self.place);
        self.or_fault(outcome)
    }

    fn or_fault<T>(&self, outcome: Result<T, Refused>) -> Result<T, Fault> {
        outcome.map_err(|refused| Fault::of(refused, self.file))
    }
}

#[cfg(test)]
mod tests;
