//! Of all chunks the few lines that say most of how the text goes on: compression without a model.
//!
//! A line's score is a weighted sum of its [`features`]: how like its place is to the cursor's, whether it
//! brings a name that stands nowhere around the cursor, and the like. The weights are learned, on packages
//! of the training corpus, so that the score is the logarithm of how likely the line tells what comes next;
//! no reader takes part. The best lines are taken until the room is spent, each with the line before it and
//! the one behind: a reader goes on as something went on before that it has seen. The word before the cursor
//! has no say: so the excerpt stays, and with it the KV cache, while a word is typed.
//!
//! `llavacode-train excerpt` learns the weights; what excerpts are worth is in `docs/measurements.md`.

mod features;
mod weights;

use std::collections::HashSet;

pub use self::features::{FEATURES, Features, features};
pub use self::weights::WEIGHTS;
use super::{Cursor, PromptChunk};
use crate::words::{is_word, words};

/// A line of more bytes is data, or written by a machine: it is left out.
const MOST_LINE: usize = 400;
/// The fewest tokens of a line.
const LEAST_COST: usize = 3;

/// How much each feature counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Where something stands before the cursor in its line.
    pub inside: Features,
    /// Where nothing does.
    pub beginning: Features,
}

impl Weights {
    /// Those for a cursor.
    pub fn at(&self, cursor: Cursor<'_>) -> &Features {
        let line = cursor.prefix.rsplit('\n').next().unwrap_or_default();
        if line.trim().is_empty() { &self.beginning } else { &self.inside }
    }
}

/// A line of a chunk.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Its chunk's rank, from 0 on.
    pub chunk: usize,
    /// The file's path.
    pub path: &'a str,
    /// Its number in its file.
    pub number: usize,
    /// Without its line break.
    pub text: &'a str,
    /// Its words of two characters and more, sorted, each once; none where it is left out.
    pub words: Vec<&'a str>,
}

impl Line<'_> {
    /// Whether an excerpt may have it.
    pub fn may_stand(&self) -> bool {
        self.text.len() <= MOST_LINE && !self.text.trim().is_empty()
    }
}

/// Every line of the chunks once: chunks of a file may overlap.
pub fn lines_of<'a>(chunks: &[PromptChunk<'a>]) -> Vec<Line<'a>> {
    let mut seen = HashSet::new();
    let mut lines = Vec::new();
    for (chunk, PromptChunk { span, text, .. }) in chunks.iter().enumerate() {
        for (number, text) in (span.start_line..).zip(text.lines()) {
            if seen.insert((&span.path, number)) {
                let words = if text.len() > MOST_LINE { Vec::new() } else { distinct(text) };
                lines.push(Line { chunk, path: &span.path, number, text, words });
            }
        }
    }
    lines
}

