//! A measurement task by task: which are shown, how they differ, and how they are exported.

use std::fmt::Write;

use llavacode_api::{
    completion::Lane,
    report::{LaneResult, TaskResult},
};
use similar::{ChangeTag, TextDiff};

/// Which tasks are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Filter {
    /// All.
    #[default]
    All,
    /// Those that need a name from another file.
    NeedsContext,
    /// Those that need none.
    NeedsNone,
    /// Those in which the lanes' texts differ.
    LanesDiffer,
}

impl Filter {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::All, Self::NeedsContext, Self::NeedsNone, Self::LanesDiffer];

    /// Its name in the page.
    pub fn key(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::NeedsContext => "needs-context",
            Self::NeedsNone => "needs-none",
            Self::LanesDiffer => "lanes-differ",
        }
    }

    /// What a user reads.
    pub fn title(self) -> &'static str {
        match self {
            Self::All => "all lines",
            Self::NeedsContext => "need a name from another file",
            Self::NeedsNone => "need none",
            Self::LanesDiffer => "lanes differ",
        }
    }

    /// Whether it lets a task through.
    pub fn takes(self, result: &TaskResult) -> bool {
        match self {
            Self::All => true,
            Self::NeedsContext => result.needs_context,
            Self::NeedsNone => !result.needs_context,
            Self::LanesDiffer => {
                let mut texts = result.lanes.values().map(|lane| lane.text.trim());
                let first = texts.next();
                texts.any(|text| Some(text) != first)
            }
        }
    }
}

/// A lane over the tasks completed so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneSoFar {
    /// The lane.
    pub lane: Lane,
    /// Lines completed exactly.
    pub exact: usize,
    /// Lines.
    pub of: usize,
    /// 95 % interval of the share of exact lines, percent (Wilson's).
    pub exact_percent: (f64, f64),
    /// Mean edit similarity, percent.
    pub edit_similarity: f64,
    /// Median cold time to first token, in milliseconds.
    pub ttft_ms: f64,
}

/// Each lane over some tasks; none where there are no tasks.
pub fn lanes_so_far<'a>(results: impl Iterator<Item = &'a TaskResult> + Clone) -> Vec<LaneSoFar> {
    let of_lane = |lane: Lane| {
        let results: Vec<&LaneResult> =
            results.clone().filter_map(|result| result.lanes.get(lane.key())).collect();
        if results.is_empty() {
            return None;
        }
        let (of, exact) = (results.len(), results.iter().filter(|result| result.exact_match).count());
        let mut times: Vec<f64> = results.iter().map(|result| result.ttft_cold_ms).collect();
        times.sort_by(f64::total_cmp);
        Some(LaneSoFar {
            lane,
            exact,
            of,
            exact_percent: wilson(exact, of),
            edit_similarity: results.iter().map(|result| result.edit_similarity).sum::<f64>() / of as f64,
            ttft_ms: (times[(of - 1) / 2] + times[of / 2]) / 2.0,
        })
    };
    Lane::ALL.into_iter().filter_map(of_lane).collect()
}

/// Wilson's 95 % interval of a share, percent: right for few tasks and for shares near none, too.
fn wilson(hits: usize, of: usize) -> (f64, f64) {
    const Z: f64 = 1.96;
    let n = of as f64;
    let share = hits as f64 / n;
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    (100.0 * (middle - half).max(0.0), 100.0 * (middle + half).min(1.0))
}

/// A piece of a text against the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// In both.
    Same,
    /// In the text only.
    Added,
    /// In the target only.
    Missing,
}

