//! What a bundle's release measured, as its manifest tells it. Bundles come from anywhere: what is
//! missing or of another shape is left out.

use llavacode_api::completion::Lane;
use serde_json::Value;

/// The lanes on one set of tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSet {
    /// What kind of lines, and how many.
    pub title: String,
    /// A row each.
    pub rows: Vec<LaneFigures>,
}

/// What one lane reached.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneFigures {
    /// The lane.
    pub lane: Lane,
    /// In percent.
    pub exact_match: Figure,
    /// In percent.
    pub edit_similarity: Figure,
}

/// A number and what it is against base.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Percent, or a dash.
    pub value: String,
    /// Difference from base; `None` for base itself.
    pub against_base: Option<Change>,
}

/// A paired difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Difference and interval, in percent points.
    pub text: String,
    /// What it says.
    pub verdict: Verdict,
}

/// What an interval says of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is above nought.
    Gains,
    /// All of it is below.
    Loses,
    /// Nought is in it.
    Level,
}

impl Verdict {
    fn of(low: f64, high: f64) -> Self {
        if low > 0.0 {
            Self::Gains
        } else if high < 0.0 {
            Self::Loses
        } else {
            Self::Level
        }
    }

    /// Its name in `data-verdict`, and for a user.
    pub fn key(self) -> &'static str {
        match self {
            Self::Gains => "gains",
            Self::Loses => "loses",
            Self::Level => "level",
        }
    }
}

/// The sets of tasks that an `evaluation` in a manifest tells of; those without lanes are left out.
pub fn task_sets(evaluation: &str) -> Vec<TaskSet> {
    const SETS: [(&str, &str, &str); 2] = [
        ("tasks", "lanes", "lines of any kind"),
        ("needing_context", "lanes_needing_context", "lines that need a name only a retrieved chunk has"),
    ];
    let Ok(evaluation) = serde_json::from_str::<Value>(evaluation) else { return Vec::new() };
    let set = |&(count, lanes, kind): &(&str, &str, &str)| {
        let lanes = evaluation.get(lanes)?;
        let rows: Vec<LaneFigures> =
            Lane::ALL.into_iter().filter_map(|lane| figures(lane, lanes.get(lane.key())?)).collect();
        let title = match evaluation.get(count).and_then(Value::as_u64) {
            Some(count) => format!("{count} {kind}"),
            None => kind.to_owned(),
        };
        (!rows.is_empty()).then_some(TaskSet { title, rows })
    };
    SETS.iter().filter_map(set).collect()
}

fn figures(lane: Lane, found: &Value) -> Option<LaneFigures> {
    let figure = |metric: &str| {
        let value = found.get(metric)?.as_f64()?;
        let against_base = found.get("against_base").and_then(|changes| change(changes.get(metric)?));
        Some(Figure { value: format!("{value:.1}"), against_base })
    };
    let (exact_match, edit_similarity) = (figure("exact_match"), figure("edit_similarity"));
    (exact_match.is_some() || edit_similarity.is_some()).then(|| LaneFigures {
        lane,
        exact_match: exact_match.unwrap_or_else(missing),
        edit_similarity: edit_similarity.unwrap_or_else(missing),
    })
}

fn missing() -> Figure {
    Figure { value: "–".into(), against_base: None }
}

fn change(found: &Value) -> Option<Change> {
    let number = |key: &str| found.get(key)?.as_f64();
    let (difference, low, high) = (number("difference")?, number("low")?, number("high")?);
    Some(Change {
        text: format!("{} ({} … {})", signed(difference), signed(low), signed(high)),
        verdict: Verdict::of(low, high),
    })
}

/// Two digits, with a sign that is as wide as the other one.
fn signed(number: f64) -> String {
    format!("{number:+.2}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundles_own_numbers_are_found() {
        let manifest = include_str!("../../../../public/bundle/bundle.json");
        let manifest: Value = serde_json::from_str(manifest).expect("JSON");
        let sets = task_sets(&manifest["evaluation"].to_string());
        let kinds: Vec<_> = sets.iter().map(|set| set.title.split_once(' ').expect("a number").1).collect();
        assert_eq!(kinds, ["lines of any kind", "lines that need a name only a retrieved chunk has"]);
        for set in sets {
            let lanes: Vec<_> = set.rows.iter().map(|row| row.lane).collect();
            assert_eq!(lanes, [Lane::Base, Lane::FullRag, Lane::Excerpt, Lane::Compressed, Lane::Xrag]);
            assert_eq!(set.rows[0].exact_match.against_base, None);
            assert!(set.rows[1..].iter().all(|row| row.edit_similarity.against_base.is_some()));
        }
    }

    #[test]
    fn an_interval_says_whether_a_lane_gains_or_loses() {
        let lane = |low: f64, high: f64| {
            let change = format!(r#"{{"difference": 0.5, "low": {low}, "high": {high}}}"#);
            format!(r#"{{"exact_match": 12.345, "against_base": {{"exact_match": {change}}}}}"#)
        };
        let (gains, loses, level) = (lane(0.1, 0.9), lane(-0.9, -0.004), lane(-0.1, 0.0));
        let json = format!(r#"{{"lanes": {{"full_rag": {gains}, "compressed": {loses}, "xrag": {level}}}}}"#);
        let sets = task_sets(&json);
        assert_eq!(sets[0].title, "lines of any kind");
        let changes: Vec<_> = sets[0]
            .rows
            .iter()
            .map(|row| row.exact_match.against_base.clone().expect("a difference"))
            .collect();
        let verdicts: Vec<_> = changes.iter().map(|change| change.verdict).collect();
        assert_eq!(verdicts, [Verdict::Gains, Verdict::Loses, Verdict::Level]);
        assert_eq!(changes[0].text, "+0.50 (+0.10 … +0.90)");
        assert_eq!(sets[0].rows[0].exact_match.value, "12.3");
        assert_eq!(sets[0].rows[0].edit_similarity.value, "–");
    }

    #[test]
    fn an_evaluation_of_another_shape_is_no_accident() {
        for json in [
            "",
            "null",
            "[]",
            r#"{"lanes": 3}"#,
            r#"{"lanes": {"base": []}}"#,
            r#"{"tasks": 3, "lanes": {}}"#,
        ] {
            assert!(task_sets(json).is_empty(), "{json}");
        }
    }
}
