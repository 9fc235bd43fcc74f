//! What was measured, as JSON and as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::slice;

use llavacode_core::metrics::percentile;
use serde::Deserialize;
use serde_json::{Value, json};

/// A store.
#[derive(Debug, PartialEq)]
pub(super) struct Store {
    /// What it goes by in the report.
    pub(super) key: &'static str,
    /// What it goes by in the table.
    pub(super) name: &'static str,
    /// What it goes by in the page.
    pub(super) program: &'static str,
    /// Whether chunks are embedded in parts.
    pub(super) parts: bool,
    /// The rankers it has, by the names that ours go by.
    pub(super) rankers: &'static [&'static str],
}

/// Ours, and embeddings compared by the browser's GPU.
const RANKERS: [&str; 5] = ["jaccard", "bm25", "dense", ON_GPU, "hybrid"];
const ON_GPU: &str = "dense_webgpu";

/// The stores, in the order of a turn: every other one is ours.
pub(super) static STORES: [Store; 4] = [
    Store { key: "llavacode", name: "llavacode", program: "llavacode", parts: false, rankers: &RANKERS },
    Store {
        key: "orama",
        name: "Orama",
        program: "orama",
        parts: false,
        rankers: &["bm25", "dense", "hybrid"],
    },
    Store {
        key: "llavacode_parts",
        name: "llavacode, pico's parts",
        program: "llavacode",
        parts: true,
        rankers: &RANKERS,
    },
    Store { key: "edgevec", name: "EdgeVec", program: "edgevec", parts: false, rankers: &["dense"] },
];

/// The one that others are compared with: it holds what they hold, an embedding a chunk.
static OURS: &Store = &STORES[0];

/// What all stores were given.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Project {
    pub(super) chunks: usize,
    /// What brute force finds for each question.
    nearest: Vec<Vec<u32>>,
}

/// What opening took.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened {
    version: Option<String>,
    open_ms: f64,
    /// Of it, what words took, and what vectors took, where that can be told.
    text_ms: Option<f64>,
    vectors_ms: Option<f64>,
    vector_bytes: Option<f64>,
    /// Bytes of WebAssembly's memory, where the store lives in it.
    linear_memory_bytes: Option<f64>,
    /// Bytes of the store's worker, where the browser says so.
    memory_bytes: Option<f64>,
}

/// What a ranker answered.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Searched {
    ms: Vec<f64>,
    found: Vec<Vec<u32>>,
}

/// A store's turn.
#[derive(Debug, Clone)]
pub(super) struct Run {
    store: &'static Store,
    chunks: usize,
    turn: usize,
    pub(super) opened: Option<Opened>,
    pub(super) searched: BTreeMap<&'static str, Searched>,
    pub(super) edit_ms: Vec<f64>,
    /// What it did not do, and why.
    pub(super) refused: BTreeMap<&'static str, String>,
}

impl Run {
    pub(super) fn new(store: &'static Store, chunks: usize, turn: usize) -> Self {
        Self {
            store,
            chunks,
            turn,
            opened: None,
            searched: BTreeMap::new(),
            edit_ms: Vec::new(),
            refused: BTreeMap::new(),
        }
    }

    /// WebAssembly's memory is all that such a store takes but its code; for others the browser is asked.
    fn memory_bytes(&self) -> Option<f64> {
        let opened = self.opened.as_ref()?;
        opened.linear_memory_bytes.or(opened.memory_bytes)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in Figure::ALL {
            let ms = figure.ms(self);
            if let Some(median) = percentile(ms, 50.0) {
                write!(f, "{} {} ms ({}), ", figure.key(), short(median), ms.len())?;
            }
        }
        let memory = self.memory_bytes().map_or("memory unknown".into(), |bytes| format!("{} MB", mb(bytes)));
        f.write_str(&memory)?;
        self.refused.iter().try_for_each(|(what, why)| write!(f, ", no {what}: {why}"))
    }
}

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Figure {
    Open,
    Search(&'static str),
    Edit,
}

impl Figure {
    const ALL: [Self; 7] = [
        Self::Open,
        Self::Search(RANKERS[0]),
        Self::Search(RANKERS[1]),
        Self::Search(RANKERS[2]),
        Self::Search(RANKERS[3]),
        Self::Search(RANKERS[4]),
        Self::Edit,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Search(ranker) => ranker,
            Self::Edit => "edit",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Search("jaccard") => "Jaccard, ms",
            Self::Search("bm25") => "BM25, ms",
            Self::Search("dense") => "dense, ms",
            Self::Search(ON_GPU) => "dense by the browser's GPU, ms",
            Self::Search(_) => "hybrid, ms",
            Self::Open => "open, ms",
            Self::Edit => "edit, ms",
        }
    }

    /// Milliseconds of each step of a run.
    fn ms(self, run: &Run) -> &[f64] {
        match self {
            Self::Open => {
                run.opened.as_ref().map(|opened| slice::from_ref(&opened.open_ms)).unwrap_or_default()
            }
            Self::Search(ranker) => {
                run.searched.get(ranker).map(|searched| searched.ms.as_slice()).unwrap_or_default()
            }
            Self::Edit => &run.edit_ms,
        }
    }
}