/// A completion against its target, word by word; signs and blanks stand for themselves.
pub fn word_diff(target: &str, text: &str) -> Vec<(Piece, String)> {
    let (target, text) = (words_and_signs(target.trim()), words_and_signs(text.trim()));
    let diff = TextDiff::from_slices(&target, &text);
    let mut pieces: Vec<(Piece, String)> = Vec::new();
    for change in diff.iter_all_changes() {
        let piece = match change.tag() {
            ChangeTag::Equal => Piece::Same,
            ChangeTag::Insert => Piece::Added,
            ChangeTag::Delete => Piece::Missing,
        };
        match pieces.last_mut() {
            Some((last, text)) if *last == piece => text.push_str(change.value()),
            _ => pieces.push((piece, change.value().to_owned())),
        }
    }
    pieces
}

fn words_and_signs(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match is_word(first) {
            true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// Takes everything out that a user wrote or a model made of it: paths and numbers stay.
pub fn without_source(result: &mut TaskResult) {
    result.before.clear();
    result.target.clear();
    result.lanes.values_mut().for_each(|lane| lane.text.clear());
}

/// The tasks as comma-separated values: a row for each task and lane.
pub fn to_csv(results: &[TaskResult], source: bool) -> String {
    let mut text =
        String::from("path,line,needs_context,lane,exact_match,edit_similarity,ttft_cold_ms,prompt_tokens");
    text.push_str(if source { ",before,target,text\n" } else { "\n" });
    for result in results {
        for (lane, found) in &result.lanes {
            let _ = write!(
                text,
                "{},{},{},{lane},{},{:.1},{:.1},{}",
                quoted(&result.path),
                result.line + 1,
                result.needs_context,
                found.exact_match,
                found.edit_similarity,
                found.ttft_cold_ms,
                found.prompt_tokens
            );
            if source {
                let texts = [&result.before, &result.target, &found.text].map(|text| quoted(text));
                let _ = write!(text, ",{}", texts.join(","));
            }
            text.push('\n');
        }
    }
    text
}

/// A field of RFC 4180. A text that a spreadsheet would take for a formula is kept a text.
fn quoted(field: &str) -> String {
    let guard = if field.trim_start().starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

/// The lanes, and with source text the tasks, as Markdown.
pub fn to_markdown(results: &[TaskResult], source: bool) -> String {
    let mut text = format!("{} lines.\n\n", results.len());
    text.push_str("| lane | exact match | 95 % interval | edit similarity, % | cold TTFT, median ms |\n");
    text.push_str("|---|--:|--:|--:|--:|\n");
    for lane in lanes_so_far(results.iter()) {
        let LaneSoFar { exact, of, exact_percent: (low, high), edit_similarity, ttft_ms, lane } = lane;
        let name = lane.key().replace('_', " ");
        let _ = writeln!(
            text,
            "| {name} | {exact} of {of} | {low:.0} … {high:.0} % | {edit_similarity:.1} | {ttft_ms:.0} |"
        );
    }
    if source {
        for result in results {
            let need = if result.needs_context { ", needs a name from another file" } else { "" };
            let _ = writeln!(text, "\n`{}`, line {}{need}:\n", result.path, result.line + 1);
            let _ = writeln!(text, "- {}", code(&result.before, &result.target));
            for (lane, found) in &result.lanes {
                let mark = if found.exact_match { " ✓" } else { "" };
                let _ = writeln!(text, "- {}{mark}: {}", lane.replace('_', " "), code("", &found.text));
            }
        }
    }
    text
}

/// A line as inline code, whatever is in it; what stands before the cursor apart.
fn code(before: &str, text: &str) -> String {
    let line = format!("{}{text}", before.trim_start()).replace(['\n', '\r'], "⏎");
    // A fence longer than any run of backticks in it.
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(needs_context: bool, texts: [&str; 2]) -> TaskResult {
        let lane = |text: &str, ttft_cold_ms| LaneResult {
            text: text.to_owned(),
            exact_match: text == "level()",
            edit_similarity: if text == "level()" { 100.0 } else { 50.0 },
            ttft_cold_ms,
            prompt_tokens: 20,
        };
        TaskResult {
            path: "a \"b\".py".into(),
            line: 6,
            before: "=SUM(gauge.".into(),
            target: "level()".into(),
            needs_context,
            lanes: [
                (Lane::Base.key().to_owned(), lane(texts[0], 10.0)),
                (Lane::FullRag.key().to_owned(), lane(texts[1], 30.0)),
            ]
            .into(),
        }
    }

    #[test]
    fn filters_take_what_they_say() {
        let same = result(false, ["level()", "level() "]);
        let differ = result(true, ["read()", "level()"]);
        let taken = |filter: Filter| [&same, &differ].map(|result| filter.takes(result));
        assert_eq!(Filter::ALL.map(taken), [[true, true], [false, true], [true, false], [false, true]]);
    }

    #[test]
    fn lanes_are_counted_over_the_tasks_so_far() {
        let results = [result(true, ["read()", "level()"]), result(true, ["level()", "level()"])];
        let lanes = lanes_so_far(results.iter());
        assert_eq!(lanes.len(), 2);
        assert_eq!((lanes[0].lane, lanes[0].exact, lanes[0].of), (Lane::Base, 1, 2));
        assert_eq!((lanes[0].edit_similarity, lanes[1].ttft_ms), (75.0, 30.0));
        assert!(lanes_so_far([].iter()).is_empty());
    }

    /// Agresti and Coull (1998) give 0 of 10 as 0 to 27.8 %, and the interval is symmetric.
    #[test]
    fn the_interval_is_wilsons() {
        let (low, high) = wilson(0, 10);
        assert!(low == 0.0 && (high - 27.75).abs() < 0.1, "{low} to {high}");
        let (from, to) = wilson(10, 10);
        assert!((from - (100.0 - high)).abs() < 1e-9 && (to - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_diff_is_by_words_and_gives_both_texts_back() {
        let (target, text) = ("gauge.read_level(now)", "gauge.read_depth(now, 2)");
        let diff = word_diff(target, text);
        let only = |skip: Piece| -> String {
            diff.iter().filter(|(piece, _)| *piece != skip).map(|(_, text)| text.as_str()).collect()
        };
        assert_eq!((only(Piece::Added), only(Piece::Missing)), (target.to_owned(), text.to_owned()));
        assert!(diff.contains(&(Piece::Same, "(now".to_owned())), "a sign is no part of a word: {diff:?}");
        assert_eq!(word_diff("same", " same "), [(Piece::Same, "same".to_owned())]);
    }

    #[test]
    fn exports_have_no_source_unless_it_is_asked_for() {
        let results = [result(true, ["secret_one()", "level()"])];
        for text in [to_csv(&results, false), to_markdown(&results, false)] {
            assert!(
                !text.contains("secret") && !text.contains("level()") && !text.contains("gauge"),
                "{text}"
            );
        }
        let mut bare = results[0].clone();
        without_source(&mut bare);
        let json = serde_json::to_string(&bare).expect("JSON");
        assert!(!json.contains("secret") && !json.contains("gauge") && json.contains("edit_similarity"));
        for text in [to_csv(&results, true), to_markdown(&results, true)] {
            assert!(text.contains("secret_one()") && text.contains("gauge."), "{text}");
        }
    }

    #[test]
    fn fields_with_quotes_and_formulas_stay_fields() {
        let csv = to_csv(&[result(false, ["x", "y"])], true);
        let row = csv.lines().nth(1).expect("a row");
        assert!(
            row.starts_with("\"a \"\"b\"\".py\",7,false,base,false,50.0,10.0,20,\"'=SUM(gauge.\","),
            "{row}"
        );
        assert_eq!(csv.lines().count(), 3);
    }

    #[test]
    fn code_in_markdown_survives_backticks_and_line_breaks() {
        assert_eq!(code("  a", "b"), "`ab`");
        assert_eq!(code("", "x = `y`\nz"), "`` x = `y`⏎z ``");
    }
}
