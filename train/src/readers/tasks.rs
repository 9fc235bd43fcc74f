//! Which lines are completed, and in which order.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::samples::{Sample, SampleFile, needs_context};

/// What the tasks of a table have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// Any line: in half of them the cursor stands before the whole line, in half inside it.
    Any,
    /// Lines that need a name which a retrieved chunk has and which stands nowhere around the
    /// cursor ([`needs_context`]).
    CrossFile,
}

impl Set {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Any, Self::CrossFile];

    /// As in the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::CrossFile => "cross_file",
        }
    }
}

/// One cursor.
#[derive(Debug, Clone)]
pub struct Task {
    /// Whose table it stands in.
    pub set: Set,
    /// The sample's number in its file.
    pub number: usize,
    /// The text around it, and the chunks.
    pub sample: Sample,
}

/// How many tasks are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Of any lines, with the cursor before the whole line.
    pub whole: usize,
    /// Of any lines, with the cursor inside the line.
    pub inside: usize,
    /// Lines that need a name only a chunk has.
    pub cross_file: usize,
}

/// The first samples of each kind, mixed so that any first few of them hold the kinds in proportion:
/// a run that stops early has measured a fair sample.
///
/// # Errors
/// If a sample cannot be read, or there are too few of a kind.
pub fn choose(samples: &SampleFile, counts: Counts) -> Result<Vec<Task>> {
    let wanted = [
        (counts.whole, "with the cursor before the whole line"),
        (counts.inside, "with the cursor inside a line"),
        (counts.cross_file, "that need a name only a chunk has"),
    ];
    let mut found: [Vec<Task>; 3] = Default::default();
    for number in 0..samples.len() {
        if found.iter().zip(wanted).all(|(found, (count, _))| found.len() >= count) {
            break;
        }
        let sample = samples.get(number)?;
        let kind = usize::from(sample.is_inside_a_line());
        if needs_context(&sample) && found[2].len() < counts.cross_file {
            found[2].push(Task { set: Set::CrossFile, number, sample: sample.clone() });
        }
        if found[kind].len() < wanted[kind].0 {
            found[kind].push(Task { set: Set::Any, number, sample });
        }
    }
    for (found, (count, what)) in found.iter().zip(wanted) {
        ensure!(
            found.len() == count,
            "there are {} tasks {what}, and {count} are asked for: cut more samples, or ask for fewer",
            found.len()
        );
    }
    // Each at the middle of its share of the way.
    let place = |at: usize, count: usize| (2 * at + 1) as f64 / (2 * count) as f64;
    let mut placed: Vec<(f64, Task)> = found
        .into_iter()
        .flat_map(|tasks| {
            let count = tasks.len();
            tasks.into_iter().enumerate().map(move |(at, task)| (place(at, count), task))
        })
        .collect();
    placed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    Ok(placed.into_iter().map(|(_, task)| task).collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;
    use crate::samples::SampleChunk;

    fn samples() -> (tempfile::TempDir, SampleFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.jsonl");
        let mut file = fs::File::create(&path).unwrap();
        for n in 0..60 {
            let sample = Sample {
                package: "p".into(),
                path: "a.py".into(),
                prefix: if n % 2 == 0 { "x = 1\n    ".into() } else { "x = ".into() },
                target: if n % 3 == 0 { format!("gauge_{n}()") } else { "x + x".into() },
                suffix: "\n".into(),
                chunks: vec![SampleChunk {
                    path: "b.py".into(),
                    start_line: 0,
                    end_line: 1,
                    text: format!("def gauge_{n}(): pass"),
                }],
            };
            writeln!(file, "{}", serde_json::to_string(&sample).unwrap()).unwrap();
        }
        let samples = SampleFile::open(&path).unwrap();
        (folder, samples)
    }

    #[test]
    fn every_beginning_is_a_fair_sample() {
        let (_folder, samples) = samples();
        let tasks = choose(&samples, Counts { whole: 20, inside: 20, cross_file: 10 }).unwrap();
        assert_eq!(tasks.len(), 50);
        for end in [5, 10, 25, 45] {
            let first = &tasks[..end];
            let cross = first.iter().filter(|task| task.set == Set::CrossFile).count();
            let any = first.iter().filter(|task| task.set == Set::Any);
            let inside = any.clone().filter(|task| task.sample.is_inside_a_line()).count();
            assert!(cross.abs_diff(end / 5) <= 1, "{cross} of {end}");
            assert!(inside.abs_diff(any.count() / 2) <= 1, "{inside} inside of {end}");
        }
        let needs = |task: &&Task| task.set == Set::CrossFile;
        assert!(tasks.iter().filter(needs).all(|task| needs_context(&task.sample)));
        assert!(tasks.iter().all(|task| samples.get(task.number).unwrap() == task.sample));
    }

    #[test]
    fn too_few_of_a_kind_are_told() {
        let (_folder, samples) = samples();
        let error = choose(&samples, Counts { whole: 1, inside: 1, cross_file: 21 }).unwrap_err();
        assert!(error.to_string().contains("there are 20 tasks that need a name"), "{error}");
    }
}
