//! What the page and its worker say while a model loads and completes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use llavacode_tests::harness::Page;
use llavacode_tests::server::Site;
use serde_json::{Value, json};

/// Runs in the page before it: collects what `watch.js` tells of the worker.
const COLLECT: &str = "(() => {\
    window.realSize = { worker: 0, buffers: 0, largest: 0, events: [], state: '', start: performance.now() };\
    const mb = bytes => Math.round(bytes / 1e6);\
    new BroadcastChannel('real-size').onmessage = ({ data }) => {\
        const seen = window.realSize, at = performance.now() - seen.start;\
        if (data.trouble) { seen.events.push({ type: 'failed', message: data.trouble, at }); return; }\
        for (const size of ['worker', 'buffers', 'largest']) seen[size] = Math.max(seen[size], data[size]);\
        const { event, lane } = data;\
        if (!event) return;\
        if (event.type === 'loading') seen.state = `${mb(event.read)} of ${mb(event.total)} MB, worker ${mb(data.worker)}, device ${mb(data.buffers)}`;\
        else if (event.type === 'indexing') seen.state = `${event.done} of ${event.total} chunks`;\
        else seen.events.push({ ...event, lane, at, worker: data.worker });\
    };\
    })()";

/// Forgets what was seen: from here on it is another model's.
const FORGET: &str = "Object.assign(window.realSize, { worker: 0, buffers: 0, largest: 0, events: [], state: '', \
                      start: performance.now() })";

/// The page, made to tell.
pub(super) fn instrument(site: Site) -> Result<Site> {
    site.in_worker_first(include_str!("watch.js"))?.in_page_first(COLLECT)
}

/// Everything seen of one model.
pub(super) struct Watch<'a> {
    page: &'a Page,
    start: Instant,
    patience: Duration,
    printed: String,
    /// Events printed so far.
    told: usize,
}

impl<'a> Watch<'a> {
    /// Starts with what comes from now on.
    pub(super) async fn start(page: &'a Page, patience: Duration) -> Result<Self> {
        page.evaluate(FORGET).await?;
        Ok(Self { page, start: Instant::now(), patience, printed: String::new(), told: 0 })
    }

    /// Waits for an event that is so, and prints what happens meanwhile.
    pub(super) async fn wait(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let seen = self.seen().await?;
            let events = seen["events"].as_array().cloned().unwrap_or_default();
            for event in &events[self.told.min(events.len())..] {
                self.tell(event);
            }
            self.told = events.len();
            if let Some(event) = events.iter().find(|event| is_it(event)) {
                return Ok(event.clone());
            }
            let failed = events.iter().find(|event| event["type"] == "failed");
            if let Some(failed) = failed {
                bail!("{what}: {}", failed["message"].as_str().unwrap_or_default());
            }
            let notices = self.page.notices().await?;
            if self.page.evaluate("document.querySelector(\"[data-testid='status']\")?.dataset.state").await?
                == json!("error")
            {
                bail!("{what}: the page says: {notices}");
            }
            if self.start.elapsed() > self.patience {
                bail!("{what}: not within {} s; the page says: {notices}", self.patience.as_secs());
            }
            let state = seen["state"].as_str().unwrap_or_default().to_owned();
            if state != self.printed {
                println!("{:>6.0} s  {state}", self.start.elapsed().as_secs_f64());
                self.printed = state;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// Memory at its most so far: `worker`, `buffers` and the `largest` of them.
    pub(super) async fn seen(&self) -> Result<Value> {
        self.page.evaluate("window.realSize").await
    }

    fn tell(&self, event: &Value) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let at = event["at"].as_f64().unwrap_or_default() / 1e3;
        let worker = event["worker"].as_f64().unwrap_or_default() / 1e6;
        let words = [text("type"), text("lane"), text("event"), text("message")];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        println!("{at:>6.0} s  {}, the worker's memory {worker:.0} MB", words.join(" "));
    }
}
