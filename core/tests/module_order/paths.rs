//! The paths in a source that begin at the crate's root.

/// The first name behind the root of every path that goes there: `crate::name…`, and `super::name…`
/// with as many `super`s as the source's module is deep, in groups too. What is in comments is passed
/// over.
pub(crate) fn root_names(source: &str, depth: usize) -> Vec<String> {
    let tokens = tokens(source);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = match tokens[at] {
            "crate" | "super" => collect(&tokens, at, &mut Vec::new(), &mut paths),
            _ => at + 1,
        };
    }
    let name = |path: Vec<&str>| {
        let supers = path.iter().take_while(|segment| **segment == "super").count();
        match path[0] {
            "crate" => path.get(1).copied(),
            // A module within the file is deeper by one.
            _ if supers >= depth => path.get(supers).copied(),
            _ => None,
        }
        .map(str::to_owned)
    };
    paths.into_iter().filter_map(name).collect()
}

/// Collects the path, or the group of paths, that begins at a token; tells where it ends.
fn collect<'s>(
    tokens: &[&'s str],
    mut at: usize,
    path: &mut Vec<&'s str>,
    paths: &mut Vec<Vec<&'s str>>,
) -> usize {
    let length = path.len();
    let segment = |token: &&str| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    while let Some(token) = tokens.get(at).filter(|token| segment(token)) {
        path.push(token);
        at += 1;
        match tokens.get(at..at + 2) {
            Some(["::", "{"]) => {
                at += 2;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    let next = collect(tokens, at, path, paths);
                    at = if next == at { at + 1 } else { next };
                }
                path.truncate(length);
                return at + 1;
            }
            Some(["::", _]) => at += 1,
            _ => break,
        }
    }
    if path.len() > length {
        paths.push(path.clone());
    }
    path.truncate(length);
    at
}

/// Identifiers, `::` and every other character but white space, without comments.
fn tokens(source: &str) -> Vec<&str> {
    let lines = source.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.flat_map(tokens_of_line).collect()
}

fn tokens_of_line(line: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let in_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            _ if in_name(first) => rest.find(|c| !in_name(c)).unwrap_or(rest.len()),
            _ if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        tokens.push(token);
        rest = behind.trim_start();
    }
    tokens
}

#[test]
fn every_way_of_writing_a_path_is_read() {
    let names = |source, depth| root_names(source, depth).join(" ");
    assert_eq!(
        names("use crate::{\n    Error,\n    a::{self, B, c::D},\n    e,\n};\nuse f::g;", 1),
        "Error a a a e"
    );
    assert_eq!(names("let x: crate::h::I<crate::j::K> = crate::l::<u8>();", 1), "h j l");
    assert_eq!(names("pub(in crate::m) fn n() {}", 1), "m");
    assert_eq!(names("use super::{super::{o::P, q}, r};", 2), "o q");
    assert_eq!(names("use super::r;", 2), "");
    assert_eq!(names("// crate::s\n/// [`crate::t`]\nuse std::u; // crate::v", 1), "");
}
