//! What was measured, as JSON and as a table.

use std::fmt;

use anyhow::{Context, Result};
use llavacode_core::metrics::percentile;
use serde_json::{Map, Value, json};

/// An engine that was loaded.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    /// What it goes by here, its threads included.
    pub(super) name: String,
    /// Its project.
    pub(super) project: String,
    pub(super) version: String,
    pub(super) device: String,
    pub(super) threads: u64,
    pub(super) load_ms: f64,
    /// Bytes of its program, as a server sends them without compression.
    pub(super) program_bytes: u64,
    /// What the page's process had more of when it was loaded and had completed once; rough, since memory of
    /// the one before may have been given back meanwhile.
    pub(super) memory_bytes: Option<u64>,
}

impl Engine {
    pub(super) fn new(
        name: String,
        project: &str,
        loaded: Value,
        program_bytes: u64,
        memory_bytes: Option<u64>,
    ) -> Result<Self> {
        let text = |field: &str| loaded[field].as_str().map(str::to_owned);
        Ok(Self {
            name,
            project: project.to_owned(),
            version: text("version").context("an engine without a version")?,
            device: text("backend").context("an engine without a device")?,
            threads: loaded["threads"].as_u64().context("an engine without threads")?,
            load_ms: loaded["loadMs"].as_f64().context("an engine that took no time to load")?,
            program_bytes,
            memory_bytes,
        })
    }
}

/// A completion.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) engine: String,
    /// The prompt's length that was asked for, and what the engine's tokenizer made of it.
    pub(super) wanted_tokens: usize,
    pub(super) prompt_tokens: f64,
    pub(super) new_tokens: f64,
    pub(super) ttft_ms: f64,
    pub(super) prefill_tokens_per_s: f64,
    /// None where the first token was the last.
    pub(super) decode_tokens_per_s: Option<f64>,
    pub(super) text: String,
}

impl Run {
    pub(super) fn new(engine: &str, wanted_tokens: usize, done: &Value) -> Result<Self> {
        let number = |field: &str| {
            done[field].as_f64().with_context(|| format!("{engine} did not say its {field}: {done}"))
        };
        let (prompt_tokens, new_tokens) = (number("promptTokens")?, number("newTokens")?);
        let decode_tokens_per_s = match new_tokens {
            ..=1.0 => None,
            _ => Some((new_tokens - 1.0) / number("decodeMs")? * 1e3),
        };
        Ok(Self {
            engine: engine.to_owned(),
            wanted_tokens,
            prompt_tokens,
            new_tokens,
            ttft_ms: number("ttftMs")?,
            prefill_tokens_per_s: prompt_tokens / number("prefillMs")? * 1e3,
            decode_tokens_per_s,
            text: done["text"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prompt_tokens, ttft_ms, prefill_tokens_per_s, .. } = self;
        write!(f, "{prompt_tokens} tokens, first after {ttft_ms:.0} ms, ")?;
        write!(f, "prefill {prefill_tokens_per_s:.1} tokens/s")?;
        match self.decode_tokens_per_s {
            Some(rate) => write!(f, ", decode {rate:.1} tokens/s"),
            None => write!(f, ", one new token"),
        }
    }
}

/// Where and when all of it was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Circumstances {
    pub(super) browser: String,
    pub(super) commit: String,
    pub(super) date: String,
}

/// Everything measured with one model.
#[derive(Debug)]
pub(super) struct Report {
    /// What it goes by in the JSON.
    pub(super) key: String,
    /// What it goes by in the table.
    pub(super) model: String,
    pub(super) model_bytes: u64,
    pub(super) engines: Vec<Engine>,
    pub(super) runs: Vec<Run>,
}

/// A figure of a run.
type Figure = fn(&Run) -> Option<f64>;

const FIGURES: [(&str, &str, Figure); 3] = [
    ("prefill", "prefill, tokens/s", |run| Some(run.prefill_tokens_per_s)),
    ("decode", "decode, tokens/s", |run| run.decode_tokens_per_s),
    ("ttft", "TTFT, ms", |run| Some(run.ttft_ms)),
];

/// Lower quartile, median and upper quartile.
fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let [low, median, high] = [25.0, 50.0, 75.0].map(|p| percentile(values, p));
    Some([low?, median?, high?])
}

