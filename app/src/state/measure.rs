//! A measurement and its report. The report is JSON made elsewhere and may be of another version:
//! what is missing is shown as missing.

use llavacode_common::completion::Lane;
use serde_json::Value;

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
    },
    /// Done.
    Done(Report),
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
            Self::Done(_) => "done",
            Self::Failed { .. } => "error",
        }
    }
}

/// A report: its text as it came, and what could be read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// As it came.
    pub text: String,
    /// Parsed.
    value: Value,
}

/// A number for each lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRow {
    /// What is measured, with its unit.
    pub label: &'static str,
    /// One cell a lane, in the order of [`Report::lanes`].
    pub cells: Vec<String>,
}

/// What stands where there is no number.
const MISSING: &str = "–";

/// What is shown of each lane: label, path in the lane's object, digits after the point.
const LANE_ROWS: [(&str, &[&str], usize); 8] = [
    ("Prompt tokens", &["prompt_tokens"], 0),
    ("of which soft", &["soft_tokens"], 1),
    ("Cold TTFT, median (ms)", &["ttft_cold_ms", "median"], 0),
    ("Cold TTFT, p90 (ms)", &["ttft_cold_ms", "p90"], 0),
    ("Decode (tokens/s)", &["decode_tokens_per_s"], 1),
    ("Exact match (%)", &["exact_match"], 1),
    ("Edit similarity (%)", &["edit_similarity"], 1),
    ("Launches a step", &["launches_per_step"], 0),
];

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// A sentence, if the text is not JSON.
    pub fn parse(text: String) -> Result<Self, String> {
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Self { text, value }),
            Err(error) => Err(format!("The engine's report cannot be read as JSON: {error}.")),
        }
    }

    /// The lanes it speaks of.
    pub fn lanes(&self) -> Vec<Lane> {
        let has = |lane: &Lane| find(&self.value, &["lanes", lane.key()]).is_some();
        Lane::ALL.into_iter().filter(has).collect()
    }

    /// The lanes side by side; rows in which no lane has a number are left out.
    pub fn lane_rows(&self) -> Vec<LaneRow> {
        let cell = |lane: Lane, path: &[&str], digits| {
            let value = find(&self.value, &["lanes", lane.key()]).and_then(|lane| find(lane, path));
            value.and_then(number).map_or_else(|| MISSING.to_owned(), |n| format!("{n:.digits$}"))
        };
        LANE_ROWS
            .iter()
            .map(|&(label, path, digits)| LaneRow {
                label,
                cells: self.lanes().into_iter().map(|lane| cell(lane, path, digits)).collect(),
            })
            .filter(|row| row.cells.iter().any(|cell| cell != MISSING))
            .collect()
    }

    /// Numbers that belong to no lane: label and value.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let rows: [(&str, &[&str], f64, usize); 5] = [
            ("Tasks", &["tasks"], 1.0, 0),
            ("Launches a layer", &["launches_per_layer"], 1.0, 0),
            ("Indexing (chunks/s)", &["index", "chunks_per_s"], 1.0, 0),
            ("Streaming read (GB/s)", &["ceilings", "read_bytes_per_s"], 1e-9, 1),
            ("Multiply-add (GFLOP/s)", &["ceilings", "flops_per_s"], 1e-9, 1),
        ];
        let number_at = |path, scale: f64, digits| {
            find(&self.value, path).and_then(number).map(|n| format!("{:.digits$}", n * scale))
        };
        rows.into_iter()
            .filter_map(|(label, path, scale, digits)| Some((label, number_at(path, scale, digits)?)))
            .chain(
                find(&self.value, &["adapter"])
                    .and_then(Value::as_str)
                    .map(|adapter| ("Adapter", adapter.to_owned())),
            )
            .collect()
    }

    /// Each kernel with its share of the device's own ceiling, in 0..=1 as a rule.
    pub fn kernels(&self) -> Vec<(String, f64)> {
        let Some(Value::Object(kernels)) = self.value.get("kernels") else { return Vec::new() };
        kernels
            .iter()
            .filter_map(|(name, kernel)| Some((name.clone(), number(kernel.get("fraction_of_ceiling")?)?)))
            .collect()
    }

    /// Paired differences between lanes: name, difference, interval.
    pub fn differences(&self) -> Vec<(String, String, String)> {
        let mut rows = Vec::new();
        if let Some(differences) = self.value.get("differences") {
            collect_differences(differences, String::new(), &mut rows);
        }
        rows
    }
}

