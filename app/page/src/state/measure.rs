//! A measurement: how far it is, and what is shown of it.

use llavacode_api::{
    completion::{Lane, Ranker},
    report::{Differences, Interval, LaneSummary, RankerSummary, TaskResult},
};
use llavacode_protocol::Measurement;
use serde::Serialize;

use super::task_results::without_source;

/// How far a measurement is.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum MeasureState {
    /// Not begun.
    #[default]
    Idle,
    /// Under way.
    Running {
        /// What is measured now.
        stage: String,
        /// Steps done.
        done: usize,
        /// Steps altogether.
        total: usize,
        /// Tasks completed so far.
        results: Vec<TaskResult>,
    },
    /// Stopped by the user.
    Stopped {
        /// Tasks completed until then.
        results: Vec<TaskResult>,
    },
    /// Done.
    Done(Box<Measurement>),
    /// Failed.
    Failed {
        /// A sentence.
        message: String,
    },
}

impl MeasureState {
    /// Its name in `data-state`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running { .. } => "running",
            Self::Stopped { .. } => "stopped",
            Self::Done(_) => "done",
            Self::Failed { .. } => "error",
        }
    }
}

impl MeasureState {
    /// The tasks completed so far.
    pub fn results(&self) -> &[TaskResult] {
        match self {
            Self::Running { results, .. } | Self::Stopped { results } => results,
            Self::Done(measurement) => &measurement.report.results,
            Self::Idle | Self::Failed { .. } => &[],
        }
    }

    /// It is at this step of a stage.
    pub fn at(&mut self, stage: String, done: usize, total: usize) {
        let results = std::mem::take(self).into_results();
        *self = Self::Running { stage, done, total, results };
    }

    /// A task was completed.
    pub fn push(&mut self, result: TaskResult) {
        if let Self::Running { results, .. } = self {
            results.push(result);
        }
    }

    /// It was stopped; what was completed stays.
    pub fn stop(&mut self) {
        let results = std::mem::take(self).into_results();
        *self = if results.is_empty() { Self::Idle } else { Self::Stopped { results } };
    }

    fn into_results(self) -> Vec<TaskResult> {
        match self {
            Self::Running { results, .. } | Self::Stopped { results } => results,
            _ => Vec::new(),
        }
    }
}

/// A number for each lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRow {
    /// What is measured, with its unit.
    pub label: &'static str,
    /// One cell a lane, in the order of [`lanes`].
    pub cells: Vec<String>,
}

/// What stands where there is no number.
const MISSING: &str = "–";

/// Label, number and digits after the point.
type Row = (&'static str, fn(&LaneSummary) -> Option<f64>, usize);

/// What is shown of each lane.
const LANE_ROWS: [Row; 9] = [
    ("Prompt tokens", |lane| Some(lane.prompt_tokens), 0),
    ("of which soft", |lane| Some(lane.soft_tokens), 1),
    ("Cold TTFT, median (ms)", |lane| Some(lane.ttft_cold_ms.median), 0),
    ("Cold TTFT, p90 (ms)", |lane| Some(lane.ttft_cold_ms.p90), 0),
    ("Decode (tokens/s)", |lane| lane.decode_tokens_per_s, 1),
    ("Steps saved by lookup", |lane| (lane.draft_tokens > 0.0).then_some(lane.accepted_tokens), 1),
    ("Exact match (%)", |lane| Some(lane.exact_match), 1),
    ("Edit similarity (%)", |lane| Some(lane.edit_similarity), 1),
    ("Launches a step", |lane| lane.launches_per_step.map(|launches| launches as f64), 0),
];

/// The lanes it speaks of.
pub fn lanes(measurement: &Measurement) -> Vec<Lane> {
    let has = |lane: &Lane| measurement.report.lanes.contains_key(lane.key());
    Lane::ALL.into_iter().filter(has).collect()
}

/// The lanes side by side; rows in which no lane has a number are left out.
pub fn lane_rows(measurement: &Measurement) -> Vec<LaneRow> {
    let summaries: Vec<&LaneSummary> =
        lanes(measurement).into_iter().filter_map(|lane| measurement.report.lanes.get(lane.key())).collect();
    let row = |&(label, number, digits): &Row| {
        let cell = |lane: &&LaneSummary| {
            number(lane).map_or_else(|| MISSING.to_owned(), |number| format!("{number:.digits$}"))
        };
        LaneRow { label, cells: summaries.iter().map(cell).collect() }
    };
    LANE_ROWS.iter().map(row).filter(|row| row.cells.iter().any(|cell| cell != MISSING)).collect()
}

/// What a ranker gave, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankerRow {
    /// Which.
    pub ranker: Ranker,
    /// A cell for each of [`RANKER_COLUMNS`].
    pub cells: [String; 4],
}

