//! The lanes' suggestions at one place: which of them comes next, and what became of those shown.
//!
//! A suggestion is accepted if any of it was taken by a key. It is rejected if it was shown and the
//! user pressed Escape or typed something else. Going elsewhere says nothing of it, and neither does
//! looking at another lane's.

use std::collections::BTreeMap;

use gloo::storage::{LocalStorage, Storage};
use llavacode_api::completion::Lane;
use serde::{Deserialize, Serialize};

/// Key in local storage.
const KEY: &str = "llavacode.suggestions";

/// What became of a lane's suggestions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// Taken, all of it or some.
    pub accepted: u32,
    /// Turned down.
    pub rejected: u32,
}

impl Count {
    /// In a few words; nothing before anything was shown.
    pub fn words(self) -> String {
        match self.accepted + self.rejected {
            0 => String::new(),
            all => format!("accepted {} of {all}", self.accepted),
        }
    }
}

/// What the user did with the suggestion shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Took it, or a part of it.
    Accepted,
    /// Turned it down.
    Rejected,
}

/// Counts of all lanes, kept in the browser, and the suggestion that is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Suggestions {
    counts: BTreeMap<String, Count>,
    /// Whose suggestion is shown, and whether it was counted.
    #[serde(skip)]
    shown: Option<(Lane, bool)>,
}

impl Suggestions {
    /// The counts kept.
    pub fn load() -> Self {
        LocalStorage::get(KEY).unwrap_or_default()
    }

    /// Keeps them. Where the browser refuses storage they last as long as the page.
    pub fn keep(&self) {
        if let Err(error) = LocalStorage::set(KEY, self) {
            log::warn!("the counts are not kept: {error}");
        }
    }

    /// A lane's count.
    pub fn of(&self, lane: Lane) -> Count {
        self.counts.get(lane.key()).copied().unwrap_or_default()
    }

    /// A lane's suggestion is shown. More of the same one is the same.
    pub fn show(&mut self, lane: Lane) {
        if self.shown.is_none_or(|(known, _)| known != lane) {
            self.shown = Some((lane, false));
        }
    }

    /// None is shown for this place any longer.
    pub fn leave(&mut self) {
        self.shown = None;
    }

    /// Whose suggestion is shown.
    pub fn lane(&self) -> Option<Lane> {
        self.shown.map(|(lane, _)| lane)
    }

    /// Counts what the user did, once a suggestion. Returns whether it counts.
    pub fn answer(&mut self, answer: Answer) -> bool {
        let Some((lane, false)) = self.shown else { return false };
        self.shown = Some((lane, true));
        let count = self.counts.entry(lane.key().to_owned()).or_default();
        match answer {
            Answer::Accepted => count.accepted += 1,
            Answer::Rejected => count.rejected += 1,
        }
        true
    }
}

/// The lane whose suggestion comes `step` after the one shown, in the order of `texts` and around its
/// end. Lanes without a text, and those that say what one before them says, are passed over.
pub fn next(shown: Option<Lane>, texts: &[(Lane, String)], step: isize) -> Option<Lane> {
    let mut differing: Vec<&(Lane, String)> = Vec::new();
    for entry in texts {
        if !entry.1.trim().is_empty() && differing.iter().all(|(_, text)| *text != entry.1) {
            differing.push(entry);
        }
    }
    let text = |lane: Lane| texts.iter().find(|(known, _)| *known == lane).map(|(_, text)| text);
    let shown = shown.and_then(text);
    let place = differing.iter().position(|(_, text)| Some(text) == shown);
    let count = differing.len().cast_signed();
    let next = match place {
        Some(_) if count < 2 => return None,
        Some(place) => (place.cast_signed() + step).rem_euclid(count),
        None if count == 0 => return None,
        None if step < 0 => count - 1,
        None => 0,
    };
    differing.get(next.cast_unsigned()).map(|(lane, _)| *lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: [&str; 4]) -> Vec<(Lane, String)> {
        [Lane::Base, Lane::FullRag, Lane::Compressed, Lane::Xrag]
            .into_iter()
            .zip(texts.map(String::from))
            .collect()
    }

    #[test]
    fn differing_suggestions_follow_each_other_around() {
        let texts = texts(["a", "b", "a", ""]);
        assert_eq!(next(Some(Lane::Base), &texts, 1), Some(Lane::FullRag));
        assert_eq!(next(Some(Lane::FullRag), &texts, 1), Some(Lane::Base));
        assert_eq!(next(Some(Lane::Base), &texts, -1), Some(Lane::FullRag));
        // What it shows is what base says.
        assert_eq!(next(Some(Lane::Compressed), &texts, 1), Some(Lane::FullRag));
    }

    #[test]
    fn with_none_shown_the_first_or_last_comes() {
        assert_eq!(next(None, &texts(["", "b", "c", "c"]), 1), Some(Lane::FullRag));
        assert_eq!(next(None, &texts(["", "b", "c", "c"]), -1), Some(Lane::Compressed));
        assert_eq!(next(Some(Lane::Xrag), &texts(["a", "", "", ""]), 1), Some(Lane::Base));
    }

    #[test]
    fn there_is_no_next_where_all_say_the_same() {
        assert_eq!(next(Some(Lane::Base), &texts(["a", "a", "a", "a"]), 1), None);
        assert_eq!(next(None, &texts(["", " ", "", ""]), 1), None);
    }

    #[test]
    fn a_suggestion_counts_once() {
        let mut suggestions = Suggestions::default();
        assert!(!suggestions.answer(Answer::Accepted));
        suggestions.show(Lane::Compressed);
        assert!(suggestions.answer(Answer::Accepted));
        suggestions.show(Lane::Compressed);
        assert!(!suggestions.answer(Answer::Rejected));
        suggestions.leave();
        suggestions.show(Lane::Compressed);
        assert!(suggestions.answer(Answer::Rejected));
        assert_eq!(suggestions.of(Lane::Compressed), Count { accepted: 1, rejected: 1 });
        assert_eq!(suggestions.of(Lane::Compressed).words(), "accepted 1 of 2");
        assert_eq!(suggestions.of(Lane::Base).words(), "");
    }

    #[test]
    fn counts_are_kept_and_what_is_shown_is_not() {
        let mut suggestions = Suggestions::default();
        suggestions.show(Lane::Base);
        suggestions.answer(Answer::Accepted);
        let kept = serde_json::to_string(&suggestions).expect("it can be written");
        let read: Suggestions = serde_json::from_str(&kept).expect("it can be read");
        assert_eq!((read.of(Lane::Base).accepted, read.lane()), (1, None));
    }
}