impl Report {
    pub(super) fn new(key: &str, model: String, model_bytes: u64, engines: Vec<Engine>) -> Self {
        Self { key: key.to_owned(), model, model_bytes, engines, runs: Vec::new() }
    }

    fn values(&self, engine: &str, tokens: usize, figure: Figure) -> Vec<Option<f64>> {
        let runs = self.runs.iter().filter(|run| run.engine == engine && run.wanted_tokens == tokens);
        runs.map(figure).collect()
    }

    fn lengths(&self) -> Vec<usize> {
        let mut lengths: Vec<_> = self.runs.iter().map(|run| run.wanted_tokens).collect();
        lengths.sort_unstable();
        lengths.dedup();
        lengths
    }

    /// Ours over another's at as many threads, run by run as they took turns.
    fn ratios(&self, other: &Engine, tokens: usize, figure: Figure) -> Option<[f64; 3]> {
        let is_ours = |engine: &&Engine| engine.project == "llavacode" && engine.threads == other.threads;
        let ours = self.engines.iter().find(is_ours)?;
        let pairs =
            self.values(&ours.name, tokens, figure).into_iter().zip(self.values(&other.name, tokens, figure));
        quartiles(&pairs.filter_map(|(ours, theirs)| Some(ours? / theirs?)).collect::<Vec<_>>())
    }

    /// The figures of every run.
    fn runs(&self) -> impl Iterator<Item = Value> {
        self.runs.iter().map(|run| {
            let engine = self.engines.iter().find(|engine| engine.name == run.engine);
            json!({
                "name": run.engine,
                "engine": engine.map(|engine| &engine.project),
                "version": engine.map(|engine| &engine.version),
                "key": self.key,
                "model": self.model,
                "model_bytes": self.model_bytes,
                "device": engine.map(|engine| &engine.device),
                "threads": engine.map(|engine| engine.threads),
                "load_ms": engine.map(|engine| engine.load_ms),
                "downloaded_bytes": engine.map(|engine| engine.program_bytes + self.model_bytes),
                "memory_bytes": engine.map(|engine| engine.memory_bytes),
                "wanted_tokens": run.wanted_tokens,
                "prompt_tokens": run.prompt_tokens,
                "new_tokens": run.new_tokens,
                "ttft_ms": run.ttft_ms,
                "prefill_tokens_per_s": run.prefill_tokens_per_s,
                "decode_tokens_per_s": run.decode_tokens_per_s,
                "text": run.text,
            })
        })
    }

    /// Ours over the others', with quartiles, by engine and device, at equal threads.
    fn all_ratios(&self) -> Value {
        let mut ratios = json!({});
        for other in self.engines.iter().filter(|engine| engine.project != "llavacode") {
            let key = if other.threads == 1 {
                other.project.to_owned()
            } else {
                format!("{}_{}_threads", other.project, other.threads)
            };
            for tokens in self.lengths() {
                for (name, _, figure) in FIGURES {
                    let Some([low, median, high]) = self.ratios(other, tokens, figure) else { continue };
                    let place = &mut ratios[&key][&other.device][name];
                    place[tokens.to_string()] = json!({ "median": median, "quartiles": [low, high] });
                }
            }
        }
        ratios
    }

