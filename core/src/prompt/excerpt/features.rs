//! What a line of a chunk is chosen by.

use std::collections::HashSet;

use super::{Line, MOST_LINE, beside};
use crate::{
    prompt::Cursor,
    words::{is_common, is_word, parts, words},
};

/// What each number of [`Features`] says, from 0 for not at all to 1.
pub const FEATURES: [&str; 12] = [
    "is like the cursor's line",
    "the line before it is like that before the cursor's",
    "the second before it is like that",
    "the third before it is like that",
    "the line behind it is like that behind the cursor's",
    "the second behind it is like that",
    "has what stands right before the cursor",
    "has a name that stands nowhere around the cursor",
    "begins with the same word",
    "is indented alike",
    "its file is in the same folder",
    "how far down its chunk ranks",
];

/// Numbers of a line, as [`FEATURES`] has them.
pub type Features = [f64; FEATURES.len()];

/// Lines before the cursor that places are compared by, its own among them.
const ABOVE: usize = 4;
/// Lines behind it.
const BELOW: usize = 2;
/// Characters before the cursor that are looked for; so many count 1.
const MOST_FOUND: usize = 20;

/// The features of each line of some chunks.
pub fn features(lines: &[Line<'_>], cursor: Cursor<'_>) -> Vec<Features> {
    let place = Place::of(cursor);
    let parts: Vec<Vec<String>> = lines.iter().map(|line| distinct_parts(line.text)).collect();
    let chunks = lines.last().map_or(1, |line| line.chunk + 1) as f64;
    // How like some parts are to those of the line so many lines from another one.
    let alike = |wanted: Option<&Vec<String>>, at: usize, away: isize| {
        wanted.zip(beside(lines, at, away)).map_or(0.0, |(wanted, there)| dice(wanted, &parts[there]))
    };
    (0..lines.len())
        .map(|at| {
            let line = &lines[at];
            let above = |back: usize| alike(place.above.get(back), at, -(back as isize));
            let below = |forth: usize| alike(place.below.get(forth), at, forth as isize + 1);
            [
                above(0),
                above(1),
                above(2),
                above(3),
                below(0),
                below(1),
                place.found_in(line.text) as f64 / MOST_FOUND as f64,
                flag(line.words.iter().any(|word| !is_common(word) && !place.known.contains(word))),
                flag(!place.head.is_empty() && head(line.text) == place.head),
                flag(indentation(line.text) == place.indentation),
                flag(folder(line.path) == folder(cursor.path)),
                line.chunk as f64 / chunks,
            ]
        })
        .collect()
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// What lines are compared with.
struct Place<'a> {
    /// Parts of the cursor's line and those before it, the nearest first.
    above: Vec<Vec<String>>,
    /// Of the lines behind it.
    below: Vec<Vec<String>>,
    /// The cursor's line up to there.
    line: &'a str,
    /// What that begins with; nothing where nothing stands before the cursor in it.
    head: &'a str,
    indentation: usize,
    /// Words around the cursor.
    known: HashSet<&'a str>,
}

impl<'a> Place<'a> {
    fn of(Cursor { prefix, suffix, .. }: Cursor<'a>) -> Self {
        let mut above = prefix.rsplit('\n');
        let line = above.next().unwrap_or_default();
        Self {
            above: prefix.rsplit('\n').take(ABOVE).map(distinct_parts).collect(),
            below: suffix.split('\n').skip(1).take(BELOW).map(distinct_parts).collect(),
            line: line.trim(),
            head: head(line),
            // Of a line where nothing stands yet, that is where the cursor stands.
            indentation: indentation(line),
            known: words(prefix).chain(words(suffix)).collect(),
        }
    }

    /// How many characters right before the cursor stand in a line, [`MOST_FOUND`] at most; none in one that is
    /// left out.
    fn found_in(&self, text: &str) -> usize {
        let ends = self.line.char_indices().rev().take(MOST_FOUND);
        let has = |at: usize| text.len() <= MOST_LINE && text.contains(&self.line[at..]);
        ends.take_while(|&(at, _)| has(at)).count()
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The word that a line begins with, or its first character.
fn head(line: &str) -> &str {
    let line = line.trim_start();
    let end = line.find(|c| !is_word(c)).unwrap_or(line.len());
    let first = line.chars().next().map_or(0, char::len_utf8);
    &line[..end.max(first)]
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The parts of a text's words, in lower case, sorted, each once. None of a line that is left out.
fn distinct_parts(text: &str) -> Vec<String> {
    if text.len() > MOST_LINE {
        return Vec::new();
    }
    let mut found: Vec<String> = words(text).flat_map(parts).map(str::to_lowercase).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// 2·|a ∩ b| / (|a| + |b|) of sorted lists; 0 of two empty ones.
fn dice(a: &[String], b: &[String]) -> f64 {
    let shared = a.iter().filter(|part| b.binary_search(part).is_ok()).count();
    2.0 * shared as f64 / (a.len() + b.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(chunk: usize, path: &'a str, number: usize, text: &'a str) -> Line<'a> {
        Line { chunk, path, number, text, words: words(text).filter(|word| word.len() > 1).collect() }
    }

    /// Features by name.
    fn of(lines: &[Line<'_>], at: usize, cursor: Cursor<'_>, named: &str) -> f64 {
        let number = FEATURES.iter().position(|name| name.starts_with(named)).expect("such a feature");
        features(lines, cursor)[at][number]
    }

    #[test]
    fn what_a_line_has_of_the_cursors_place() {
        let lines = [
            line(0, "tides/port.py", 7, "    port = openPort(name)"),
            line(0, "tides/port.py", 8, "    level = port.read_level()"),
            line(0, "tides/port.py", 9, "    return level"),
            line(1, "other/x.py", 3, "level = port"),
        ];
        let cursor = Cursor {
            path: "tides/here.py",
            prefix: "    port = open_port(other)\n    height = port.",
            suffix: "\n    return height\n",
        };
        let of = |at, named| of(&lines, at, cursor, named);
        // level, port, read of one; height, port of the other.
        assert_eq!(of(1, "is like"), 2.0 / 5.0);
        // Cut at capitals and underscores: name, open, port; open, other, port.
        assert_eq!(of(1, "the line before"), 4.0 / 6.0);
        assert_eq!(of(0, "the line before"), 0.0, "nothing stands before it");
        assert_eq!(of(3, "the line before"), 0.0, "of another chunk");
        assert_eq!(of(1, "the line behind"), 2.0 / 4.0);
        assert_eq!(of(1, "has what stands"), 8.0 / 20.0, "a space, =, a space and port.");
        assert_eq!(of(3, "has what stands"), 0.0, "the dot is missing");
        let has_news = |at| of(at, "has a name");
        assert_eq!([0, 1, 2, 3].map(has_news), [1.0, 1.0, 1.0, 1.0]);
        assert_eq!([0, 3].map(|at| of(at, "is indented")), [1.0, 0.0]);
        assert_eq!([0, 3].map(|at| of(at, "its file")), [1.0, 0.0]);
        assert_eq!([0, 3].map(|at| of(at, "how far")), [0.0, 0.5]);
    }

    #[test]
    fn a_name_is_none_if_it_stands_around_the_cursor() {
        let lines = [line(0, "a.py", 0, "return height")];
        let at = |suffix| Cursor { path: "b.py", prefix: "x = 1\n", suffix };
        assert_eq!(of(&lines, 0, at("\nheight = 2"), "has a name"), 0.0);
        assert_eq!(of(&lines, 0, at(""), "has a name"), 1.0);
    }

    #[test]
    fn where_nothing_stands_before_the_cursor_nothing_is_like_it() {
        let lines = [line(0, "a.py", 0, "return height"), line(0, "a.py", 1, "    x")];
        let cursor = Cursor { path: "b.py", prefix: "def f():\n    ", suffix: "" };
        let of = |at, named| of(&lines, at, cursor, named);
        for named in ["is like", "has what stands", "begins with"] {
            assert_eq!(of(0, named), 0.0, "{named}");
        }
        assert_eq!([0, 1].map(|at| of(at, "is indented")), [0.0, 1.0]);
    }
}
