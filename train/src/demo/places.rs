//! Which of the demo's lines a visitor is shown.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use llavacode_core::{engine::Lane, index::chunker::cursor_line, tasks::Task};

use super::{Answers, DemoPlace, Shows};

/// Lines at which context wins, the first of them where the demo opens.
const WINS: usize = 3;

/// Chooses, each from a file of its own: lines that base misses and full RAG finds, those first at which
/// more of the readers do so, then those that need another file, then those that more of the lanes find which
/// read less than full RAG's prompt; then a line
/// that as many readers as can be find in every lane, better one that needs no other file.
///
/// # Errors
/// If the tasks have no such lines.
pub fn choose(tasks: &[Task], readers: &BTreeMap<String, Answers>) -> Result<Vec<DemoPlace>> {
    // How many readers, whether it needs another file, and how many of the lanes.
    let rate = |task: usize| -> Option<(usize, bool, usize)> {
        let mut rating = (0, tasks[task].needs_context, 0);
        for answers in readers.values() {
            let right = |lane: Lane| answers[task].get(lane.key()).is_some_and(|said| said.right);
            if right(Lane::FullRag) && !right(Lane::Base) {
                rating.0 += 1;
                rating.2 += usize::from(right(Lane::Compressed)) + usize::from(right(Lane::Cached));
            }
        }
        (rating.0 > 0).then_some(rating)
    };
    let mut winning: Vec<_> = (0..tasks.len()).filter_map(|task| Some((task, rate(task)?))).collect();
    // The order of the tasks where they are equal.
    winning.sort_by_key(|&(_, rating)| std::cmp::Reverse(rating));
    let mut files = BTreeSet::new();
    let mut chosen: Vec<DemoPlace> = winning
        .into_iter()
        .filter(|&(task, _)| files.insert(&tasks[task].path))
        .take(WINS)
        .map(|(task, _)| place(task, &tasks[task], Shows::ContextWins, readers))
        .collect();
    ensure!(chosen.len() == WINS, "context wins in {} files only: {WINS} are wanted", chosen.len());
    let all_right = |task: usize| {
        let lanes = |answers: &&Answers| answers[task].values().all(|said| said.right);
        readers.values().filter(lanes).count()
    };
    let easy = (0..tasks.len())
        .filter(|&task| all_right(task) > 0 && chosen.iter().all(|place| place.path != tasks[task].path))
        // The first of the best.
        .max_by_key(|&task| (all_right(task), !tasks[task].needs_context, std::cmp::Reverse(task)))
        .context("there is no line that a reader finds in every lane")?;
    chosen.push(place(easy, &tasks[easy], Shows::NoDifference, readers));
    Ok(chosen)
}

fn place(number: usize, task: &Task, shows: Shows, readers: &BTreeMap<String, Answers>) -> DemoPlace {
    DemoPlace {
        path: task.path.clone(),
        line: cursor_line(&task.prefix),
        before: task.prefix.rsplit(['\n', '\r']).next().unwrap_or_default().to_owned(),
        target: task.target.clone(),
        shows,
        readers: readers.iter().map(|(name, answers)| (name.clone(), answers[number].clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Said;

    fn task(path: &str, needs_context: bool) -> Task {
        let (prefix, suffix) = ("a\nx = ".into(), "\n".into());
        Task { path: path.into(), prefix, target: "y".into(), suffix, needs_context }
    }

    fn answers(right: &[&[&str]]) -> Answers {
        let said = |right| Said { text: String::new(), right, confidence: 0.5 };
        let lanes = ["base", "full_rag", "compressed"];
        let of = |right: &&[&str]| lanes.map(|lane| (lane.to_owned(), said(right.contains(&lane)))).into();
        right.iter().map(of).collect()
    }

    #[test]
    fn the_demo_opens_where_context_wins_for_most() {
        let tasks = [
            task("a.py", true),
            task("b.py", true),
            task("b.py", true),
            task("c.py", true),
            task("d.py", true),
            task("e.py", false),
            task("c.py", false),
            task("f.py", false),
        ];
        let all: &[&str] = &["base", "full_rag", "compressed"];
        let small = answers(&[&[], &["full_rag"], &["full_rag"], &[], all, all, all, all]);
        let large = answers(&[
            &["full_rag"],
            &["full_rag"],
            &["full_rag", "compressed"],
            &["full_rag", "compressed"],
            all,
            &["base"],
            all,
            all,
        ]);
        let readers = BTreeMap::from([("small".to_owned(), small), ("large".to_owned(), large)]);
        let chosen = choose(&tasks, &readers).unwrap();
        let paths: Vec<&str> = chosen.iter().map(|place| &place.path[..]).collect();
        assert_eq!(paths, ["b.py", "c.py", "a.py", "f.py"]);
        assert_eq!(chosen[3].shows, Shows::NoDifference);
        // Of the two lines of that file the one at which a further lane is right.
        assert!(chosen[0].readers["large"]["compressed"].right);
        assert_eq!((chosen[0].line, &chosen[0].before[..]), (1, "x = "));

        assert!(choose(&tasks[..2], &readers).is_err(), "two files are too few");
    }
}