fn distinct(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = words(text).filter(|word| word.len() > 1).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A text without the word at its end, which is being typed.
pub fn before_word(text: &str) -> &str {
    text.trim_end_matches(is_word)
}

/// Lines of the chunks, which come best first, joined by line breaks; the best chunk's last if `best_last`.
/// The text before the cursor ends [before the word](before_word) there. `cost` says what a line takes of
/// the `room`, in tokens.
pub fn excerpt(
    chunks: &[PromptChunk<'_>],
    cursor: Cursor<'_>,
    weights: &Weights,
    mut room: usize,
    best_last: bool,
    mut cost: impl FnMut(&str) -> usize,
) -> String {
    let lines = lines_of(chunks);
    let mut taken = Vec::new();
    for best in by_score(&lines, cursor, weights) {
        for line in with_neighbours(&lines, best) {
            if taken.contains(&line) {
                continue;
            }
            let needed = cost(lines[line].text);
            if needed <= room {
                room -= needed;
                taken.push(line);
            }
        }
        if room < LEAST_COST {
            break;
        }
    }
    taken.sort_unstable();
    if best_last {
        // Stable: a chunk's lines stay in their order.
        taken.sort_by_key(|&line| std::cmp::Reverse(lines[line].chunk));
    }
    taken.iter().map(|&line| lines[line].text).collect::<Vec<_>>().join("\n")
}

/// The logarithm of how likely a line tells what comes next, but for what all lines have in common.
pub fn score(of_line: &Features, weights: &Features) -> f64 {
    of_line.iter().zip(weights).map(|(feature, weight)| feature * weight).sum()
}

/// The lines that may stand in an excerpt, the likeliest first.
fn by_score(lines: &[Line<'_>], cursor: Cursor<'_>, weights: &Weights) -> Vec<usize> {
    let weights = weights.at(cursor);
    let scores: Vec<f64> = features(lines, cursor).iter().map(|of_line| score(of_line, weights)).collect();
    let mut order: Vec<usize> = (0..lines.len()).filter(|&line| lines[line].may_stand()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// A line, the one before it and the one behind it, as far as they stand there and may stand here.
fn with_neighbours(lines: &[Line<'_>], line: usize) -> impl Iterator<Item = usize> {
    let neighbours = [-1, 1].into_iter().filter_map(move |away| beside(lines, line, away));
    std::iter::once(line).chain(neighbours).filter(|&line| lines[line].may_stand())
}

/// The line so many lines further down in its file, or up, if it is of the same chunk.
fn beside(lines: &[Line<'_>], line: usize, away: isize) -> Option<usize> {
    let other = line.checked_add_signed(away)?;
    let (here, there) = (&lines[line], lines.get(other)?);
    let follows = here.number.checked_add_signed(away) == Some(there.number);
    (there.chunk == here.chunk && follows).then_some(other)
}

#[cfg(test)]
mod tests {
    use llavacode_api::completion::ChunkSpan;

    use super::*;
    use crate::index::ChunkId;

    fn span(path: &str, start_line: usize, text: &str) -> ChunkSpan {
        ChunkSpan { path: path.into(), start_line, end_line: start_line + text.lines().count() }
    }

    fn of(chunks: &[(&str, usize, &str)], before: &str, room: usize, best_last: bool) -> String {
        let spans: Vec<ChunkSpan> =
            chunks.iter().map(|(path, start, text)| span(path, *start, text)).collect();
        let chunks: Vec<PromptChunk<'_>> = chunks
            .iter()
            .zip(&spans)
            .map(|((_, _, text), span)| PromptChunk { id: ChunkId::new(0, 0), span, text })
            .collect();
        // A word costs one.
        let cursor = Cursor { path: "here.py", prefix: before_word(before), suffix: "\n" };
        excerpt(&chunks, cursor, &WEIGHTS, room, best_last, |line| line.split_whitespace().count())
    }

    const PORTS: &str = "port = open_port(name)\nlevel = port.read_level()\nreturn level\n\nunrelated = 1\n";

    #[test]
    fn a_line_whose_place_is_like_the_cursors_comes_first() {
        // Both share a word with the cursor's line; only one stands behind a line like that before it.
        let chunks = [
            ("b.py", 0, "unlike = 1\nport.flush(level)\n"),
            ("a.py", 0, "x = begin(thing)\nport.close(level)\n"),
        ];
        assert_eq!(of(&chunks, "x = begin(other)\nport.", 1, false), "port.close(level)");
        assert_eq!(of(&chunks, "unlike = 2\nport.", 1, false), "port.flush(level)");
    }

    #[test]
    fn the_lines_around_a_good_one_come_along() {
        let before = "import os\nport = open_port(other)\n";
        assert_eq!(of(&[("a.py", 0, PORTS)], before, 3, false), "level = port.read_level()");
        let found = of(&[("a.py", 0, PORTS)], before, 6, false);
        assert_eq!(found, "port = open_port(name)\nlevel = port.read_level()");
        let found = of(&[("a.py", 0, PORTS)], before, 8, false);
        assert_eq!(found, "port = open_port(name)\nlevel = port.read_level()\nreturn level");
    }

    #[test]
    fn it_stays_while_a_word_is_typed() {
        let text = |typed: &str| {
            let before = format!("port = open_port(other)\nlevel = port.{typed}");
            of(&[("a.py", 0, PORTS), ("b.py", 3, "port.write(1)\nport.reset()\n")], &before, 5, true)
        };
        assert!(text("").contains("port.read_level()"), "{}", text(""));
        assert_eq!(["r", "re", "reset"].map(text), [(); 3].map(|()| text("")));
    }

    #[test]
    fn lines_of_chunks_that_overlap_stand_there_once_and_in_their_order() {
        let tail: String = PORTS.lines().skip(1).map(|line| format!("{line}\n")).collect();
        let chunks = [("a.py", 0, PORTS), ("a.py", 1, &tail), ("b.py", 7, "level = other_port(name)\n")];
        let before = "port = open_port(name)\n";
        let found = of(&chunks, before, 100, false);
        assert_eq!(found.matches("read_level").count(), 1);
        let (own, other) = (found.find("read_level"), found.find("other_port"));
        assert!(own < other, "{found}");
        let last = of(&chunks, before, 100, true);
        assert!(last.find("read_level") > last.find("other_port"), "{last}");
        assert!(last.find("open_port") < last.find("read_level"), "a chunk's lines stay in order: {last}");
    }

    #[test]
    fn a_line_without_end_is_left_out_and_costs_nothing() {
        let data = format!("port = [{}]", "1, ".repeat(400_000));
        let text = format!("port = open_port(name)\n{data}\nlevel = port.read_level()\n");
        let span = span("a.py", 0, &text);
        let chunk = PromptChunk { id: ChunkId::new(0, 0), span: &span, text: &text };
        let cursor = Cursor { path: "here.py", prefix: "port = open_port(other)\n", suffix: "" };
        let found = excerpt(&[chunk], cursor, &WEIGHTS, 20, false, |line| {
            assert!(line.len() <= MOST_LINE, "it is not even tokenised");
            line.split_whitespace().count()
        });
        assert_eq!(found, "port = open_port(name)\nlevel = port.read_level()");
    }

    #[test]
    fn without_chunks_or_room_nothing_is_said() {
        assert_eq!(of(&[], "port\n", 50, true), "");
        assert_eq!(of(&[("a.py", 0, PORTS)], "port = open_port(x)\n", 0, true), "");
        assert_eq!(of(&[("a.py", 0, "\n \n")], "port = open_port(x)\n", 50, true), "");
    }
}
