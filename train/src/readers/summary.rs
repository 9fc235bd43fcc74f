//! From scores, task by task, to what `docs/evaluation.json` says of a reader.

use std::collections::BTreeMap;

use llavacode_core::metrics::{Interval, mean, paired_bootstrap};
use serde::{Deserialize, Serialize};

use super::{
    record::Record,
    tasks::{Set, Task},
};
use crate::evaluate::{RESAMPLES, SEED};

/// Every reader by name, every set of tasks by name.
pub type ReadersReport = BTreeMap<String, BTreeMap<String, SetReport>>;

/// A reader on a set of tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetReport {
    /// Tasks of every lane.
    pub tasks: usize,
    /// Those of them whose cursor stands inside a line.
    pub inside_a_line: usize,
    /// By lane.
    pub lanes: BTreeMap<String, LaneSummary>,
}

/// Means of a lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneSummary {
    /// Percent.
    pub exact_match: f64,
    /// 1 − Levenshtein / longer length, percent.
    pub edit_similarity: f64,
    /// Nats a token of the target.
    pub cross_entropy: f64,
    /// Nats a character of the target.
    pub cross_entropy_per_character: f64,
    /// Of the prompt.
    pub positions: f64,
    /// Paired differences from `base`; none for it.
    pub against_base: Option<AgainstBase>,
    /// Those of soft tokens from their control, the same mean vector everywhere: what the chunks do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against_control: Option<AgainstBase>,
}

/// Differences with their 95 % intervals: means over the tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgainstBase {
    /// Percent points.
    pub exact_match: Interval,
    /// Percent points.
    pub edit_similarity: Interval,
    /// Nats a token, task by task.
    pub cross_entropy: Interval,
    /// Nats a character, task by task.
    pub cross_entropy_per_character: Interval,
}

/// Scores by lane and by the task's number.
type Lanes<'a> = BTreeMap<&'a str, BTreeMap<usize, &'a Record>>;

/// What was found, of the tasks that a reader has done in all of its lanes.
pub fn summarise(records: &[Record], tasks: &[Task]) -> ReadersReport {
    // By reader and set.
    let mut found: BTreeMap<&str, BTreeMap<Set, Lanes<'_>>> = BTreeMap::new();
    for record in records {
        let sets = found.entry(&record.key.reader).or_default();
        let lanes = sets.entry(record.key.set).or_default();
        lanes.entry(&record.key.lane).or_default().insert(record.key.task, record);
    }
    let sets = |sets: BTreeMap<Set, Lanes<'_>>| {
        let report = |(set, lanes): (Set, Lanes<'_>)| {
            let done = |task: &&Task| {
                task.set == set && lanes.values().all(|scores| scores.contains_key(&task.number))
            };
            let done: Vec<&Task> = tasks.iter().filter(done).collect();
            let inside = done.iter().filter(|task| task.sample.is_inside_a_line()).count();
            let lane = |scores: &BTreeMap<usize, &Record>| -> Vec<Record> {
                done.iter().filter_map(|task| scores.get(&task.number).map(|&r| r.clone())).collect()
            };
            let scores: BTreeMap<String, Vec<Record>> =
                lanes.iter().map(|(&name, scores)| (name.to_owned(), lane(scores))).collect();
            let base = scores.get("base");
            let control = |name: &str| {
                let number = name.strip_prefix("compressed")?;
                scores.get(&format!("control_mean{number}"))
            };
            let summary = |name: &str, scores: &Vec<Record>| LaneSummary {
                against_base: base.filter(|_| name != "base").and_then(|base| differences(scores, base)),
                against_control: control(name).and_then(|control| differences(scores, control)),
                ..summarise_lane(scores)
            };
            let lanes = scores.iter().map(|(name, scores)| (name.clone(), summary(name, scores))).collect();
            (set.name().to_owned(), SetReport { tasks: done.len(), inside_a_line: inside, lanes })
        };
        sets.into_iter().map(report).filter(|(_, report)| report.tasks > 0).collect()
    };
    found.into_iter().map(|(reader, by_set)| (reader.to_owned(), sets(by_set))).collect()
}

