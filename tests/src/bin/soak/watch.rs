//! Looks at the page once a minute while it is typed into.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use llavacode_tests::harness::Page;
use llavacode_tests::processes;
use llavacode_tests::server::Site;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::error::Elapsed;

use super::report::{Event, Kind, Report, Sample};

/// The longest that the page may take to answer.
const ANSWER: Duration = Duration::from_secs(180);
/// How long an engine that is being started again at the end is waited for.
const RECOVERY: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);

/// The page, made to tell what it shows and what memory its worker has.
pub(super) fn instrument(site: Site) -> Result<Site> {
    site.in_worker_first(include_str!("worker.js"))?.in_page_first(include_str!("page.js"))
}

/// What the page answers, if it does.
pub(super) async fn answered<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let answer = tokio::time::timeout(ANSWER, work).await;
    answer.with_context(|| format!("the page has not answered for {} s", ANSWER.as_secs()))?
}

/// Whether an error is that the page did not answer.
pub(super) fn is_silence(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Elapsed>())
}

/// What `page.js` tells: lists of what happened since the last time, and counts from the page's opening on.
#[derive(Deserialize)]
struct Seen {
    /// Bytes; as an integer a browser's number may be too large.
    page: f64,
    worker: f64,
    buffers: f64,
    started: u64,
    shown: u64,
    indexed: u64,
    notices: Vec<Said>,
    states: Vec<State>,
    /// Lanes and their milliseconds to the first token.
    done: Vec<(String, f64)>,
    failed: Vec<Said>,
    state: String,
    backend: String,
    engine: String,
    chunks: u64,
    lane: String,
}

/// A sentence, and how grave it is or whose.
#[derive(Deserialize)]
struct Said {
    at: f64,
    kind: String,
    text: String,
}

/// What the status line said of the engine.
#[derive(Deserialize)]
struct State {
    at: f64,
    state: String,
    backend: String,
}

/// A run as it is seen.
pub(super) struct Watch<'a> {
    page: &'a Page,
    report: Report,
    /// Where the report is kept.
    folder: PathBuf,
    start: Instant,
    /// The same by the page's clock, in milliseconds.
    start_ms: f64,
    /// How long it is typed.
    time: Duration,
    /// When it is looked at next.
    due: Duration,
    /// The page's counts at the last look.
    shown: u64,
    indexed: u64,
    /// What the status line said last.
    was_ready: bool,
    has_failed: bool,
}

impl<'a> Watch<'a> {
    /// Looks at a page that can be used the first time.
    pub(super) async fn start(page: &'a Page, report: Report, folder: &Path, time: Duration) -> Result<Self> {
        let clock = answered(page.evaluate("performance.now()")).await?;
        let mut watch = Self {
            page,
            report,
            folder: folder.to_owned(),
            start: Instant::now(),
            start_ms: clock.as_f64().context("the page has no clock")?,
            time,
            due: MINUTE,
            shown: 0,
            indexed: 0,
            was_ready: true,
            has_failed: false,
        };
        watch.look().await?;
        Ok(watch)
    }

    /// Whether there is nothing more to type: the time is over, or the engine does not run.
    pub(super) fn is_over(&self) -> bool {
        self.start.elapsed() >= self.time || self.has_failed
    }

    /// Lets time pass, and looks at the page when a minute is over.
    pub(super) async fn rest(&mut self, pause: Duration) -> Result<()> {
        tokio::time::sleep(pause).await;
        if self.start.elapsed() >= self.due {
            self.look().await?;
        }
        Ok(())
    }

    /// Notes that something happened now.
    pub(super) fn note(&mut self, kind: Kind, text: String) {
        let minutes = self.start.elapsed().as_secs_f64() / 60.0;
        self.happened(minutes, kind, text);
    }

    /// Looks a last time, once an engine that is being started again is there, and ends.
    pub(super) async fn finish(mut self, typed: Result<()>) -> Report {
        let ended = match typed {
            Ok(()) => self.look_last().await,
            stopped => stopped,
        };
        if let Err(error) = ended {
            // It shows what the page does not say, if it shows anything.
            let picture = tokio::time::timeout(MINUTE, self.page.screenshot("soak-failed")).await;
            let seen = match picture {
                Ok(Ok(file)) => format!("; see {}", file.display()),
                _ => String::new(),
            };
            self.report.stopped = Some(format!("typing was stopped: {error:#}{seen}"));
        }
        self.report
    }

