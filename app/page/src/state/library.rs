//! The models on this device: which files are kept, and what is being fetched.

use std::collections::{BTreeMap, VecDeque};

use super::known::{self, ENCODER, Known, Place};
use llavacode_browser::model_store::{KeptFile, ModelFile, opfs::Room};
use llavacode_protocol::Step;

/// A rate is that of so many last milliseconds.
const WINDOW_MS: f64 = 5_000.0;

/// What is known of the files on this device. A model is named by its id, one of [`known::KNOWN`] or
/// the address of a GGUF file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Library {
    /// Whether files can be kept here; `None` until that is known.
    pub there: Option<bool>,
    /// How full it is.
    pub room: Room,
    kept: BTreeMap<String, KeptFile>,
    under_way: Option<UnderWay>,
    waiting: VecDeque<Order>,
    failed: BTreeMap<String, String>,
}

/// A model to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// Its files.
    pub files: Vec<ModelFile>,
}

#[derive(Debug, Clone, PartialEq)]
struct UnderWay {
    order: Order,
    step: Option<(String, Step)>,
    rate: Rate,
}

/// Where a model stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Nothing of it is here.
    Absent,
    /// Another one is fetched first.
    Waiting,
    /// It comes.
    Fetching(Amount, Speed),
    /// The connection is lost and tried again.
    Retrying(Amount),
    /// It is here; its hash is computed.
    Checking(Amount),
    /// A part is here.
    Paused(Amount),
    /// It could not be fetched; a part may be here.
    Failed(Amount, String),
    /// It is here, so many bytes.
    Whole(u64),
}

impl Standing {
    /// Its name in `data-state`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Waiting => "waiting",
            Self::Fetching(..) => "fetching",
            Self::Retrying(_) => "retrying",
            Self::Checking(_) => "checking",
            Self::Paused(_) => "paused",
            Self::Failed(..) => "error",
            Self::Whole(_) => "here",
        }
    }
}

/// Bytes of a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// So many are here.
    pub read: u64,
    /// Altogether; 0 where that is not known yet.
    pub total: u64,
}

/// How fast it comes, once that can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Speed {
    /// Bytes a second.
    pub bytes_a_second: Option<f64>,
    /// Seconds that are left at that rate.
    pub seconds_left: Option<f64>,
}

/// Bytes a second of the last seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rate {
    seen: VecDeque<(f64, u64)>,
}

impl Rate {
    /// So many bytes were here at a time.
    pub fn saw(&mut self, now_ms: f64, read: u64) {
        if self.seen.back().is_some_and(|&(_, before)| read < before) {
            // It began anew.
            self.seen.clear();
        }
        self.seen.push_back((now_ms, read));
        while self.seen.front().is_some_and(|&(at, _)| now_ms - at > WINDOW_MS) && self.seen.len() > 2 {
            self.seen.pop_front();
        }
    }

    /// Bytes a second, once a second of it is known.
    pub fn bytes_a_second(&self) -> Option<f64> {
        let (&(first, start), &(last, end)) = (self.seen.front()?, self.seen.back()?);
        (last - first >= 1000.0).then(|| (end - start) as f64 / (last - first) * 1000.0)
    }
}

/// The addresses of a model's files. `absolute` makes an address of one relative to the page.
pub fn files(id: &str, with_encoder: bool, absolute: impl Fn(&str) -> String) -> Vec<ModelFile> {
    let published = |known: &Known| match known.place {
        Place::Elsewhere(file) => {
            Some(ModelFile { url: file.url.to_owned(), sha256: Some(file.sha256.to_owned()) })
        }
        _ => None,
    };
    match known::find(id) {
        None => vec![ModelFile { url: id.to_owned(), sha256: None }],
        Some(Known { place: Place::BuiltIn, .. }) => Vec::new(),
        Some(Known { place: Place::Beside, .. }) => {
            // Its hash stands in its manifest, and is compared whenever it is loaded. What the page adds to it,
            // an adapter, is small and may be another tomorrow: that is kept as the page's own files are.
            vec![ModelFile { url: absolute(&format!("models/{id}/reader/model.gguf")), sha256: None }]
        }
        Some(known) => {
            let encoder = with_encoder.then_some(&ENCODER);
            [Some(known), encoder].into_iter().flatten().filter_map(published).collect()
        }
    }
}

impl Library {
    /// Takes in what the disk holds now.
    pub fn refresh(&mut self, kept: Vec<KeptFile>, room: Room) {
        self.there = Some(true);
        self.room = room;
        self.kept = kept.into_iter().map(|file| (file.record.url.clone(), file)).collect();
    }

    /// Whether all of these files are here.
    pub fn has(&self, files: &[ModelFile]) -> bool {
        files.iter().all(|file| self.kept.get(&file.url).is_some_and(|kept| kept.whole))
    }