/// Puts what was found in a report. Lanes that were measured before stay where the tasks are the same: where as
/// many as now gave the same `base`.
pub fn put(report: &mut ReadersReport, found: ReadersReport) {
    for (reader, sets) in found {
        let known = report.entry(reader).or_default();
        for (name, mut set) in sets {
            if let Some(before) = known.remove(&name)
                && before.is_of_the_tasks_of(&set)
            {
                let measured = std::mem::replace(&mut set.lanes, before.lanes);
                set.lanes.extend(measured);
            }
            known.insert(name, set);
        }
    }
}

impl SetReport {
    fn is_of_the_tasks_of(&self, other: &Self) -> bool {
        let base = |set: &Self| {
            let base = set.lanes.get("base")?;
            Some([base.exact_match, base.edit_similarity, base.cross_entropy, base.positions])
        };
        // A number in a file may differ in its last digit.
        let same = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9 * a.abs().max(1.0);
        (self.tasks, self.inside_a_line) == (other.tasks, other.inside_a_line)
            && base(self).zip(base(other)).is_some_and(|(ours, theirs)| ours.iter().zip(&theirs).all(same))
    }
}

fn column(scores: &[Record], of: fn(&Record) -> f64) -> Vec<f64> {
    scores.iter().map(of).collect()
}

fn summarise_lane(scores: &[Record]) -> LaneSummary {
    let average = |of| mean(&column(scores, of)).unwrap_or_default();
    let sum = |of| column(scores, of).iter().sum::<f64>();
    let nats = sum(|score| score.nats);
    LaneSummary {
        exact_match: average(|score| score.exact_match),
        edit_similarity: average(|score| score.edit_similarity),
        cross_entropy: nats / sum(|score| score.target_tokens as f64).max(1.0),
        cross_entropy_per_character: nats / sum(|score| score.target_characters as f64).max(1.0),
        positions: average(|score| score.positions as f64),
        against_base: None,
        against_control: None,
    }
}

