//! Words of source text: what lexical retrieval ranks by, and names that a completion may need.
//!
//! A *word* is a maximal run of letters, digits and `_` (Unicode's alphanumerics: what Python's `\w+`
//! matches), case kept.

use std::ops::Range;

/// Whether a character belongs to a word.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a text, as ranges of bytes, in their order.
pub fn word_ranges(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = find(text, at, true);
        at = find(text, start, false);
        (start < at).then_some(start..at)
    })
}

/// The first character from `at` on that belongs to a word, or belongs to none; the text's end if there is
/// no such character.
fn find(text: &str, mut at: usize, in_word: bool) -> usize {
    while let Some(&byte) = text.as_bytes().get(at) {
        let (found, width) = if byte.is_ascii() {
            (byte.is_ascii_alphanumeric() || byte == b'_', 1)
        } else {
            text[at..].chars().next().map_or((false, 1), |c| (is_word(c), c.len_utf8()))
        };
        if found == in_word {
            break;
        }
        at += width;
    }
    at
}

/// The words of a text, in their order.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    word_ranges(text).map(|range| &text[range])
}

/// The small words of an identifier: cut at `_` and before capitals.
pub fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').flat_map(|part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            let mut before_upper = false;
            let end = rest
                .char_indices()
                .find(|&(at, c)| {
                    let begins = at > 0 && c.is_uppercase() && !before_upper;
                    before_upper = c.is_uppercase();
                    begins
                })
                .map_or(rest.len(), |(at, _)| at);
            let (word, after) = rest.split_at(end);
            rest = after;
            (!word.is_empty()).then_some(word)
        })
    })
}

/// Whether a word keeps its meaning in every project: keywords, builtins, and names that are a
/// convention or a method of a builtin type.
pub fn is_common(word: &str) -> bool {
    COMMON.binary_search(&word).is_ok()
}

/// Sorted, at least three characters each.
const COMMON: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "Exception",
    "False",
    "FileNotFoundError",
    "ImportError",
    "IndexError",
    "KeyError",
    "KeyboardInterrupt",
    "ModuleNotFoundError",
    "None",
    "NotImplemented",
    "NotImplementedError",
    "OSError",
    "RuntimeError",
    "RuntimeWarning",
    "StopIteration",
    "SystemExit",
    "True",
    "TypeError",
    "UnicodeDecodeError",
    "UserWarning",
    "ValueError",
    "Warning",
    "__all__",
    "__class__",
    "__dict__",
    "__doc__",
    "__enter__",
    "__eq__",
    "__exit__",
    "__future__",
    "__init__",
    "__main__",
    "__name__",
    "__repr__",
    "__str__",
    "abs",
    "all",
    "and",
    "any",
    "append",
    "args",
    "assert",
    "async",
    "await",
    "bool",
    "break",
    "bytes",
    "callable",
    "case",
    "class",
    "classmethod",
    "cls",
    "continue",
    "copy",
    "def",
    "del",
    "dict",
    "dir",
    "divmod",
    "elif",
    "else",
    "encode",
    "endswith",
    "enumerate",
    "except",
    "extend",
    "filter",
    "finally",
    "float",
    "for",
    "format",
    "from",
    "frozenset",
    "get",
    "getattr",
    "global",
    "hasattr",
    "hash",
    "hex",
    "import",
    "index",
    "input",
    "insert",
    "int",
    "isinstance",
    "issubclass",
    "items",
    "iter",
    "join",
    "keys",
    "kwargs",
    "lambda",
    "len",
    "list",
    "lower",
    "map",
    "match",
    "max",
    "min",
    "next",
    "nonlocal",
    "not",
    "object",
    "open",
    "ord",
    "pass",
    "pop",
    "print",
    "property",
    "raise",
    "range",
    "remove",
    "replace",
    "repr",
    "return",
    "reversed",
    "round",
    "self",
    "set",
    "setattr",
    "sorted",
    "split",
    "startswith",
    "staticmethod",
    "str",
    "strip",
    "sum",
    "super",
    "try",
    "tuple",
    "type",
    "update",
    "upper",
    "values",
    "while",
    "with",
    "yield",
    "zip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_digits_and_underscores() {
        let text = "x.añb_1(\"two words\")";
        assert_eq!(words(text).collect::<Vec<_>>(), ["x", "añb_1", "two", "words"]);
        assert_eq!(words("").count() + words(" +-").count(), 0);
    }

    #[test]
    fn identifiers_are_cut_at_underscores_and_capitals() {
        assert_eq!(parts("_getHTTPName_of2").collect::<Vec<_>>(), ["get", "HTTPName", "of2"]);
        assert_eq!(parts("MAX_SIZE").collect::<Vec<_>>(), ["MAX", "SIZE"]);
    }

    #[test]
    fn common_words_are_sorted_so_that_they_are_found() {
        assert!(COMMON.is_sorted());
        assert!(is_common("self") && is_common("zip") && is_common("ArithmeticError"));
        assert!(!is_common("tide"));
    }
}