    /// Puts a model on the list. Says what is to be begun now, if anything.
    pub fn order(&mut self, order: Order) -> Option<Order> {
        self.failed.remove(&order.id);
        let listed = self.under_way.iter().map(|under_way| &under_way.order).chain(&self.waiting);
        if listed.into_iter().any(|listed| listed.id == order.id) {
            return None;
        }
        self.waiting.push_back(order);
        self.begin_next()
    }

    fn begin_next(&mut self) -> Option<Order> {
        if self.under_way.is_some() {
            return None;
        }
        let order = self.waiting.pop_front()?;
        self.under_way = Some(UnderWay { order: order.clone(), step: None, rate: Rate::default() });
        Some(order)
    }

    /// What is being fetched, and how far it is.
    pub fn fetching(&self) -> Option<(String, Amount)> {
        let order = &self.under_way.as_ref()?.order;
        Some((order.id.clone(), self.amount(&order.files)))
    }

    /// Whether this one is being fetched.
    pub fn is_under_way(&self, id: &str) -> bool {
        self.under_way.as_ref().is_some_and(|under_way| under_way.order.id == id)
    }

    /// Takes one off the list that has not begun.
    pub fn forget_waiting(&mut self, id: &str) {
        self.waiting.retain(|order| order.id != id);
    }

    /// It goes on.
    pub fn on_step(&mut self, url: &str, step: Step, now_ms: f64) {
        let Some(under_way) = &mut self.under_way else { return };
        if let Step::Fetching { read, .. } = step {
            let before = under_way.step.as_ref().is_some_and(|(before, _)| before == url);
            if !before {
                under_way.rate = Rate::default();
            }
            under_way.rate.saw(now_ms, read);
        }
        under_way.step = Some((url.to_owned(), step));
    }

    /// It is over: done, stopped (`None`) or failed with a sentence. Says what was fetched, and what is
    /// to be begun now.
    pub fn on_end(&mut self, failed: Option<String>) -> (Option<Order>, Option<Order>) {
        let ended = self.under_way.take().map(|under_way| under_way.order);
        if let (Some(order), Some(message)) = (&ended, failed) {
            self.failed.insert(order.id.clone(), message);
        }
        (ended, self.begin_next())
    }

    /// Forgets that one could not be fetched.
    pub fn forget_failure(&mut self, id: &str) {
        self.failed.remove(id);
    }

    /// Where a model of these files stands.
    pub fn standing(&self, id: &str, files: &[ModelFile]) -> Standing {
        let step = self.under_way.as_ref().filter(|under_way| under_way.order.id == id);
        let amount = self.amount(files);
        if let Some(under_way) = step {
            return match &under_way.step {
                Some((_, Step::Waiting { .. })) => Standing::Retrying(amount),
                Some((_, Step::Checking { read, total })) => {
                    Standing::Checking(Amount { read: *read, total: *total })
                }
                _ => {
                    let rate = under_way.rate.bytes_a_second().filter(|&rate| rate > 0.0);
                    let left = amount.total.saturating_sub(amount.read) as f64;
                    let seconds_left = rate.filter(|_| amount.total > 0).map(|rate| left / rate);
                    Standing::Fetching(amount, Speed { bytes_a_second: rate, seconds_left })
                }
            };
        }
        if self.waiting.iter().any(|order| order.id == id) {
            Standing::Waiting
        } else if let Some(message) = self.failed.get(id) {
            Standing::Failed(amount, message.clone())
        } else if !files.is_empty() && self.has(files) {
            Standing::Whole(amount.read)
        } else if amount.read > 0 {
            Standing::Paused(amount)
        } else {
            Standing::Absent
        }
    }

    /// What is here of some files. What is being fetched is further than when the disk was looked at.
    pub fn amount(&self, files: &[ModelFile]) -> Amount {
        let step = self.under_way.as_ref().and_then(|under_way| under_way.step.as_ref());
        let mut amount = Amount::default();
        for ModelFile { url, .. } in files {
            let live = step.filter(|(at, _)| at == url).map(|(_, step)| match *step {
                Step::Fetching { read, total } | Step::Waiting { read, total } => (read, total),
                Step::Checking { total, .. } => (total, Some(total)),
            });
            let kept = self.kept.get(url).map(|kept| (kept.bytes, kept.record.total));
            let (read, total) = live.or(kept).unwrap_or_default();
            let known = known::KNOWN.iter().chain([&ENCODER]).find_map(|known| match known.place {
                Place::Elsewhere(file) if file.url == url => Some(file.bytes),
                _ => None,
            });
            amount.read += read;
            amount.total += total.or(known).unwrap_or(0);
        }
        amount
    }

