//! What was seen, what follows from it, and both as JSON and as a table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use llavacode_core::metrics::percentile;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Minutes in which caches may fill: growth is what comes after them.
const SETTLED: f64 = 10.0;
/// Minutes that a run takes to tell growth.
const SHORTEST: f64 = 20.0;
/// A judged figure grew too much if it grew by more than this share of what it was, and by more bytes than
/// [`MOST_BYTES`].
const MOST_SHARE: f64 = 0.1;
const MOST_BYTES: f64 = 20e6;

const MEGABYTE: f64 = 1e6;

/// What ran, where.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Facts {
    /// The device asked for, as in the page's address.
    pub(super) device: String,
    /// What the status line says of it.
    pub(super) computes: String,
    /// The bundle's name and version.
    pub(super) model: String,
    pub(super) browser: String,
    pub(super) commit: String,
    /// When typing began, as ISO 8601 has it.
    pub(super) date: String,
}

/// What was seen at one moment, and what happened since the one before.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Sample {
    /// Minutes since typing began.
    pub(super) minutes: f64,
    /// Bytes of WebAssembly memory: the engine's workers' together, and the page's own.
    pub(super) worker_bytes: f64,
    pub(super) page_bytes: f64,
    /// Bytes of the GPU's buffers.
    pub(super) buffer_bytes: f64,
    /// The page's JavaScript heap in bytes, once garbage is collected, and nodes and listeners of its document.
    pub(super) heap_bytes: f64,
    pub(super) nodes: f64,
    pub(super) listeners: f64,
    /// Bytes that the browser's processes have resident, all of them and two kinds.
    pub(super) resident_bytes: Option<f64>,
    pub(super) renderer_bytes: Option<f64>,
    pub(super) gpu_process_bytes: Option<f64>,
    /// What the status line says of the engine's memory.
    pub(super) engine: String,
    /// `data-state` and `data-backend` of the status line.
    pub(super) state: String,
    pub(super) backend: String,
    /// Chunks in the index.
    pub(super) chunks: u64,
    /// Workers that the page has started, from its opening on.
    pub(super) workers: u64,
    /// Suggestions that came into sight.
    pub(super) shown: u64,
    /// How often the index got ready after it had embedded chunks.
    pub(super) indexed: u64,
    /// The lane whose text is suggested.
    pub(super) lane: String,
    /// Milliseconds to the first token of each completion, by lane.
    pub(super) ttft_ms: BTreeMap<String, Vec<f64>>,
}