/// Everything measured.
pub(super) struct Report {
    browser: String,
    /// The browser's GPU; empty where there is none.
    adapter: String,
    commit: String,
    pub(super) date: String,
    pub(super) projects: Vec<Project>,
    pub(super) runs: Vec<Run>,
}

impl Report {
    pub(super) fn new(browser: &str, adapter: &str, commit: &str) -> Self {
        let [browser, adapter, commit] = [browser, adapter, commit].map(str::to_owned);
        Self { browser, adapter, commit, date: String::new(), projects: Vec::new(), runs: Vec::new() }
    }

    /// A store's turns with a project.
    fn turns<'a>(&'a self, store: &'a Store, chunks: usize) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(move |run| run.store == store && run.chunks == chunks)
    }

    /// Its first turn; what is no matter of chance is the same in all.
    fn first<'a>(&'a self, store: &'a Store, chunks: usize) -> Option<&'a Run> {
        self.turns(store, chunks).next()
    }

    /// Ours of the same turn.
    fn ours(&self, run: &Run) -> Option<&Run> {
        self.turns(OURS, run.chunks).find(|ours| ours.turn == run.turn)
    }

    /// Quartiles over the turns of a percentile of the steps.
    fn times(&self, store: &Store, chunks: usize, figure: Figure, p: f64) -> Option<[f64; 3]> {
        let of_turns = self.turns(store, chunks).filter_map(|run| percentile(figure.ms(run), p));
        quartiles(&of_turns.collect::<Vec<_>>())
    }

    /// Quartiles of a store's median time over ours of the same turn.
    fn ratios(&self, store: &Store, chunks: usize, figure: Figure) -> Option<[f64; 3]> {
        let median = |run: &Run| percentile(figure.ms(run), 50.0);
        let ratio = |run: &Run| Some(median(run)? / median(self.ours(run)?)?);
        quartiles(&self.turns(store, chunks).filter_map(ratio).collect::<Vec<_>>())
    }

    /// The share of what brute force finds among what a run's ranker found by embeddings alone.
    fn recall(&self, run: &Run) -> Option<f64> {
        self.recall_of(run, "dense")
    }

    fn recall_of(&self, run: &Run, ranker: &str) -> Option<f64> {
        let project = self.projects.iter().find(|project| project.chunks == run.chunks)?;
        share(&run.searched.get(ranker)?.found, &project.nearest)
    }

    /// The share of what ours found among what another's ranker of the same name found.
    fn agreement(&self, run: &Run, ranker: &str) -> Option<f64> {
        let ours = self.ours(run).filter(|_| run.store.program != OURS.program)?;
        share(&run.searched.get(ranker)?.found, &ours.searched.get(ranker)?.found)
    }

    /// Of the index as the page holds it with pico, by thousands of chunks: `search_ms`, the median milliseconds
    /// of a question by each ranker, and `recall_at_5` of the two that compare embeddings.
    pub(super) fn figures(&self) -> [(&'static str, Value); 2] {
        let [_, _, parts, _] = &STORES;
        let (mut search_ms, mut recall) = (json!({}), json!({}));
        for &Project { chunks, .. } in &self.projects {
            let size = format!("{}k", chunks as f64 / 1e3);
            for ranker in RANKERS {
                if let Some([_, median, _]) = self.times(parts, chunks, Figure::Search(ranker), 50.0) {
                    search_ms[&size][ranker] = json!(median);
                }
            }
            let Some(run) = self.first(parts, chunks) else { continue };
            for ranker in ["dense", ON_GPU] {
                if let Some(share) = self.recall_of(run, ranker) {
                    recall[&size][ranker] = json!(share);
                }
            }
        }
        [("search_ms", search_ms), ("recall_at_5", recall)]
    }

    /// Every run's figures; ratios over ours, with quartiles, by chunks, figure and store.
    pub(super) fn json(&self) -> Value {
        let mut ratios = json!({});
        for project in &self.projects {
            for figure in Figure::ALL {
                for store in STORES.iter().filter(|store| *store != OURS) {
                    let Some([low, median, high]) = self.ratios(store, project.chunks, figure) else {
                        continue;
                    };
                    ratios[project.chunks.to_string()][figure.key()][store.key] =
                        json!({ "median": median, "quartiles": [low, high] });
                }
            }
        }
        json!({
            "date": self.date,
            "browser": self.browser,
            "adapter": self.adapter,
            "commit": self.commit,
            "runs": self.runs.iter().map(|run| self.run_json(run)).collect::<Vec<_>>(),
            "ratios": ratios,
        })
    }

    fn run_json(&self, run: &Run) -> Value {
        let mut steps = json!({});
        for figure in Figure::ALL {
            let ms = figure.ms(run);
            let [median, p95, most] = [50.0, 95.0, 100.0].map(|p| percentile(ms, p));
            if median.is_some() {
                steps[figure.key()] =
                    json!({ "steps": ms.len(), "median_ms": median, "p95_ms": p95, "most_ms": most });
            }
        }
        let opened = run.opened.clone().unwrap_or_default();
        json!({
            "store": run.store.key,
            "version": opened.version,
            "chunks": run.chunks,
            "turn": run.turn,
            "times": steps,
            "open_text_ms": opened.text_ms,
            "open_vectors_ms": opened.vectors_ms,
            "vector_bytes": opened.vector_bytes,
            "linear_memory_bytes": opened.linear_memory_bytes,
            "worker_memory_bytes": opened.memory_bytes,
            "recall_of_brute_force": self.recall(run),
            "agreement_with_llavacode": {
                "bm25": self.agreement(run, "bm25"),
                "hybrid": self.agreement(run, "hybrid"),
            },
            "refused": run.refused,
        })
    }

    /// A row for each figure of each project, a column for each store.
    pub(super) fn markdown(&self) -> String {
        let turns = self.runs.iter().map(|run| run.turn + 1).max().unwrap_or_default();
        let turns = if turns == 1 { "one turn".into() } else { format!("{turns} turns") };
        let mut text = format!(
            "{}, {}, {turns}, GPU: {}: medians over the turns, of the steps' median and 95th percentile. × is the time over llavacode's in the same turn, with quartiles. Every run is in [stores.json](stores.json).\n\n",
            self.browser,
            self.date,
            if self.adapter.is_empty() { "none" } else { &self.adapter }
        );
        let names: Vec<String> = STORES.iter().map(|store| self.name(store)).collect();
        text += &format!("| chunks | | {} |\n|--:|---|{}\n", names.join(" | "), "--:|".repeat(names.len()));
        for &Project { chunks, .. } in &self.projects {
            let mut row = |title: &str, cell: &dyn Fn(&Store) -> Option<String>| {
                let cells: Vec<String> =
                    STORES.iter().map(|store| cell(store).unwrap_or_else(|| "–".into())).collect();
                text += &format!("| {} | {title} | {} |\n", grouped(chunks as f64), cells.join(" | "));
            };
            for figure in Figure::ALL {
                row(figure.title(), &|store| self.cell(store, chunks, figure));
            }
            row("slowest edit, ms", &|store| {
                let most = self.turns(store, chunks).flat_map(|run| &run.edit_ms).copied();
                most.reduce(f64::max).map(short)
            });
            row("memory, MB", &|store| Some(mb(self.turns(store, chunks).find_map(Run::memory_bytes)?)));
            row("recall@5 of dense, %", &|store| Some(percent(self.recall(self.first(store, chunks)?)?)));
            row("the same by the GPU, %", &|store| {
                Some(percent(self.recall_of(self.first(store, chunks)?, ON_GPU)?))
            });
            for (title, ranker) in
                [("BM25's five as ours, %", "bm25"), ("hybrid's five as ours, %", "hybrid")]
            {
                row(title, &|store| Some(percent(self.agreement(self.first(store, chunks)?, ranker)?)));
            }
        }
        text
    }

    fn name(&self, store: &Store) -> String {
        let opened = self.runs.iter().filter(|run| run.store == store).find_map(|run| run.opened.as_ref());
        match opened.and_then(|opened| opened.version.as_ref()) {
            Some(version) => format!("{} {version}", store.name),
            None => store.name.to_owned(),
        }
    }

    fn cell(&self, store: &Store, chunks: usize, figure: Figure) -> Option<String> {
        let mut cell = short(self.times(store, chunks, figure, 50.0)?[1]);
        if figure != Figure::Open {
            cell += &format!(", p95 {}", short(self.times(store, chunks, figure, 95.0)?[1]));
        }
        if store.program != OURS.program
            && let Some([low, median, high]) = self.ratios(store, chunks, figure)
        {
            cell += &format!(" (×{}, {} to {})", short(median), short(low), short(high));
        }
        Some(cell)
    }
}

/// Lower quartile, median and upper quartile.
fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let [low, median, high] = [25.0, 50.0, 75.0].map(|p| percentile(values, p));
    Some([low?, median?, high?])
}

/// The share of a reference that was found, over as many questions as were answered.
fn share(found: &[Vec<u32>], reference: &[Vec<u32>]) -> Option<f64> {
    let (mut hits, mut wanted) = (0, 0);
    for (found, reference) in found.iter().zip(reference) {
        hits += reference.iter().filter(|chunk| found.contains(chunk)).count();
        wanted += reference.len();
    }
    (wanted > 0).then(|| hits as f64 / wanted as f64)
}

/// A number with as many decimals as its size lets one read.
fn short(value: f64) -> String {
    match value {
        100.0.. => grouped(value),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number, its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

fn mb(bytes: f64) -> String {
    short(bytes / 1e6)
}

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

#[cfg(test)]
mod tests;
