//! Of all chunks the few lines that say most of how the text goes on: compression without training.
//!
//! A line's score is the sum of two, the first at most 3, the second at most 1:
//! - **place**: how much it is like what stands in the cursor's line, and the lines before it are like the
//!   lines before that. Code repeats itself, and then what follows here is like what follows there.
//! - **words**: how many words it shares with these lines, rare and near ones first; twice as much if it
//!   brings a name that stands nowhere around the cursor.
//!
//! The best are taken with the line behind each, until the room is spent. The word before the cursor has no
//! say: so the excerpt stays, and with it the KV cache, while a word is typed.
//!
//! Which form of this keeps most was chosen on validation packages; what it is worth is in
//! `docs/measurements.md`.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::PromptChunk;
use crate::words::{is_common, is_word, words};

/// Lines that places are compared by, the cursor's among them.
const PLACE_LINES: usize = 4;
/// How much less each counts than the one behind it.
const PLACE_DECAY: f64 = 0.8;
/// Lines whose words are looked for, the cursor's among them.
const WORD_LINES: usize = 6;
/// How much less a word counts for each line it stands further up.
const WORD_DECAY: f64 = 0.7;
/// What a word counts that means the same in every project.
const COMMON_WORD: f64 = 0.3;
/// A line of more bytes is data, or written by a machine: it is left out.
const MOST_LINE: usize = 400;
/// What the last of all chunks loses against the first.
const RANK_LOSS: f64 = 0.3;

/// A line of a chunk.
struct Line<'a> {
    chunk: usize,
    /// In its file.
    number: usize,
    text: &'a str,
    /// Each once.
    words: Vec<&'a str>,
}

