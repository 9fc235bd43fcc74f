//! Which lines of a Python file are code, and where a completion can begin in them.

use std::ops::Range;

use crate::words::{is_word, words};

/// The lines that can be completed, as ranges of bytes without the line break: no blank lines, no
/// comments, nothing within a string of several lines (documentation, mostly), nothing with fewer than
/// `shortest` characters of code, blanks not counted.
pub fn code_lines(text: &str, shortest: usize) -> Vec<Range<usize>> {
    let mut open = None;
    let mut offset = 0;
    let mut code = Vec::new();
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let line = line.trim_end_matches('\n');
        let was_open = open.is_some();
        open = scan(line, open);
        let trimmed = line.trim();
        let in_string = was_open || open.is_some() || is_string(trimmed);
        if !in_string && is_long_enough(without_comment(line), shortest) {
            code.push(start..start + line.len());
        }
    }
    code
}

/// The lines of import statements, as ranges of bytes without the line break, those in brackets
/// included.
pub fn import_lines(text: &str) -> Vec<Range<usize>> {
    let mut offset = 0;
    let mut in_brackets = false;
    let mut imports = Vec::new();
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end_matches('\n');
        let first = words(line).next();
        let begins = line.trim_start().starts_with(['i', 'f']) && matches!(first, Some("import" | "from"));
        if in_brackets || begins {
            imports.push(offset..offset + line.len());
            let code = without_comment(line);
            in_brackets = (in_brackets || code.contains('(')) && !code.contains(')');
        }
        offset += whole.len();
    }
    imports
}

/// Where a target may begin in a line, in bytes: first the line's first character that is not
/// blank, then every end of a token after which `shortest` characters are left, blanks not counted.
/// Empty if even the first is not possible.
pub fn cut_points(line: &str, shortest: usize) -> Vec<usize> {
    let indent = line.len() - line.trim_start().len();
    let code = without_comment(line);
    let mut points = vec![indent];
    let mut characters = code.char_indices().skip_while(|&(at, _)| at < indent).peekable();
    while let Some((at, c)) = characters.next() {
        let inside_word = is_word(c) && characters.peek().is_some_and(|&(_, next)| is_word(next));
        if !c.is_whitespace() && !inside_word {
            points.push(at + c.len_utf8());
        }
    }
    points.retain(|&at| code.get(at..).is_some_and(|target| is_long_enough(target, shortest)));
    points
}

/// A line of code without the comment at its end.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut characters = line.char_indices();
    while let Some((at, c)) = characters.next() {
        match (c, quote) {
            ('#', None) => return &line[..at],
            ('\\', Some(_)) => {
                characters.next();
            }
            ('"' | '\'', None) => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            _ => {}
        }
    }
    line
}

fn is_long_enough(text: &str, shortest: usize) -> bool {
    text.chars().filter(|c| !c.is_whitespace()).take(shortest).count() == shortest
}

/// Whether a statement is nothing but a string: documentation of one line.
fn is_string(line: &str) -> bool {
    ["\"\"\"", "'''"].iter().any(|quotes| {
        line.trim_start_matches(['r', 'R', 'b', 'f', 'u']).starts_with(quotes) && line.ends_with(quotes)
    })
}

/// Reads a line, given the quotes of the string of several lines that is open before it; gives
/// what is open after it.
fn scan(line: &str, mut open: Option<&'static str>) -> Option<&'static str> {
    let mut rest = line;
    while !rest.is_empty() {
        if let Some(quotes) = open {
            let Some(end) = end_of_string(rest, quotes) else { return open };
            rest = &rest[end..];
            open = None;
            continue;
        }
        let Some(at) = rest.find(['#', '"', '\'']) else { break };
        rest = &rest[at..];
        if rest.starts_with('#') {
            break;
        }
        let Some(quotes) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| rest.starts_with(quotes))
        else {
            break;
        };
        rest = &rest[quotes.len()..];
        match (end_of_string(rest, quotes), quotes.len()) {
            (Some(end), _) => rest = &rest[end..],
            (None, 3) => return Some(quotes),
            // A string of one line that is left open: a continuation, or no Python.
            (None, _) => break,
        }
    }
    open
}

fn end_of_string(text: &str, quotes: &'static str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            _ if bytes[at..].starts_with(quotes.as_bytes()) => return Some(at + quotes.len()),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<&str> {
        code_lines(text, 3).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn only_code_is_completed() {
        let text = "# comment\nimport os\n\n\"\"\"One line.\"\"\"\n\nclass A:\n    r'''Many\n\n    lines\n    '''\n    x = 'it''s # no'  \n    )\n    y = \"a\\\"\"\n";
        assert_eq!(code(text), ["import os", "class A:", "    x = 'it''s # no'  ", "    y = \"a\\\"\""]);
    }

    #[test]
    fn a_string_of_several_lines_ends_where_it_ends() {
        let text = "query = '''\n  select \"\"\" 1\n''' # '''\nafter = 1\nz = \"\"\"a\\\"\"\" b\"\"\"\nlast = call(2)\n";
        assert_eq!(code(text), ["after = 1", "z = \"\"\"a\\\"\"\" b\"\"\"", "last = call(2)"]);
        // No line break at the end of the file.
        assert_eq!(code("total = 1"), ["total = 1"]);
    }

    #[test]
    fn imports_go_on_in_brackets() {
        let text = "import os\nfrom a import (  # all of it (\n    b,\n    c,\n)\nx = b\nfrom_here = 1\n";
        let lines: Vec<&str> = import_lines(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(lines, ["import os", "from a import (  # all of it (", "    b,", "    c,", ")"]);
    }

    #[test]
    fn targets_begin_after_tokens_and_are_long_enough() {
        let line = "  total = añb.c(12)";
        let targets: Vec<_> = cut_points(line, 3).into_iter().map(|at| &line[at..]).collect();
        assert_eq!(
            targets,
            ["total = añb.c(12)", " = añb.c(12)", " añb.c(12)", ".c(12)", "c(12)", "(12)", "12)"]
        );
        assert!(cut_points("  )]", 3).is_empty());
        // A target may hold a comment, and begins before it.
        let commented = "f(a['#'])  # noqa";
        let targets: Vec<_> = cut_points(commented, 3).into_iter().map(|at| &commented[at..]).collect();
        assert_eq!(targets.last(), Some(&"'])  # noqa"));
        assert!(cut_points("  ) # noqa", 3).is_empty() && code_lines("  ) # noqa\n", 3).is_empty());
    }
}