fn differences(scores: &[Record], base: &[Record]) -> Option<AgainstBase> {
    let between = |of| paired_bootstrap(&column(scores, of), &column(base, of), RESAMPLES, SEED);
    Some(AgainstBase {
        exact_match: between(|score| score.exact_match)?,
        edit_similarity: between(|score| score.edit_similarity)?,
        cross_entropy: between(|score| score.nats / score.target_tokens.max(1) as f64)?,
        cross_entropy_per_character: between(|score| score.nats / score.target_characters.max(1) as f64)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::record::Key;
    use super::*;
    use crate::samples::Sample;

    fn task(number: usize, set: Set) -> Task {
        let prefix = if number.is_multiple_of(2) { "    " } else { "x = " };
        let sample = Sample {
            package: "p".into(),
            path: "a.py".into(),
            prefix: prefix.into(),
            target: "gauge".into(),
            suffix: String::new(),
            chunks: Vec::new(),
        };
        Task { set, number, sample }
    }

    fn record(task: usize, set: Set, lane: &str, exact: bool, nats: f64) -> Record {
        let key = Key { reader: "pico".into(), of: "a".into(), set, task, lane: lane.into() };
        Record {
            key,
            positions: 100 + task,
            exact_match: if exact { 100.0 } else { 0.0 },
            edit_similarity: if exact { 100.0 } else { 40.0 },
            nats,
            target_tokens: 2,
            target_characters: 5,
            text: String::new(),
        }
    }

    #[test]
    fn lanes_of_the_same_tasks_stay_and_of_others_go() {
        let tasks: Vec<Task> = (0..4).map(|n| task(n, Set::Any)).collect();
        let found = |lane: &str, right: usize, count: usize| {
            let of_base = |n| record(n, Set::Any, "base", n < right, 4.0);
            let of_lane = |n| record(n, Set::Any, lane, true, 2.0);
            let records: Vec<Record> = (0..count).flat_map(|n| [of_base(n), of_lane(n)]).collect();
            summarise(&records, &tasks)
        };
        let lanes = |report: &ReadersReport| {
            let lanes = report["pico"]["any"].lanes.keys().map(String::as_str);
            lanes.collect::<Vec<_>>().join(" ")
        };
        let mut report = found("full_rag", 1, 4);
        put(&mut report, found("xrag", 1, 4));
        assert_eq!(lanes(&report), "base full_rag xrag");
        put(&mut report, found("cached", 2, 4));
        assert_eq!(lanes(&report), "base cached", "another base: other tasks");
        put(&mut report, found("xrag", 1, 3));
        assert_eq!((lanes(&report).as_str(), report["pico"]["any"].tasks), ("base xrag", 3));
    }

    #[test]
    fn means_and_differences_are_of_the_tasks_that_all_lanes_have() {
        let tasks: Vec<Task> =
            (0..4).map(|n| task(n, Set::Any)).chain((4..6).map(|n| task(n, Set::CrossFile))).collect();
        let mut records = Vec::new();
        for n in 0..4 {
            records.push(record(n, Set::Any, "base", n == 0, 4.0));
            records.push(record(n, Set::Any, "full_rag", n < 2, 2.0));
        }
        for (lane, nats) in [("compressed", 3.0), ("control_mean", 3.5)] {
            records.extend((0..4).map(|n| record(n, Set::Any, lane, false, nats)));
        }
        // Only half done: it counts for nothing.
        records.push(record(4, Set::CrossFile, "base", true, 1.0));
        records.push(record(5, Set::CrossFile, "base", true, 3.0));
        records.push(record(5, Set::CrossFile, "full_rag", true, 1.0));
        let report = summarise(&records, &tasks);

        let any = &report["pico"]["any"];
        assert_eq!((any.tasks, any.inside_a_line), (4, 2));
        let base = &any.lanes["base"];
        assert_eq!((base.exact_match, base.edit_similarity, base.positions), (25.0, 55.0, 101.5));
        assert_eq!((base.cross_entropy, base.cross_entropy_per_character), (2.0, 0.8));
        assert!(base.against_base.is_none());
        let against = any.lanes["full_rag"].against_base.as_ref().unwrap();
        assert_eq!(against.exact_match.difference, 25.0);
        assert!(against.exact_match.low <= 25.0 && against.exact_match.high >= 25.0);
        assert_eq!(against.cross_entropy.difference, -1.0);
        assert!((against.cross_entropy_per_character.difference + 0.4).abs() < 1e-12);
        let control =
            |lane: &str| any.lanes[lane].against_control.as_ref().map(|d| d.cross_entropy.difference);
        assert_eq!([control("compressed"), control("full_rag")], [Some(-0.25), None]);
        assert_eq!(report["pico"]["cross_file"].tasks, 1);
        assert_eq!(report["pico"]["cross_file"].lanes["base"].cross_entropy, 1.5);

        let json = serde_json::to_value(&report).unwrap();
        let at = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_f64);
        assert_eq!(at("/pico/any/tasks"), Some(4.0));
        for metric in ["exact_match", "edit_similarity", "cross_entropy", "cross_entropy_per_character"] {
            assert!(at(&format!("/pico/any/lanes/base/{metric}")).is_some(), "{metric}");
            for end in ["difference", "low", "high"] {
                let pointer = format!("/pico/cross_file/lanes/full_rag/against_base/{metric}/{end}");
                assert!(at(&pointer).is_some(), "{pointer}");
            }
        }
        assert_eq!(at("/pico/any/lanes/base/positions"), Some(101.5));
    }
}
