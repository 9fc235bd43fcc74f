//! Finding a text in all files of the workspace.

use std::collections::BTreeMap;

use super::file::File;

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The text, within a line.
    pub text: String,
    /// Capital letters differ from small ones.
    pub match_case: bool,
    /// Only where no letter, digit or `_` stands beside it.
    pub whole_word: bool,
}

/// A place where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hit {
    /// From 0.
    pub line: usize,
    /// From 0, in UTF-16 units, as the editor counts.
    pub column: usize,
    /// Its length, in the same.
    pub length: usize,
    /// What stands before it on its line, cut at the left.
    pub before: String,
    /// It, as it stands there.
    pub text: String,
    /// What stands after it on its line, cut at the right.
    pub after: String,
}

/// A file that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: String,
    /// Its places, in order.
    pub hits: Vec<Hit>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// File by file.
    pub files: Vec<Found>,
    /// There is more than is shown.
    pub cut: bool,
}

/// More places than this are not shown.
pub const MOST: usize = 500;
/// Characters shown before a place and after it.
const BEFORE: usize = 12;
const AFTER: usize = 80;

impl Results {
    /// How many places are shown.
    pub fn count(&self) -> usize {
        self.files.iter().map(|found| found.hits.len()).sum()
    }

    /// How much was found, in a sentence.
    pub fn summary(&self, query: &Query) -> String {
        let places = |count: usize| if count == 1 { "1 place".to_owned() } else { format!("{count} places") };
        let files = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        match (query.text.is_empty(), self.count()) {
            (true, _) => "Type what is to be found.".to_owned(),
            (false, 0) => "Nothing found.".to_owned(),
            (false, count) if self.cut => {
                format!("The first {} in {}.", places(count), files(self.files.len()))
            }
            (false, count) => format!("{} in {}.", places(count), files(self.files.len())),
        }
    }
}

/// Looks through all files.
pub fn find(query: &Query, files: &BTreeMap<String, File>) -> Results {
    let mut results = Results::default();
    let wanted = folded(&query.text, query.match_case);
    if wanted.is_empty() {
        return results;
    }
    let mut left = MOST;
    for (path, file) in files {
        let mut hits = Vec::new();
        for (line, text) in file.text.lines().enumerate().filter(|(_, line)| may_hold(line, query)) {
            for hit in hits_in(line, text, &wanted, query) {
                if left == 0 {
                    results.cut = true;
                    break;
                }
                left -= 1;
                hits.push(hit);
            }
        }
        if !hits.is_empty() {
            results.files.push(Found { path: path.clone(), hits });
        }
        if results.cut {
            break;
        }
    }
    results
}

/// Whether it is worth looking into a line letter by letter; quick, for most hold nothing.
fn may_hold(line: &str, query: &Query) -> bool {
    let wanted = query.text.as_bytes();
    if query.match_case {
        return line.contains(&query.text);
    }
    // Beyond ASCII, upper and lower case may differ in length.
    !query.text.is_ascii()
        || line.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
}

/// A text's characters as they are compared, one for one.
fn folded(text: &str, match_case: bool) -> Vec<char> {
    let fold = |c: char| {
        let mut lower = c.to_lowercase();
        match (lower.next(), lower.next()) {
            (Some(one), None) if !match_case => one,
            _ => c,
        }
    };
    text.chars().map(fold).collect()
}

fn hits_in(line: usize, text: &str, wanted: &[char], query: &Query) -> Vec<Hit> {
    let letters = folded(text, query.match_case);
    let (mut hits, mut at) = (Vec::new(), 0);
    if letters.len() < wanted.len() {
        return hits;
    }
    let is_word = |at: Option<usize>| {
        at.and_then(|at| letters.get(at)).is_some_and(|c| c.is_alphanumeric() || *c == '_')
    };
    let original: Vec<char> = text.chars().collect();
    let units = |part: &[char]| part.iter().map(|c| c.len_utf16()).sum();
    while at + wanted.len() <= letters.len() {
        let end = at + wanted.len();
        let apart = !query.whole_word || !(is_word(at.checked_sub(1)) || is_word(Some(end)));
        if letters[at..end] != *wanted || !apart {
            at += 1;
            continue;
        }
        hits.push(Hit {
            line,
            column: units(&original[..at]),
            length: units(&original[at..end]),
            before: shown_before(&original[..at]),
            text: original[at..end].iter().collect(),
            after: original[end..].iter().take(AFTER).collect(),
        });
        at = end;
    }
    hits
}

/// What is shown before a place: from the line's first letter, or as much as there is room for.
fn shown_before(before: &[char]) -> String {
    let indent = before.iter().take_while(|c| c.is_whitespace()).count();
    let before = &before[indent..];
    match before.len().checked_sub(BEFORE) {
        Some(cut) if cut > 0 => std::iter::once('…').chain(before[cut..].iter().copied()).collect(),
        _ => before.iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> BTreeMap<String, File> {
        files.iter().map(|&(path, text)| (path.to_owned(), File::saved(text))).collect()
    }

    fn places(query: &Query, text: &str) -> Vec<(usize, usize)> {
        let results = find(query, &files(&[("a.py", text)]));
        results.files.iter().flat_map(|found| &found.hits).map(|hit| (hit.line, hit.column)).collect()
    }

    fn query(text: &str) -> Query {
        Query { text: text.into(), ..Query::default() }
    }

    #[test]
    fn places_are_counted_as_the_editor_counts() {
        assert_eq!(places(&query("x"), "x = 1\ny = x + x\n"), [(0, 0), (1, 4), (1, 8)]);
        assert_eq!(places(&query("x"), "'😀' + x"), [(0, 7)]);
        assert_eq!(places(&query("aa"), "aaaa"), [(0, 0), (0, 2)]);
    }

    #[test]
    fn case_and_words_count_when_asked() {
        assert_eq!(places(&query("TIDE"), "tide Tide TIDE"), [(0, 0), (0, 5), (0, 10)]);
        let exact = Query { match_case: true, ..query("Tide") };
        assert_eq!(places(&exact, "tide Tide TIDE"), [(0, 5)]);
        let word = Query { whole_word: true, ..query("tide") };
        assert_eq!(places(&word, "tides tide_x tide, ebbtide"), [(0, 13)]);
        assert_eq!(places(&query("straße"), "STRAßE"), [(0, 0)]);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("    {}needle{}", "a".repeat(100), "b".repeat(100));
        let results = find(&query("needle"), &files(&[("a.py", &line)]));
        let hit = &results.files[0].hits[0];
        assert_eq!(hit.before, format!("…{}", "a".repeat(BEFORE)));
        assert_eq!((hit.text.as_str(), hit.after.len()), ("needle", AFTER));
    }

    #[test]
    fn more_than_fits_is_cut_and_said() {
        let text = "x\n".repeat(MOST + 1);
        let results = find(&query("x"), &files(&[("a.py", &text), ("b.py", "x")]));
        assert!(results.cut && results.count() == MOST);
        assert_eq!(results.summary(&query("x")), "The first 500 places in 1 file.");
        let all = find(&query("x"), &files(&[("a.py", "x x"), ("b.py", "x")]));
        assert_eq!(all.summary(&query("x")), "3 places in 2 files.");
        assert_eq!(find(&query("z"), &files(&[])).summary(&query("z")), "Nothing found.");
        assert_eq!(find(&query(""), &files(&[("a.py", "x")])), Results::default());
    }
}