fn find<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// A number, or the middle of a distribution.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| ["median", "mean", "value"].iter().find_map(|key| value.get(key)?.as_f64()))
}

/// Walks down to whatever has a difference, naming it by its way.
fn collect_differences(value: &Value, name: String, rows: &mut Vec<(String, String, String)>) {
    let entry = |keys: &[&str]| keys.iter().find_map(|key| value.get(key)?.as_f64());
    if let Some(difference) = value.as_f64().or_else(|| entry(&["difference", "mean", "median", "estimate"]))
    {
        rows.push((name, format!("{difference:+.1}"), interval(value).unwrap_or_default()));
        return;
    }
    match value {
        Value::Object(entries) => {
            for (key, below) in entries {
                let key = key.replace('-', " − ").replace('_', " ");
                let name = if name.is_empty() { key } else { format!("{name}, {key}") };
                collect_differences(below, name, rows);
            }
        }
        Value::Array(entries) => {
            for below in entries {
                let own = ["name", "metric", "lanes"].iter().find_map(|key| below.get(key)?.as_str());
                collect_differences(below, own.unwrap_or(&name).to_owned(), rows);
            }
        }
        _ => {}
    }
}

fn interval(value: &Value) -> Option<String> {
    let ends = |low: Option<&Value>, high: Option<&Value>| Some((low?.as_f64()?, high?.as_f64()?));
    let (low, high) = ["interval", "interval_95", "ci95"]
        .iter()
        .find_map(|key| value.get(key).and_then(|pair| ends(pair.get(0), pair.get(1))))
        .or_else(|| ends(value.get("low"), value.get("high")))
        .or_else(|| ends(value.get("lower"), value.get("upper")))?;
    Some(format!("{low:+.1} … {high:+.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(json: &str) -> Report {
        Report::parse(json.to_owned()).expect("valid JSON")
    }

    #[test]
    fn what_is_missing_is_shown_as_missing() {
        let report = report(
            r#"{"tasks": 12, "lanes": {"base": {"prompt_tokens": 210.4},
                "compressed": {"prompt_tokens": {"median": 220}, "ttft_cold_ms": {"median": 31.6}}}}"#,
        );
        let rows = report.lane_rows();
        assert_eq!(report.lanes(), [Lane::Base, Lane::Compressed]);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].cells, ["210", "220"]);
        assert_eq!(rows[1].cells, ["–", "32"]);
        assert_eq!(report.facts(), [("Tasks", "12".to_owned())]);
        assert!(report.kernels().is_empty() && report.differences().is_empty());
    }

    #[test]
    fn a_report_of_another_shape_is_no_accident() {
        for json in ["null", "[]", "3", r#"{"lanes": 3, "kernels": [], "differences": "none"}"#] {
            let report = report(json);
            assert!(report.lane_rows().is_empty() && report.differences().is_empty());
        }
        assert!(Report::parse("{".into()).is_err());
    }

    #[test]
    fn differences_are_found_at_any_depth() {
        let report = report(
            r#"{"differences": {"compressed-full_rag": {
                "edit_similarity": {"difference": 1.25, "low": 0.2, "high": 2.3}, "exact_match": 0}}}"#,
        );
        assert_eq!(
            report.differences(),
            [
                ("compressed − full rag, edit similarity".into(), "+1.2".into(), "+0.2 … +2.3".into()),
                ("compressed − full rag, exact match".into(), "+0.0".into(), String::new()),
            ]
        );
    }
}
