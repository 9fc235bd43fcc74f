//! Identifiers and the smaller words they are made of.

use crate::random::SplitMix64;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_told_apart_and_made() {
        let words = ["tide".to_owned(), "gauge".to_owned()];
        for name in ["tide_gauge", "TIDE_GAUGE", "TideGauge", "tideGauge"] {
            assert_eq!(Style::of(name).join(&words), name);
        }
        assert_eq!(Style::of("_tide"), Style::Snake);
    }
}