/// What is shown of each ranker.
pub const RANKER_COLUMNS: [&str; 4] =
    ["Finds a needed name (%)", "Exact match (%)", "Edit similarity (%)", "Choosing chunks, median (ms)"];

/// The rankers, where they were compared.
pub fn ranker_rows(measurement: &Measurement) -> Vec<RankerRow> {
    let row = |ranker: Ranker| {
        let found: &RankerSummary = measurement.report.rankers.get(ranker.key())?;
        let with = |value: f64, difference: Option<Interval>| {
            let difference = difference.map(|Interval { difference, low, high }| {
                format!(" ({difference:+.1}, {low:+.1} … {high:+.1})")
            });
            format!("{value:.1}{}", difference.unwrap_or_default())
        };
        let cells = [
            found.names_found.map_or_else(|| MISSING.to_owned(), |share| format!("{share:.1}")),
            with(found.exact_match, found.exact_match_difference),
            with(found.edit_similarity, found.edit_similarity_difference),
            format!("{:.1}", found.retrieve_ms.median),
        ];
        Some(RankerRow { ranker, cells })
    };
    Ranker::ALL.into_iter().filter_map(row).collect()
}

/// The same as a table in Markdown; nothing where they were not compared.
pub fn rankers_markdown(measurement: &Measurement) -> String {
    let rows = ranker_rows(measurement);
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\nFull RAG by ranker; in brackets the difference to the chosen one with its 95 % interval.\n\n| ranker | {} |\n|---|{}\n",
        RANKER_COLUMNS.join(" | "),
        "--:|".repeat(RANKER_COLUMNS.len())
    );
    for RankerRow { ranker, cells } in rows {
        text += &format!("| {} | {} |\n", ranker.key(), cells.join(" | "));
    }
    text
}

/// Numbers that belong to no lane: label and value.
pub fn facts(measurement: &Measurement) -> Vec<(&'static str, String)> {
    let report = &measurement.report;
    let whole = |number: usize| number.to_string();
    let giga = |number: f64| format!("{:.1}", number * 1e-9);
    let rows = [
        ("Tasks", Some(whole(report.tasks))),
        ("Launches a layer", report.launches_per_layer.map(whole)),
        ("Indexing (chunks/s)", Some(format!("{:.0}", report.index.chunks_per_s))),
        (
            "Indexing (% of multiply-add)",
            report.index.fraction_of_ceiling.map(|fraction| format!("{:.0}", 100.0 * fraction)),
        ),
        ("Streaming read (GB/s)", report.ceilings.map(|ceilings| giga(ceilings.read_bytes_per_s))),
        ("Multiply-add (G/s)", report.ceilings.map(|ceilings| giga(ceilings.flops_per_s))),
        ("Adapter", Some(measurement.adapter.clone()).filter(|adapter| !adapter.is_empty())),
    ];
    rows.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}

/// Each kernel with its share of the device's own ceiling, in 0..=1 as a rule.
pub fn kernels(measurement: &Measurement) -> Vec<(String, f64)> {
    let kernels = &measurement.report.kernels;
    kernels.iter().map(|(name, kernel)| (name.clone(), kernel.fraction_of_ceiling)).collect()
}