impl Sample {
    /// Of the completions that were suggested.
    fn suggested_ms(&self) -> &[f64] {
        self.ttft_ms.get(&self.lane).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The engine was started again, or failed.
    Engine,
    /// The page said something.
    Notice,
    /// A lane failed.
    Lane,
    /// The console shows an error.
    Console,
    /// The typist did not find what it looked for, and went on.
    Typist,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Event {
    /// Minutes since typing began; 0 for what was there before.
    pub(super) minutes: f64,
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// A figure of memory.
struct Figure {
    key: &'static str,
    name: &'static str,
    of: fn(&Sample) -> Option<f64>,
    /// Whether it is in bytes; else something is counted.
    is_bytes: bool,
    /// Whether its growth fails a run.
    is_judged: bool,
}

const FIGURES: [Figure; 9] = [
    Figure::judged("worker_bytes", "WebAssembly memory of the worker", |sample| Some(sample.worker_bytes)),
    Figure::judged("page_bytes", "WebAssembly memory of the page", |sample| Some(sample.page_bytes)),
    Figure::judged("resident_bytes", "resident memory of the browser", |sample| sample.resident_bytes),
    Figure::bytes("renderer_bytes", "of it renderers", |sample| sample.renderer_bytes),
    Figure::bytes("gpu_process_bytes", "of it the GPU process", |sample| sample.gpu_process_bytes),
    Figure::bytes("buffer_bytes", "buffers of the GPU", |sample| Some(sample.buffer_bytes)),
    Figure::bytes("heap_bytes", "JavaScript heap of the page", |sample| Some(sample.heap_bytes)),
    Figure::count("nodes", "nodes of its document", |sample| Some(sample.nodes)),
    Figure::count("listeners", "listeners of its document", |sample| Some(sample.listeners)),
];

impl Figure {
    const fn judged(key: &'static str, name: &'static str, of: fn(&Sample) -> Option<f64>) -> Self {
        Self { key, name, of, is_bytes: true, is_judged: true }
    }

    const fn bytes(key: &'static str, name: &'static str, of: fn(&Sample) -> Option<f64>) -> Self {
        Self { key, name, of, is_bytes: true, is_judged: false }
    }

    const fn count(key: &'static str, name: &'static str, of: fn(&Sample) -> Option<f64>) -> Self {
        Self { key, name, of, is_bytes: false, is_judged: false }
    }

    /// A value as it stands in a table, bytes as megabytes.
    fn number(&self, value: f64) -> String {
        match self.is_bytes {
            true => format!("{:.1}", value / MEGABYTE),
            false => format!("{value:.0}"),
        }
    }

    /// Its name in a table.
    fn title(&self) -> String {
        if self.is_bytes { format!("{}, MB", self.name) } else { self.name.to_owned() }
    }
}

/// How a figure grows: the line of least squares through its values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Growth {
    /// Where the line begins.
    first: f64,
    /// How much higher it ends.
    rise: f64,
    /// What that is in an hour.
    per_hour: f64,
}

impl Growth {
    /// Of values by their minutes, in order; `None` if they are not of two minutes at least.
    fn of(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        let minute = points.iter().map(|point| point.0).sum::<f64>() / count;
        let value = points.iter().map(|point| point.1).sum::<f64>() / count;
        let spread: f64 = points.iter().map(|point| (point.0 - minute).powi(2)).sum();
        let together: f64 = points.iter().map(|point| (point.0 - minute) * (point.1 - value)).sum();
        let (first, last) = (points.first()?.0, points.last()?.0);
        (spread > 0.0).then(|| {
            let slope = together / spread;
            Self {
                first: value + slope * (first - minute),
                rise: slope * (last - first),
                per_hour: 60.0 * slope,
            }
        })
    }

    /// Whether a figure in bytes grew more than one does that is held.
    fn is_too_much(self) -> bool {
        self.rise > MOST_SHARE * self.first && self.rise > MOST_BYTES
    }
}

/// Everything seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    pub(super) facts: Facts,
    /// In order of time.
    pub(super) samples: Vec<Sample>,
    pub(super) events: Vec<Event>,
    /// Why typing ended before its time.
    pub(super) stopped: Option<String>,
}

impl Report {
    pub(super) fn new(facts: Facts) -> Self {
        Self { facts, ..Self::default() }
    }

    /// How long it was typed, in minutes.
    fn minutes(&self) -> f64 {
        self.samples.last().map_or(0.0, |sample| sample.minutes)
    }

    fn is_too_short(&self) -> bool {
        self.minutes() < SHORTEST
    }

    /// What was seen once caches were full.
    fn settled(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.minutes >= SETTLED)
    }

    /// How a figure grew once caches were full; `None` where the run is too short to tell.
    fn growth(&self, figure: &Figure) -> Option<Growth> {
        if self.is_too_short() {
            return None;
        }
        let points: Vec<_> =
            self.settled().filter_map(|sample| Some((sample.minutes, (figure.of)(sample)?))).collect();
        Growth::of(&points)
    }

    /// The samples of each fifth of the time. What a sample tells of the time since the one before counts
    /// where the middle of that time is.
    fn fifths(&self) -> [Vec<&Sample>; 5] {
        let mut fifths: [Vec<&Sample>; 5] = Default::default();
        let mut before = 0.0;
        for sample in &self.samples {
            let middle = (before + sample.minutes) / 2.0;
            before = sample.minutes;
            let fifth = (5.0 * middle / self.minutes()) as usize;
            fifths[fifth.min(4)].push(sample);
        }
        fifths
    }

