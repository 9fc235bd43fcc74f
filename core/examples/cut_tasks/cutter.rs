//! How tasks are cut.
//!
//! **Lines.** A line can become a task if it is code: not blank, no comment, no part of an import
//! or of a string of several lines (docstrings are such, or hold no name). Tests and the file with
//! the unfinished line give no tasks; they stay in the workspace for retrieval.
//!
//! **Targets.** A target runs to the end of its line and begins either at the line's first
//! character that is not blank, or, for two tasks in five, right after a token inside the line. It
//! holds a name that is no keyword and at least [`SHORTEST_TARGET`] characters besides blanks.
//!
//! **Dependence on another file.** A task is dependent if its target holds a name, of at least
//! [`SHORTEST_NAME`] characters, reached through a `.` or given as a keyword argument, that
//! 1. another file defines (as a class, function, method, field, enum member or constant), so that
//!    there is something to retrieve,
//! 2. this file does not define, and
//! 3. does not occur anywhere before the cursor, imports and comments included: it cannot be copied
//!    from there.
//!
//! Five tasks in eight are dependent. No line gives two tasks, no file more than [`MOST_PER_FILE`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    python::{self, Line, TokenKind},
    workspace::SourceFile,
};

const SEED: u64 = 0x7469_6465;
/// Fewest characters of a target, blanks not counted.
const SHORTEST_TARGET: usize = 6;
/// Fewest characters of a name that makes a task dependent: shorter ones (`name`, `kind`) are
/// members of too much else.
const SHORTEST_NAME: usize = 5;
/// Most tasks of one file.
const MOST_PER_FILE: usize = 12;
/// Tasks wanted: dependent or not, from the line's beginning or from inside.
const QUOTAS: [(Group, usize); 4] = [
    (Group { dependent: true, inside: false }, 44),
    (Group { dependent: true, inside: true }, 31),
    (Group { dependent: false, inside: false }, 28),
    (Group { dependent: false, inside: true }, 17),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    dependent: bool,
    inside: bool,
}

/// A line to complete; `prefix + target + suffix` is the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The file's path.
    pub(crate) path: String,
    /// Everything before the target.
    pub(crate) prefix: String,
    /// The rest of the line.
    pub(crate) target: String,
    /// Everything after it, line break included.
    pub(crate) suffix: String,
}

impl Task {
    /// Whether something of the line stands before the target.
    pub(crate) fn is_cut_inside(&self) -> bool {
        self.prefix.rsplit('\n').next().is_some_and(|line| !line.trim().is_empty())
    }
}

/// Which files define which names.
#[derive(Debug)]
pub(crate) struct Definitions<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Definitions<'a> {
    /// Reads a workspace.
    pub(crate) fn of(files: &'a [SourceFile]) -> Self {
        let mut defined_in: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for file in files {
            for name in python::defined_names(&python::lines(&file.text)) {
                defined_in.entry(name).or_default().insert(&file.path);
            }
        }
        Self(defined_in)
    }

    /// Whether a task's target depends on another file, by the rule in the module's documentation.
    pub(crate) fn depends_on_another_file(&self, task: &Task) -> bool {
        let text = format!("{}{}", task.prefix, task.target);
        let Some(line) = python::lines(&text).pop() else { return false };
        let seen = words(&task.prefix);
        line.tokens.iter().enumerate().any(|(index, &token)| {
            let name = line.text_of(token);
            token.kind == TokenKind::Word
                && line.offset + token.start >= task.prefix.len()
                && name.len() >= SHORTEST_NAME
                && line.is_member_or_keyword_argument(index)
                && !seen.contains(name)
                && self.is_defined_elsewhere_only(name, &task.path)
        })
    }

    fn is_defined_elsewhere_only(&self, name: &str, path: &str) -> bool {
        self.0.get(name).is_some_and(|files| !files.contains(path))
    }
}

/// Every word of a text, be it in code, a comment or a string.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').collect()
}

/// Cuts the tasks, in an order without pattern, so that any first few are a fair sample.
///
/// # Errors
/// Says which quota cannot be met if the workspace is too small.
pub(crate) fn cut(files: &[SourceFile]) -> Result<Vec<Task>, String> {
    let definitions = Definitions::of(files);
    let mut random = SplitMix64(SEED);
    let mut missing = BTreeMap::from(QUOTAS);
    let mut per_file: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tasks = Vec::new();

    let mut places: Vec<(&SourceFile, Line<'_>)> = files
        .iter()
        .filter(|file| gives_tasks(file))
        .flat_map(|file| python::lines(&file.text).into_iter().map(move |line| (file, line)))
        .filter(|(_, line)| can_be_completed(line))
        .collect();
    random.shuffle(&mut places);

    for (file, line) in &places {
        let taken = per_file.entry(&file.path).or_default();
        if *taken == MOST_PER_FILE {
            continue;
        }
        let mut cuts: Vec<(Group, Task)> = cut_points(line)
            .into_iter()
            .map(|column| {
                let task = cut_at(file, line, column);
                let dependent = definitions.depends_on_another_file(&task);
                (Group { dependent, inside: task.is_cut_inside() }, task)
            })
            .collect();
        random.shuffle(&mut cuts);
        // Dependent cuts are rare, so they come first. A line has one beginning and many places
        // inside: left to chance, hardly any line would be cut at its beginning.
        let inside_first = random.below(5) < 2;
        cuts.sort_by_key(|(group, _)| (!group.dependent, group.inside != inside_first));
        let chosen = cuts.into_iter().find(|(group, _)| missing.get(group).is_some_and(|&wanted| wanted > 0));
        if let Some((group, task)) = chosen {
            missing.entry(group).and_modify(|wanted| *wanted -= 1);
            *taken += 1;
            tasks.push(task);
        }
    }
    if let Some((group, wanted)) = missing.into_iter().find(|&(_, wanted)| wanted > 0) {
        return Err(format!("the workspace is too small: {wanted} more tasks are wanted of {group:?}"));
    }
    random.shuffle(&mut tasks);
    Ok(tasks)
}

fn gives_tasks(file: &SourceFile) -> bool {
    !file.path.starts_with("tests/") && file.path != crate::workspace::OPEN_FILE
}

fn can_be_completed(line: &Line<'_>) -> bool {
    !line.tokens.is_empty() && !line.is_import && !line.has_comment && !line.in_long_string
}

/// Columns, in bytes, at which a target may begin.
fn cut_points(line: &Line<'_>) -> Vec<usize> {
    let inside = line.tokens.iter().map(|token| token.end);
    std::iter::once(line.indent())
        .chain(inside)
        .filter(|&column| {
            let characters = line.text[column..].chars().filter(|c| !c.is_whitespace()).count();
            characters >= SHORTEST_TARGET
                && line.tokens.iter().any(|&token| {
                    token.start >= column
                        && token.kind == TokenKind::Word
                        && !python::is_keyword(line.text_of(token))
                })
        })
        .collect()
}

fn cut_at(file: &SourceFile, line: &Line<'_>, column: usize) -> Task {
    let (start, end) = (line.offset + column, line.offset + line.text.len());
    Task {
        path: file.path.clone(),
        prefix: file.text[..start].into(),
        target: file.text[start..end].into(),
        suffix: file.text[end..].into(),
    }
}

/// Vigna's SplitMix64: a few lines whose numbers no release of a library can change.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Fisher and Yates.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