/// Paired differences between lanes: name, difference, interval.
pub fn differences(measurement: &Measurement) -> Vec<(String, String, String)> {
    let of_pair = |(pair, differences): (&String, &Differences)| {
        let pair = pair.replace('-', " − ").replace('_', " ");
        let row = |(metric, Interval { difference, low, high }): (&str, Interval)| {
            (format!("{pair}, {metric}"), format!("{difference:+.1}"), format!("{low:+.1} … {high:+.1}"))
        };
        [
            ("exact match", differences.exact_match),
            ("edit similarity", differences.edit_similarity),
            ("cold TTFT (ms)", differences.ttft_cold_ms),
        ]
        .map(row)
    };
    measurement.report.differences.iter().flat_map(of_pair).collect()
}

/// A measurement as a file: the report, and what it was made on. With source text the lines and their
/// completions are in it, without it the numbers alone.
pub fn to_json(measurement: &Measurement, source: bool) -> String {
    #[derive(Serialize)]
    struct File<'a> {
        model: &'a str,
        backend: &'a str,
        adapter: &'a str,
        load: Load,
        #[serde(flatten)]
        report: &'a llavacode_protocol::Report,
    }
    #[derive(Serialize)]
    struct Load {
        ms: f64,
    }
    let Measurement { model, backend, adapter, load_ms, report } = measurement;
    let mut report = report.clone();
    if !source {
        report.results.iter_mut().for_each(without_source);
    }
    let report = &report;
    let file = File { model, backend, adapter, load: Load { ms: *load_ms }, report };
    // Its keys are texts and its values numbers: it has a JSON form.
    serde_json::to_string(&file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use llavacode_protocol::Report;
    use serde_json::{Value, json};

    use super::*;

    fn measurement() -> Measurement {
        let spread = json!({ "median": 31.6, "p90": 40.2 });
        let parts = json!({ "retrieve": spread, "encode": spread, "assemble": spread, "prefill": spread });
        let lane = |prompt: f64| {
            json!({
                "prompt_tokens": prompt, "soft_tokens": 3.5, "max_soft_tokens": 8, "ttft_cold_ms": spread,
                "ttft_parts_ms": parts, "ttft_warm_ms": spread, "decode_tokens_per_s": null,
                "launches_per_step": null, "exact_match": 12.5, "exact_match_tokens": 12.5,
                "edit_similarity": 50.04, "edit_ratio": 60.0,
            })
        };
        let interval = json!({ "difference": 1.25, "low": 0.2, "high": 2.3 });
        let report: Report = serde_json::from_value(json!({
            "tasks": 12, "launches_per_layer": null,
            "lanes": { "compressed": lane(220.0), "base": lane(210.4) },
            "differences": { "compressed-full_rag": {
                "exact_match": interval, "edit_similarity": interval, "ttft_cold_ms": interval } },
            "kernels": {}, "ceilings": null, "index": { "chunks": 8, "chunks_per_s": 21.7, "parts": 64, "embedded_parts": 30 },
            "results": [{
                "path": "a.py", "line": 3, "before": "x = ", "target": "secret()", "needs_context": true,
                "lanes": { "base": {
                    "text": "secret()", "exact_match": true, "edit_similarity": 100.0, "ttft_cold_ms": 30.0,
                    "prompt_tokens": 210 } } }],
        }))
        .expect("a report");
        let [model, backend, adapter] = ["pico 5", "cpu", ""].map(str::to_owned);
        Measurement { model, backend, adapter, load_ms: 80.0, report }
    }

    #[test]
    fn lanes_stand_in_their_order_and_rows_without_a_number_are_left_out() {
        let measurement = measurement();
        assert_eq!(lanes(&measurement), [Lane::Base, Lane::Compressed]);
        let rows = lane_rows(&measurement);
        assert_eq!(rows.len(), 6, "nothing was decoded, and nothing launched");
        assert_eq!(rows[0].cells, ["210", "220"]);
        assert_eq!(rows[2].cells, ["32", "32"]);
        let mut one = measurement;
        one.report.lanes.get_mut("base").expect("the lane").decode_tokens_per_s = Some(80.0);
        assert_eq!(lane_rows(&one)[4].cells, ["80.0", "–"]);
    }

    #[test]
    fn facts_that_a_device_does_not_have_are_left_out() {
        let mut measurement = measurement();
        let expected = [("Tasks", "12".to_owned()), ("Indexing (chunks/s)", "22".to_owned())];
        assert_eq!(facts(&measurement), expected);
        measurement.adapter = "a card".into();
        assert_eq!(facts(&measurement).last(), Some(&("Adapter", "a card".to_owned())));
    }

    #[test]
    fn rankers_stand_beside_the_chosen_one() {
        let mut measurement = measurement();
        assert!(ranker_rows(&measurement).is_empty() && rankers_markdown(&measurement).is_empty());
        let spread = json!({ "median": 2.25, "p90": 3.0 });
        let interval = json!({ "difference": -1.25, "low": -2.0, "high": 0.5 });
        measurement.report.rankers = serde_json::from_value(json!({
            "hybrid": { "names_found": 62.5, "exact_match": 10.0, "edit_similarity": 40.25, "retrieve_ms": spread,
                "exact_match_difference": interval, "edit_similarity_difference": interval },
            "jaccard": { "names_found": null, "exact_match": 11.25, "edit_similarity": 41.5, "retrieve_ms": spread,
                "exact_match_difference": null, "edit_similarity_difference": null },
        }))
        .expect("two rankers");
        let rows = ranker_rows(&measurement);
        assert_eq!(rows.iter().map(|row| row.ranker).collect::<Vec<_>>(), [Ranker::Jaccard, Ranker::Hybrid]);
        assert_eq!(rows[0].cells, ["–", "11.2", "41.5", "2.2"]);
        assert_eq!(rows[1].cells, ["62.5", "10.0 (-1.2, -2.0 … +0.5)", "40.2 (-1.2, -2.0 … +0.5)", "2.2"]);
        let text = rankers_markdown(&measurement);
        assert!(text.contains("| jaccard | – | 11.2 | 41.5 | 2.2 |\n"), "{text}");
    }

    #[test]
    fn differences_have_their_interval() {
        let differences = differences(&measurement());
        assert_eq!(differences.len(), 3);
        let expected = ("compressed − full rag, edit similarity", "+1.2", "+0.2 … +2.3");
        let (name, difference, interval) = &differences[1];
        assert_eq!((name.as_str(), difference.as_str(), interval.as_str()), expected);
    }

    #[test]
    fn the_file_says_what_it_was_made_on() {
        let file: Value = serde_json::from_str(&to_json(&measurement(), true)).expect("JSON");
        assert_eq!((&file["model"], &file["backend"]), (&json!("pico 5"), &json!("cpu")));
        assert_eq!((&file["load"]["ms"], &file["tasks"]), (&json!(80.0), &json!(12)));
        assert_eq!(file["lanes"]["base"]["prompt_tokens"], json!(210.4));
    }

    #[test]
    fn the_file_has_no_source_text_unless_it_is_asked_for() {
        let (with, without) = (to_json(&measurement(), true), to_json(&measurement(), false));
        assert!(with.contains("secret()") && !without.contains("secret()"));
        assert!(without.contains("\"ttft_cold_ms\":30.0"), "{without}");
    }

    #[test]
    fn what_was_completed_outlasts_a_stop() {
        let result = measurement().report.results.remove(0);
        let mut measure = MeasureState::default();
        measure.stop();
        assert_eq!(measure, MeasureState::Idle);
        measure.at("lanes".into(), 0, 2);
        measure.push(result.clone());
        measure.at("lanes".into(), 1, 2);
        assert_eq!(measure.results(), std::slice::from_ref(&result));
        measure.stop();
        assert_eq!((measure.key(), measure.results()), ("stopped", std::slice::from_ref(&result)));
        measure.push(result);
        assert_eq!(measure.results().len(), 1, "nothing comes after a stop");
    }
}
