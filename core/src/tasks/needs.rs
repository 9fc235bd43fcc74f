//! Which completions need another file: the one rule by which tasks are called so, here and in every
//! table.
//!
//! A completion needs context if its target holds a *name* that stands nowhere around the cursor and
//! does stand elsewhere: in a chunk that retrieval found, or in another file, as the caller has it. A
//! name is a word of at least [`SHORTEST_NAME`] characters that begins with no digit, is
//! [common](is_common) to no two projects, and is not the rest of a word that the cursor has cut.

use std::collections::HashSet;

use crate::words::{is_common, is_word, word_ranges, words};

/// Shorter names are mostly loop variables.
pub const SHORTEST_NAME: usize = 3;

/// The names of a target, each once, in its order.
pub fn names<'a>(prefix: &str, target: &'a str) -> Vec<&'a str> {
    let cut_word = prefix.ends_with(is_word);
    let mut names: Vec<&str> = Vec::new();
    for range in word_ranges(target) {
        let name = &target[range.clone()];
        let is_cut = cut_word && range.start == 0;
        let is_name = name.len() >= SHORTEST_NAME && !name.starts_with(char::is_numeric);
        if is_name && !is_cut && !is_common(name) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The names of a target that stand nowhere around the cursor, and elsewhere.
pub fn needed<'a>(
    prefix: &str,
    target: &'a str,
    suffix: &str,
    is_elsewhere: impl Fn(&str) -> bool,
) -> Vec<&'a str> {
    let mut names = names(prefix, target);
    names.retain(|name| is_elsewhere(name));
    if !names.is_empty() {
        let around: HashSet<&str> = [prefix, suffix].into_iter().flat_map(words).collect();
        names.retain(|name| !around.contains(name));
    }
    names
}

/// Whether there are such names.
pub fn needs_context(prefix: &str, target: &str, suffix: &str, is_elsewhere: impl Fn(&str) -> bool) -> bool {
    !needed(prefix, target, suffix, is_elsewhere).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_elsewhere_alone_is_needed() {
        let elsewhere = |name: &str| ["read_level", "self"].contains(&name);
        let target = "gauge.read_level(self, 12)";
        assert!(needs_context("level = ", target, "\n", elsewhere));
        assert!(!needs_context("level = ", target, "\ngauge.read_level()\n", elsewhere), "it is told after");
        assert!(!needs_context("read_level = 1\n", target, "", elsewhere), "it is told before");
        assert!(!needs_context("level = ", target, "\n", |_| false), "nobody tells it");
    }

    #[test]
    fn names_are_whole_words_that_mean_something_here() {
        assert_eq!(names("x = ", "tide.at(9999, self.gauge, tide, for_all)"), ["tide", "gauge", "for_all"]);
        assert_eq!(names("x = ga", "uge.level"), ["level"], "the cursor stands in a word");
    }
}