    /// Why the run fails; nothing if it does not.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures: Vec<_> = self.stopped.iter().cloned().collect();
        if let Some(last) = self.samples.last() {
            if last.state != "ready" {
                failures.push(format!("the engine did not come back: its state is {}", last.state));
            } else if last.backend != self.facts.device {
                let (backend, device) = (&last.backend, &self.facts.device);
                failures.push(format!("the device was lost: the engine is on {backend}, not on {device}"));
            }
        }
        for figure in FIGURES.iter().filter(|figure| figure.is_judged) {
            let Some(growth) = self.growth(figure).filter(|growth| growth.is_too_much()) else { continue };
            failures.push(format!(
                "{} grew by {} MB from {} MB after minute {SETTLED:.0}",
                figure.name,
                figure.number(growth.rise),
                figure.number(growth.first)
            ));
        }
        failures
    }

    /// The newest sample in a line.
    pub(super) fn line(&self) -> String {
        let Some(sample) = self.samples.last() else { return String::new() };
        let shown: u64 = self.samples.iter().map(|sample| sample.shown).sum();
        let times = sample.suggested_ms();
        let time = |p: f64| percentile(times, p).map_or("–".into(), |ms| format!("{ms:.0}"));
        let megabytes =
            |bytes: Option<f64>| bytes.map_or("–".into(), |bytes| format!("{:.0}", bytes / MEGABYTE));
        format!(
            "minute {:>3.0}: {shown} suggestions shown, {} completions since, TTFT {} ms (p95 {}); MB: worker {}, page \
             {}, heap {}, resident {}; {} chunks; {}",
            sample.minutes,
            times.len(),
            time(50.0),
            time(95.0),
            megabytes(Some(sample.worker_bytes)),
            megabytes(Some(sample.page_bytes)),
            megabytes(Some(sample.heap_bytes)),
            megabytes(sample.resident_bytes),
            sample.chunks,
            sample.state
        )
    }

    /// Everything, with what follows from it.
    fn json(&self) -> Value {
        let growth: Map<String, Value> = FIGURES
            .iter()
            .filter_map(|figure| Some((figure.key.to_owned(), json!(self.growth(figure)?))))
            .collect();
        json!({
            "facts": self.facts,
            "minutes": self.minutes(),
            "growth": growth,
            "failures": self.failures(),
            "events": self.events,
            "samples": self.samples,
        })
    }

    /// Writes it as a file of a folder.
    pub(super) fn keep(&self, folder: &Path, name: &str) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let file = folder.join(name);
        fs::write(&file, serde_json::to_string_pretty(&self.json())? + "\n")?;
        Ok(file)
    }

    /// For a document: what ran, how memory grew, whether completions kept coming, and what happened.
    pub(super) fn markdown(&self) -> String {
        let Facts { device, computes, model, browser, date, .. } = &self.facts;
        let place = match device.as_str() {
            // With the number of threads.
            "cpu" => format!("on the {computes}"),
            _ => format!("on {computes}"),
        };
        let day = date.split('T').next().unwrap_or_default();
        let mut text =
            format!("{:.0} minutes of typing, {model}, {place}, {browser}, {day}.\n\n", self.minutes());
        text += &self.memory_table();
        text.push('\n');
        text += &self.fifths_table();
        text.push('\n');
        for line in self.conclusions() {
            text += &format!("- {line}\n");
        }
        text
    }

    fn memory_table(&self) -> String {
        let first = self.settled().next().filter(|_| !self.is_too_short()).or(self.samples.first());
        let begin = if self.is_too_short() { "at the start" } else { "after ten minutes" };
        let mut table = format!("| | {begin} | at the end | growth an hour |\n|---|--:|--:|--:|\n");
        for figure in &FIGURES {
            let of = |sample: Option<&Sample>| sample.and_then(figure.of);
            let (Some(first), Some(last)) = (of(first), of(self.samples.last())) else { continue };
            // The CPU has no buffers.
            if (first, last) == (0.0, 0.0) {
                continue;
            }
            let growth = self.growth(figure).map_or("–".into(), |growth| {
                let sign = if growth.per_hour < 0.0 { "−" } else { "+" };
                format!("{sign}{}", figure.number(growth.per_hour.abs()))
            });
            let (first, last) = (figure.number(first), figure.number(last));
            table += &format!("| {} | {first} | {last} | {growth} |\n", figure.title());
        }
        table
    }

    fn fifths_table(&self) -> String {
        let fifths = self.fifths();
        let mut table =
            String::from("| fifth of the time | 1 | 2 | 3 | 4 | 5 |\n|---|--:|--:|--:|--:|--:|\n");
        let times = |fifth: &[&Sample]| -> Vec<f64> {
            fifth.iter().flat_map(|sample| sample.suggested_ms().iter().copied()).collect()
        };
        let ttft = |fifth: &[&Sample], p: f64| {
            percentile(&times(fifth), p).map_or("–".into(), |ms| format!("{ms:.0}"))
        };
        let mut row = |name: &str, cell: &dyn Fn(&[&Sample]) -> String| {
            let cells: Vec<_> = fifths.iter().map(|fifth| cell(fifth)).collect();
            table += &format!("| {name} | {} |\n", cells.join(" | "));
        };
        row("suggestions shown", &|fifth| fifth.iter().map(|sample| sample.shown).sum::<u64>().to_string());
        row("completions of the lane that is suggested", &|fifth| times(fifth).len().to_string());
        row("its TTFT, median, ms", &|fifth| ttft(fifth, 50.0));
        row("its TTFT, p95, ms", &|fifth| ttft(fifth, 95.0));
        row("times that edits were embedded", &|fifth| {
            fifth.iter().map(|sample| sample.indexed).sum::<u64>().to_string()
        });
        table
    }

    /// In sentences: the verdict, and everything that happened.
    pub(super) fn conclusions(&self) -> Vec<String> {
        let mut lines: Vec<_> =
            self.failures().into_iter().map(|failure| format!("Failed: {failure}.")).collect();
        if self.is_too_short() {
            lines.push(format!(
                "{:.0} minutes are too short to tell whether memory grows: that takes {SHORTEST:.0}.",
                self.minutes()
            ));
        } else if !FIGURES.iter().any(|f| f.is_judged && self.growth(f).is_some_and(Growth::is_too_much)) {
            lines.push(format!(
                "Memory holds: after minute {SETTLED:.0} neither WebAssembly nor resident memory grew by more than \
                 {:.0} % and {:.0} MB.",
                100.0 * MOST_SHARE,
                MOST_BYTES / MEGABYTE
            ));
        }
        let completions =
            self.fifths().map(|fifth| fifth.iter().map(|sample| sample.suggested_ms().len()).sum::<usize>());
        let mean = completions.iter().sum::<usize>() as f64 / 5.0;
        match completions.into_iter().min() {
            Some(least) if mean > 0.0 => lines.push(format!(
                "The fifth with the fewest completions has {:.0} % of an average one's.",
                100.0 * least as f64 / mean
            )),
            _ => lines.push("Nothing was completed.".into()),
        }
        if self.events.is_empty() {
            lines.push("No notice was shown, and no engine was started again.".into());
        }
        for Event { minutes, kind, text } in &self.events {
            let what = match kind {
                Kind::Engine => "the engine",
                Kind::Notice => "a notice",
                Kind::Lane => "a lane",
                Kind::Console => "the console",
                Kind::Typist => "the typist",
            };
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            lines.push(format!("Minute {minutes:.0}, {what}: {text}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests;
