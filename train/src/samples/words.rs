//! Words of Python text, and identifiers made of smaller words.

use std::ops::Range;

use crate::random::SplitMix64;

/// The words of a text, as retrieval sees them: runs of letters, digits and `_`.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(is_word)?;
        let end = text[start..].find(|c| !is_word(c)).map_or(text.len(), |length| start + length);
        at = end;
        Some(start..end)
    })
}

/// How an identifier's words are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `snake_case`, and single words.
    Snake,
    /// `UPPER_CASE`.
    Upper,
    /// `CamelCase`.
    Camel,
    /// `mixedCase`.
    Mixed,
}

impl Style {
    /// The style of an identifier.
    pub(crate) fn of(name: &str) -> Self {
        let name = name.trim_matches('_');
        let (upper, lower) = (name.contains(char::is_uppercase), name.contains(char::is_lowercase));
        match (name.starts_with(char::is_uppercase), upper, lower) {
            (_, false, _) => Self::Snake,
            (_, true, false) => Self::Upper,
            (true, ..) => Self::Camel,
            (false, ..) => Self::Mixed,
        }
    }

    /// An identifier of these lower-case words.
    pub(crate) fn join(self, words: &[String]) -> String {
        match self {
            Self::Snake => words.join("_"),
            Self::Upper => words.join("_").to_uppercase(),
            Self::Camel => words.iter().map(|word| capitalized(word)).collect(),
            Self::Mixed => {
                let (first, rest) =
                    words.split_first().map_or(("", words), |(first, rest)| (first.as_str(), rest));
                first.to_owned() + &Self::Camel.join(rest)
            }
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The small words of an identifier: cut at `_` and before capitals.
pub(crate) fn parts(name: &str) -> impl Iterator<Item = &str> {
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

/// A word that no dictionary has, of two or three syllables.
pub(crate) fn invented(random: &mut SplitMix64) -> String {
    const ONSETS: [&str; 20] = [
        "b", "br", "d", "dr", "f", "g", "k", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v", "w",
        "z",
    ];
    const NUCLEI: [&str; 8] = ["a", "e", "i", "o", "u", "ai", "ea", "or"];
    const CODAS: [&str; 8] = ["", "", "n", "r", "l", "s", "t", "x"];
    let mut word = String::new();
    for _ in 0..2 + random.below(2) {
        for sounds in [&ONSETS[..], &NUCLEI, &CODAS] {
            word.push_str(sounds[random.below(sounds.len())]);
        }
    }
    word
}

/// Whether a word keeps its meaning in every project: keywords, builtins, and names that are a
/// convention or a method of a builtin type.
pub(crate) fn is_common(word: &str) -> bool {
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
    fn words_and_their_parts_are_found() {
        let text = "x.añb_1(\"two words\")";
        assert_eq!(words(text).map(|range| &text[range]).collect::<Vec<_>>(), ["x", "añb_1", "two", "words"]);
        assert_eq!(parts("_getHTTPName_of2").collect::<Vec<_>>(), ["get", "HTTPName", "of2"]);
        assert_eq!(parts("MAX_SIZE").collect::<Vec<_>>(), ["MAX", "SIZE"]);
    }

    #[test]
    fn styles_are_told_apart_and_made() {
        let words = ["tide".to_owned(), "gauge".to_owned()];
        for name in ["tide_gauge", "TIDE_GAUGE", "TideGauge", "tideGauge"] {
            assert_eq!(Style::of(name).join(&words), name);
        }
        assert_eq!(Style::of("_tide"), Style::Snake);
    }

    #[test]
    fn common_words_are_sorted_so_that_they_are_found() {
        assert!(COMMON.is_sorted());
        assert!(is_common("self") && is_common("zip") && is_common("ArithmeticError"));
        assert!(!is_common("tide"));
    }
}