    /// Medians, and ours over each other's with quartiles.
    fn markdown(&self) -> String {
        let mut text = format!("{}, {:.0} MB:\n\n", self.model, self.model_bytes as f64 / 1e6);
        let names: Vec<_> = self.engines.iter().map(|engine| engine.name.as_str()).collect();
        text += &format!("| | {} |\n|---|{}\n", names.join(" | "), "--:|".repeat(names.len()));
        for (_, title, figure) in FIGURES {
            for tokens in self.lengths() {
                let cells: Vec<String> = self
                    .engines
                    .iter()
                    .map(|engine| {
                        let values = self.values(&engine.name, tokens, figure);
                        let median = quartiles(&values.into_iter().flatten().collect::<Vec<_>>());
                        let ratio = self.ratios(engine, tokens, figure);
                        match (median, ratio) {
                            (None, _) => "–".into(),
                            (Some([_, median, _]), Some([low, ratio, high]))
                                if engine.project != "llavacode" =>
                            {
                                format!("{median:.1} (ours ×{ratio:.2}, {low:.2} to {high:.2})")
                            }
                            (Some([_, median, _]), _) => format!("{median:.1}"),
                        }
                    })
                    .collect();
                text += &format!("| {title}, prompt of {tokens} | {} |\n", cells.join(" | "));
            }
        }
        let mut row = |title: &str, cell: &dyn Fn(&Engine) -> Option<f64>| {
            let cells: Vec<String> = self
                .engines
                .iter()
                .map(|engine| cell(engine).map_or("–".into(), |value| format!("{value:.1}")))
                .collect();
            text += &format!("| {title} | {} |\n", cells.join(" | "));
        };
        row("loading, s", &|engine| Some(engine.load_ms / 1e3));
        row("memory, MB", &|engine| Some(engine.memory_bytes? as f64 / 1e6));
        row("program, MB", &|engine| Some(engine.program_bytes as f64 / 1e6));
        text
    }
}

/// All models' runs and ratios; those of the first stand under `ratios` too.
pub(super) fn json(circumstances: &Circumstances, reports: &[Report]) -> Value {
    let by_model: Map<String, Value> =
        reports.iter().map(|report| (report.key.clone(), report.all_ratios())).collect();
    json!({
        "date": circumstances.date,
        "browser": circumstances.browser,
        "commit": circumstances.commit,
        "runs": reports.iter().flat_map(Report::runs).collect::<Vec<_>>(),
        "ratios": reports.first().map(Report::all_ratios),
        "ratios_by_model": by_model,
    })
}

/// A table a model.
pub(super) fn markdown(circumstances: &Circumstances, reports: &[Report]) -> String {
    let tables: Vec<String> = reports.iter().map(Report::markdown).collect();
    format!("{}, {}.\n\n{}", circumstances.browser, circumstances.date, tables.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_runs_that_took_turns() {
        let engine = |name: &str, project, threads: u64| {
            let loaded = json!({ "version": "1", "backend": "cpu", "threads": threads, "loadMs": 1.0 });
            Engine::new(name.into(), project, loaded, 2_000_000, Some(30_000_000)).expect("an engine")
        };
        let mut report = Report::new(
            "small",
            "A small model".into(),
            1_000_000,
            vec![
                engine("ours", "llavacode", 1),
                engine("theirs", "wllama", 1),
                engine("ours, 2", "llavacode", 2),
                engine("theirs, 2", "wllama", 2),
            ],
        );
        for (name, prefill_ms) in [
            ("ours", 10.0),
            ("theirs", 20.0),
            ("ours", 40.0),
            ("theirs", 160.0),
            ("ours, 2", 5.0),
            ("theirs, 2", 5.0),
        ] {
            let done = json!({
                "promptTokens": 100, "newTokens": 33, "ttftMs": prefill_ms, "prefillMs": prefill_ms,
                "decodeMs": 320.0, "text": "x",
            });
            report.runs.push(Run::new(name, 128, &done).expect("a run"));
        }
        let (reports, circumstances) = ([report], Circumstances::default());
        let json = json(&circumstances, &reports);
        assert_eq!(json["ratios"]["wllama"]["cpu"]["prefill"]["128"]["median"], 3.0);
        assert_eq!(json["ratios"]["wllama"]["cpu"]["decode"]["128"]["median"], 1.0);
        let at_two = &json["ratios"]["wllama_2_threads"]["cpu"]["prefill"]["128"]["median"];
        assert_eq!(at_two, 1.0, "beside ours at two threads");
        assert_eq!(json["runs"][0]["prefill_tokens_per_s"], 10_000.0);
        assert_eq!(json["ratios_by_model"]["small"], json["ratios"]);
        assert_eq!(json["runs"][0]["downloaded_bytes"], 3_000_000);
        let table = markdown(&circumstances, &reports);
        assert!(table.contains("ours ×3.00, 2.50 to 3.50"), "{table}");
        assert!(table.contains("| memory, MB | 30.0 | 30.0 | 30.0 | 30.0 |"), "{table}");
    }
}
