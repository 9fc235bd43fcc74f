//! Which of the demo's lines a visitor is shown.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use llavacode_core::{engine::Lane, index::chunker::cursor_line, tasks::Task};

use super::{Answers, DemoPlace, Shows};

/// How well a line shows what context gains; the first counts most.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Rating {
    /// Readers whose suggestion in the editor is right.
    shown: usize,
    /// Readers that full RAG has right and base wrong.
    readers: usize,
    needs_context: bool,
    /// Lanes that are right.
    lanes: usize,
}

/// Lines at which context wins, the first of them where the demo opens.
const WINS: usize = 3;

/// Chooses, each from a file of its own: lines that base misses and full RAG finds; first those at which
/// more of the readers have it right in the editor ([`Lane::SHOWN`]), then those where this holds of more
/// readers, those that need another file, and those that more lanes find. Then a line that as many readers as
/// can be find in every lane, better one that needs no other file.
///
/// # Errors
/// If the tasks have no such lines.
pub fn choose(tasks: &[Task], readers: &BTreeMap<String, Answers>) -> Result<Vec<DemoPlace>> {
    let rate = |task: usize| -> Option<Rating> {
        let mut rating = Rating { needs_context: tasks[task].needs_context, ..Rating::default() };
        for answers in readers.values() {
            let said = |lane: Lane| answers[task].get(lane.key());
            let right = |lane: Lane| said(lane).is_some_and(|said| said.right);
            if right(Lane::FullRag) && !right(Lane::Base) {
                rating.readers += 1;
                rating.shown +=
                    usize::from(Lane::SHOWN.into_iter().find_map(said).is_some_and(|said| said.right));
                rating.lanes += answers[task].values().filter(|said| said.right).count();
            }
        }
        (rating.readers > 0).then_some(rating)
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