    async fn look_last(&mut self) -> Result<()> {
        let state = "document.querySelector(\"[data-testid='status']\").dataset.state";
        let waited = Instant::now();
        while waited.elapsed() < RECOVERY && answered(self.page.evaluate(state)).await? == "loading" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.look().await
    }

    /// Takes a sample and what happened, prints the one and the other, and keeps all.
    async fn look(&mut self) -> Result<()> {
        let is_first = self.report.samples.is_empty();
        let told = self.report.events.len();
        self.due = self.start.elapsed() + MINUTE;
        // What is held counts, not what waits to be collected.
        self.devtools("HeapProfiler.collectGarbage").await?;
        let heap = self.devtools("Runtime.getHeapUsage").await?;
        let document = self.devtools("Memory.getDOMCounters").await?;
        let number = |from: &Value, key: &str| {
            from[key].as_f64().with_context(|| format!("the browser does not tell {key}: {from}"))
        };
        let seen = answered(self.page.evaluate("window.takeSoak()")).await?;
        let seen: Seen = serde_json::from_value(seen).context("the page tells something else")?;
        let resident = self.page.browser().process().map(processes::resident).unwrap_or_default();
        let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);

        let mut sample = Sample {
            minutes: self.start.elapsed().as_secs_f64() / 60.0,
            worker_bytes: seen.worker,
            page_bytes: seen.page,
            buffer_bytes: seen.buffers,
            heap_bytes: number(&heap, "usedSize")?,
            nodes: number(&document, "nodes")?,
            listeners: number(&document, "jsEventListeners")?,
            resident_bytes: bytes(resident.all),
            renderer_bytes: bytes(resident.renderers),
            gpu_process_bytes: bytes(resident.gpu),
            engine: seen.engine,
            state: seen.state,
            backend: seen.backend,
            chunks: seen.chunks,
            workers: seen.started,
            lane: seen.lane,
            ..Sample::default()
        };
        // What was before is none of the typing's.
        if !is_first {
            sample.shown = seen.shown.saturating_sub(self.shown);
            sample.indexed = seen.indexed.saturating_sub(self.indexed);
            for (lane, ms) in seen.done {
                sample.ttft_ms.entry(lane).or_default().push(ms);
            }
            for State { at, state, backend } in seen.states {
                self.follow(at, &state, &backend);
            }
        }
        (self.shown, self.indexed) = (seen.shown, seen.indexed);
        for Said { at, kind, text } in seen.notices {
            self.happened(self.minutes_at(at), Kind::Notice, format!("{kind}: {text}"));
        }
        for Said { at, kind, text } in seen.failed {
            self.happened(self.minutes_at(at), Kind::Lane, format!("{kind}: {text}"));
        }
        let console = answered(self.page.browser().console()).await?;
        // A file that a server need not have is an error to the console, too.
        for line in console.into_iter().filter(|line| !is_first && line.starts_with("SEVERE")) {
            // One that is said again and again stands once.
            if self.report.events.iter().all(|event| event.text != line) {
                self.note(Kind::Console, line);
            }
        }
        self.has_failed = sample.state == "error";
        self.report.samples.push(sample);
        println!("{}", self.report.line());
        for Event { minutes, text, .. } in &self.report.events[told..] {
            println!("  at minute {minutes:.1}: {text}");
        }
        self.report.keep(&self.folder, "latest.json").context("the report could not be written")?;
        Ok(())
    }

    /// Follows the engine's states.
    fn follow(&mut self, at: f64, state: &str, backend: &str) {
        let is_ready = state == "ready";
        let text = match (self.was_ready, is_ready, state) {
            (_, false, "error") => "it does not run".to_owned(),
            (true, false, _) => "it is started again".to_owned(),
            (false, true, _) => format!("it is ready again, on {backend}"),
            _ => return,
        };
        self.was_ready = is_ready;
        self.happened(self.minutes_at(at), Kind::Engine, text);
    }

    fn happened(&mut self, minutes: f64, kind: Kind, text: String) {
        self.report.events.push(Event { minutes: minutes.max(0.0), kind, text });
    }

    /// Minutes from the start to a time of the page's clock.
    fn minutes_at(&self, ms: f64) -> f64 {
        (ms - self.start_ms) / 60e3
    }

    async fn devtools(&self, command: &str) -> Result<Value> {
        answered(self.page.browser().devtools(command, json!({}))).await
    }
}
