//! Which files of a folder are left out: those in folders that nobody edits
//! ([`is_ignored`]), and those that its `.gitignore` files name.
//!
//! As in git, a `.gitignore` holds for its folder and all below; the deepest one that says something
//! of a path decides, in it the last line; and what lies in a folder that is left out cannot be taken
//! in again. Patterns are matched by gitoxide's port of git's own matcher.

use std::collections::BTreeMap;

use crate::filter::is_ignored;
use gix_glob::Pattern;
use gix_glob::pattern::Case;
use gix_glob::wildmatch::Mode;

/// The name of the files that name what is left out.
pub const GITIGNORE: &str = ".gitignore";

/// The `.gitignore` files of a tree that were read so far.
#[derive(Debug, Default)]
pub struct Ignored {
    /// The patterns of each, by its folder: empty, or a path that ends in `/`.
    patterns: BTreeMap<String, Vec<Pattern>>,
}

impl Ignored {
    /// Takes in the `.gitignore` of a folder, which is `""` or ends in `/`.
    pub fn add(&mut self, folder: &str, text: &str) {
        let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines();
        let patterns: Vec<_> = lines.filter_map(pattern).collect();
        self.patterns.insert(folder.to_owned(), patterns);
    }

    /// Whether a path is left out; a folder's ends in `/`. Of the folders above it the `.gitignore`
    /// files must have been added.
    pub fn leaves_out(&self, path: &str) -> bool {
        if is_ignored(path) {
            return true;
        }
        let folders = path.match_indices('/').map(|(end, _)| &path[..=end]);
        folders.chain([path]).any(|part| !part.is_empty() && self.names(part))
    }

    /// Whether the patterns name exactly this path.
    fn names(&self, path: &str) -> bool {
        let (bare, is_folder) = match path.strip_suffix('/') {
            Some(bare) => (bare, true),
            None => (path, false),
        };
        // From the deepest folder above it to the top.
        let above = bare.match_indices('/').rev().map(|(end, _)| &bare[..=end]);
        let decided = above.chain([""]).find_map(|folder| {
            let patterns = self.patterns.get(folder)?;
            let below = &bare[folder.len()..];
            let name_at = below.rfind('/').map(|slash| slash + 1);
            let matches = |pattern: &&Pattern| {
                pattern.matches_repo_relative_path(
                    below.into(),
                    name_at,
                    Some(is_folder),
                    Case::Sensitive,
                    Mode::NO_MATCH_SLASH_LITERAL,
                )
            };
            patterns.iter().rev().find(matches).map(|pattern| !pattern.is_negative())
        });
        decided.unwrap_or(false)
    }
}

/// A line's pattern, if it holds one. Blanks at its end count only behind a backslash.
fn pattern(line: &str) -> Option<Pattern> {
    if line.starts_with('#') {
        return None;
    }
    let mut end = line.trim_end_matches(['\r', ' ', '\t']).len();
    if line[..end].ends_with('\\') && line[end..].starts_with(' ') {
        end += 1;
    }
    Pattern::from_bytes(&line.as_bytes()[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(files: &[(&str, &str)]) -> Ignored {
        let mut ignored = Ignored::default();
        files.iter().for_each(|(folder, text)| ignored.add(folder, text));
        ignored
    }

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let cases: [(&str, &[&str], &[&str]); 9] = [
            ("*.log", &["a.log", "x/y/a.log"], &["a.log.py"]),
            ("/notes.py", &["notes.py"], &["x/notes.py"]),
            ("data/", &["data/", "data/a.py", "x/data/b.py"], &["data", "datas/a.py"]),
            ("doc/*.txt", &["doc/a.txt"], &["doc/x/a.txt", "x/doc/a.txt"]),
            ("**/gen/*.py", &["gen/a.py", "x/gen/a.py"], &["x/gen/y/a.py"]),
            ("a/**/z", &["a/z", "a/b/c/z"], &["z"]),
            ("# no\n\n  \nx.py  ", &["x.py"], &["no"]),
            ("\\#x\n\\!y", &["#x", "!y"], &["x", "y"]),
            ("[ab].py\r\n", &["a.py", "b.py"], &["c.py"]),
        ];
        for (text, named, others) in cases {
            let ignored = ignored(&[("", text)]);
            for path in named {
                assert!(ignored.leaves_out(path), "{text:?} leaves {path} in");
            }
            for path in others {
                assert!(!ignored.leaves_out(path), "{text:?} leaves {path} out");
            }
        }
    }

    #[test]
    fn the_last_line_and_the_deepest_file_decide() {
        let ignored = ignored(&[("", "*.csv\n!keep.csv\n"), ("x/", "!*.csv\n/own.py\n")]);
        assert!(ignored.leaves_out("a.csv") && !ignored.leaves_out("keep.csv"));
        assert!(!ignored.leaves_out("x/a.csv") && !ignored.leaves_out("x/y/a.csv"));
        assert!(ignored.leaves_out("x/own.py") && !ignored.leaves_out("own.py"));
    }

    #[test]
    fn what_lies_in_a_folder_left_out_cannot_come_back() {
        let ignored = ignored(&[("", "out_of_here/\n!out_of_here/a.py\n")]);
        assert!(ignored.leaves_out("out_of_here/a.py"));
    }

    #[test]
    fn folders_that_nobody_edits_are_left_out_without_being_named() {
        assert!(ignored(&[]).leaves_out("node_modules/") && ignored(&[]).leaves_out("x/.git/config"));
        assert!(!ignored(&[]).leaves_out("src/a.py"));
    }
}