    /// Models that the user brought by their address, and files kept that belong to no known model.
    pub fn others(&self, known: &[String]) -> Vec<String> {
        let ids = self.kept.keys().chain(self.failed.keys());
        let under_way = self.under_way.iter().map(|under_way| &under_way.order.id);
        let waiting = self.waiting.iter().map(|order| &order.id);
        let all = ids.chain(under_way).chain(waiting);
        let mut others: Vec<String> =
            all.filter(|id| !known.contains(id) && known::find(id).is_none()).cloned().collect();
        others.sort();
        others.dedup();
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llavacode_browser::model_store::Record;

    const URL: &str = "https://example.org/m.gguf";

    fn own() -> Vec<ModelFile> {
        files(URL, true, str::to_owned)
    }

    fn kept(url: &str, bytes: u64, whole: bool) -> KeptFile {
        KeptFile { record: Record { url: url.into(), total: Some(100), etag: None }, bytes, whole }
    }

    fn order(id: &str) -> Order {
        Order { id: id.into(), files: files(id, false, str::to_owned) }
    }

    #[test]
    fn a_models_files_are_its_own_and_the_encoders_if_wished() {
        assert!(files("pico", true, str::to_owned).is_empty());
        let beside = files("smollm2-135m", true, |url| format!("http://here/{url}"));
        assert_eq!(beside[0].url, "http://here/models/smollm2-135m/reader/model.gguf");
        assert_eq!(beside.len(), 1);
        assert_eq!(files("qwen2.5-coder-0.5b", false, str::to_owned).len(), 1);
        let pair = files("qwen2.5-coder-0.5b", true, str::to_owned);
        assert!(pair.len() == 2 && pair[1].url.contains("Embedding") && pair[1].sha256.is_some());
        assert_eq!(own(), [ModelFile { url: URL.into(), sha256: None }]);
    }

    #[test]
    fn a_model_goes_from_absent_to_whole_and_can_be_paused_between() {
        let mut library = Library::default();
        assert_eq!(library.standing(URL, &own()), Standing::Absent);
        assert_eq!(library.order(order(URL)), Some(order(URL)));
        assert_eq!(library.order(order(URL)), None, "it is under way");
        for (second, read) in [(0.0, 10), (1.0, 20), (2.0, 30)] {
            library.on_step(URL, Step::Fetching { read, total: Some(100) }, second * 1000.0);
        }
        let speed = Speed { bytes_a_second: Some(10.0), seconds_left: Some(7.0) };
        let amount = Amount { read: 30, total: 100 };
        assert_eq!(library.standing(URL, &own()), Standing::Fetching(amount, speed));
        library.on_step(URL, Step::Waiting { read: 30, total: Some(100) }, 3000.0);
        assert_eq!(library.standing(URL, &own()), Standing::Retrying(amount));

        assert_eq!(library.on_end(None), (Some(order(URL)), None));
        library.refresh(vec![kept(URL, 30, false)], Room::default());
        assert_eq!(library.standing(URL, &own()), Standing::Paused(amount));

        assert!(library.order(order(URL)).is_some());
        library.on_step(URL, Step::Checking { read: 50, total: 100 }, 0.0);
        assert_eq!(library.standing(URL, &own()), Standing::Checking(Amount { read: 50, total: 100 }));
        library.on_end(None);
        library.refresh(vec![kept(URL, 100, true)], Room::default());
        assert_eq!(library.standing(URL, &own()), Standing::Whole(100));
    }

    #[test]
    fn one_is_fetched_at_a_time_and_a_failure_lets_the_next_begin() {
        let mut library = Library::default();
        let qwen = "qwen2.5-coder-0.5b";
        assert!(library.order(order(URL)).is_some());
        assert_eq!(library.order(order(qwen)), None);
        assert_eq!(library.standing(qwen, &files(qwen, false, str::to_owned)), Standing::Waiting);
        let (ended, next) = library.on_end(Some("It answered 404.".into()));
        assert_eq!((ended, next), (Some(order(URL)), Some(order(qwen))));
        let failed = Standing::Failed(Amount::default(), "It answered 404.".into());
        assert_eq!(library.standing(URL, &own()), failed);
        assert_eq!(library.others(&[]), [URL]);
        library.forget_failure(URL);
        assert!(library.others(&[]).is_empty());
    }

    #[test]
    fn a_pair_counts_together_and_is_whole_only_together() {
        let pair = files("qwen2.5-coder-0.5b", true, str::to_owned);
        let mut library = Library::default();
        library.refresh(vec![kept(&pair[0].url, 100, true)], Room::default());
        let amount = Amount { read: 100, total: 100 + 639_150_592 };
        assert_eq!(library.standing("qwen2.5-coder-0.5b", &pair), Standing::Paused(amount));
        assert_eq!(library.standing("qwen2.5-coder-0.5b", &pair[..1]), Standing::Whole(100));
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_begins_anew_with_the_file() {
        let mut rate = Rate::default();
        for second in 0..20u32 {
            let read = if second < 10 { 0 } else { u64::from(second - 10) * 500 };
            rate.saw(f64::from(second) * 1000.0, read);
        }
        assert_eq!(rate.bytes_a_second(), Some(500.0));
        rate.saw(20_000.0, 5);
        assert_eq!(rate.bytes_a_second(), None);
    }
}