/// Lines of the chunks, which come best first, joined by line breaks; the best chunk's last if `best_last`.
/// `before` is the text before the word at the cursor and `around` what stands around that. `cost` says
/// what a line takes of the `room`.
pub(super) fn excerpt(
    chunks: &[PromptChunk<'_>],
    before: &str,
    around: &[&str],
    mut room: usize,
    best_last: bool,
    mut cost: impl FnMut(&str) -> usize,
) -> String {
    let lines = lines_of(chunks);
    let scores = scores(&lines, chunks.len(), before, around);
    let mut by_score: Vec<usize> = (0..lines.len()).filter(|&line| scores[line] > 0.0).collect();
    by_score.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut taken = vec![false; lines.len()];
    for line in by_score {
        for line in with_next(&lines, line) {
            let text = lines[line].text;
            if taken[line] || text.len() > MOST_LINE || text.trim().is_empty() {
                continue;
            }
            let needed = cost(text);
            if needed <= room {
                room -= needed;
                taken[line] = true;
            }
        }
        if room < MIN_LINE {
            break;
        }
    }
    let mut chosen: Vec<&Line<'_>> =
        lines.iter().zip(taken).filter(|(_, taken)| *taken).map(|(line, _)| line).collect();
    if best_last {
        // Stable: a chunk's lines stay in their order.
        chosen.sort_by_key(|line| std::cmp::Reverse(line.chunk));
    }
    chosen.iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
}

/// A text without the word at its end, which is being typed.
pub(super) fn before_word(text: &str) -> &str {
    text.trim_end_matches(is_word)
}

/// The least that a line takes.
const MIN_LINE: usize = 3;

/// Every line of the chunks once: chunks of a file may overlap.
fn lines_of<'a>(chunks: &[PromptChunk<'a>]) -> Vec<Line<'a>> {
    let mut seen = HashSet::new();
    let mut lines = Vec::new();
    for (chunk, PromptChunk { span, text, .. }) in chunks.iter().enumerate() {
        for (number, text) in (span.start_line..).zip(text.lines()) {
            if seen.insert((&span.path, number)) {
                let words = if text.len() > MOST_LINE { Vec::new() } else { distinct(text) };
                lines.push(Line { chunk, number, text, words });
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

/// A line and the one behind it, where that follows in the file.
fn with_next(lines: &[Line<'_>], at: usize) -> Range<usize> {
    let follows = lines.get(at + 1).is_some_and(|next| is_next(&lines[at], next));
    at..at + 1 + usize::from(follows)
}

fn is_next(line: &Line<'_>, next: &Line<'_>) -> bool {
    next.chunk == line.chunk && next.number == line.number + 1
}

fn scores(lines: &[Line<'_>], chunks: usize, before: &str, around: &[&str]) -> Vec<f64> {
    // The cursor's line first.
    let above: Vec<&str> = before.rsplit('\n').take(WORD_LINES).collect();
    let by_words = by_words(lines, chunks, &above, around);
    let most = by_words.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let above: Vec<Vec<&str>> = above.iter().take(PLACE_LINES).map(|line| distinct(line)).collect();
    (0..lines.len()).map(|at| by_place(lines, at, &above) + by_words[at] / most).collect()
}

/// How like a line and those before it are to the cursor's and those before that, the nearest first.
fn by_place(lines: &[Line<'_>], at: usize, above: &[Vec<&str>]) -> f64 {
    let (mut score, mut weight) = (0.0, 1.0);
    for (back, words) in above.iter().enumerate() {
        let Some(other) = at.checked_sub(back).map(|before| &lines[before]) else { break };
        if other.chunk != lines[at].chunk {
            break;
        }
        let shared = words.iter().filter(|word| other.words.contains(word)).count();
        if shared > 0 {
            score += weight * 2.0 * shared as f64 / (words.len() + other.words.len()) as f64;
        }
        weight *= PLACE_DECAY;
    }
    score
}

/// How many words each line shares with the cursor's and those above it.
fn by_words(lines: &[Line<'_>], chunks: usize, above: &[&str], around: &[&str]) -> Vec<f64> {
    let mut near: HashMap<&str, f64> = HashMap::new();
    let mut weight = 1.0;
    for line in above {
        for word in distinct(line) {
            let weight = if is_common(word) { COMMON_WORD * weight } else { weight };
            let known = near.entry(word).or_default();
            *known = known.max(weight);
        }
        weight *= WORD_DECAY;
    }
    let known: HashSet<&str> = around.iter().flat_map(|text| words(text)).collect();
    let mut in_lines: HashMap<&str, f64> = HashMap::new();
    for word in lines.iter().flat_map(|line| &line.words) {
        *in_lines.entry(word).or_default() += 1.0;
    }
    let rarity = |word: &str| 1.0 + (lines.len() as f64 / in_lines[word]).ln();
    let score = |line: &Line<'_>| {
        let shared: f64 = line.words.iter().filter_map(|word| Some(near.get(word)? * rarity(word))).sum();
        let brings_news = line.words.iter().any(|word| !known.contains(word) && !is_common(word));
        let news = if brings_news { 2.0 } else { 1.0 };
        let rank = 1.0 - RANK_LOSS * line.chunk as f64 / chunks as f64;
        shared * news * rank / (3.0 + line.words.len() as f64).sqrt()
    };
    lines.iter().map(score).collect()
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
        let before = before_word(before);
        excerpt(&chunks, before, &[before], room, best_last, |line| line.split_whitespace().count())
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
    fn the_line_behind_a_good_one_comes_along() {
        let found = of(&[("a.py", 0, PORTS)], "import os\nport = open_port(other)\n", 6, false);
        assert_eq!(found, "port = open_port(name)\nlevel = port.read_level()");
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
        let before = "port = open_port(other)\n";
        let found = excerpt(&[chunk], before, &[before], 20, false, |line| {
            assert!(line.len() <= MOST_LINE, "it is not even tokenised");
            line.split_whitespace().count()
        });
        assert_eq!(found, "port = open_port(name)\nlevel = port.read_level()");
    }

    #[test]
    fn nothing_shared_is_nothing_said() {
        for before in ["", "\n\n", "zebra = quagga\n"] {
            assert_eq!(of(&[("a.py", 0, "port = open_port(name)\n")], before, 50, true), "");
        }
        assert_eq!(of(&[], "port\n", 50, true), "");
        assert_eq!(of(&[("a.py", 0, PORTS)], "port = open_port(x)\n", 0, true), "");
    }
}
