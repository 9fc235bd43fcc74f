//! A lane's suggestion against the one that the editor shows.

use llavacode_api::completion::Lane;

use super::lanes::{LaneRun, Phase};
use super::task_results::{Piece, word_diff};

/// How a suggestion differs from the one shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Against {
    /// There is nothing to compare.
    #[default]
    Nothing,
    /// It is the one shown.
    Shown,
    /// It says the same.
    Same,
    /// It says the same but for spaces and line breaks around it.
    Spaces,
    /// It is empty.
    Empty,
    /// Word by word: what only it has is [`Piece::Added`].
    Differs(Vec<(Piece, String)>),
}

impl Against {
    /// A lane's run against that of the lane whose suggestion is shown. Both have to be whole, and of the
    /// place where the cursor is.
    pub fn of((lane, run): (Lane, &LaneRun), shown: Option<(Lane, &LaneRun)>) -> Self {
        let whole = |run: &LaneRun| run.phase == Phase::Done && !run.text_is_old();
        let Some((shown_lane, shown)) = shown.filter(|(_, shown)| whole(shown) && whole(run)) else {
            return Self::Nothing;
        };
        if shown_lane == lane {
            return Self::Shown;
        }
        match (run.text.as_str(), shown.text.as_str()) {
            (text, other) if text == other => Self::Same,
            (text, _) if text.trim().is_empty() => Self::Empty,
            (text, other) if text.trim() == other.trim() => Self::Spaces,
            (text, other) => {
                let pieces = word_diff(other, text).into_iter();
                // They stand in one line.
                Self::Differs(pieces.map(|(piece, text)| (piece, text.replace('\n', "⏎"))).collect())
            }
        }
    }

    /// Its name in the page.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Shown => "shown",
            Self::Same => "same",
            Self::Spaces => "spaces",
            Self::Empty => "empty",
            Self::Differs(_) => "differs",
        }
    }

    /// What a user reads, where words say it all.
    pub fn words(&self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Differs(_) => None,
            Self::Shown => Some("shown in the editor"),
            Self::Same => Some("same as shown"),
            Self::Spaces => Some("same as shown but for spaces around it"),
            Self::Empty => Some("suggests nothing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use llavacode_api::completion::CompletionEvent;

    use super::*;

    fn done(text: &str) -> LaneRun {
        let mut run = LaneRun::default();
        (run.phase, run.text) = (Phase::Done, text.into());
        run
    }

    fn against(text: &str, shown: &str) -> Against {
        Against::of((Lane::Base, &done(text)), Some((Lane::Compressed, &done(shown))))
    }

    #[test]
    fn equal_suggestions_are_said_to_be_so() {
        assert_eq!(against("gauge.level()", "gauge.level()").words(), Some("same as shown"));
        assert_eq!(against("\n    gauge.level()", "gauge.level()"), Against::Spaces);
        assert_eq!(against(" ", "gauge.level()"), Against::Empty);
        assert_eq!(against("", ""), Against::Same);
    }

    #[test]
    fn others_are_compared_word_by_word_in_one_line() {
        let piece = |piece, text: &str| (piece, text.to_owned());
        let expected = [
            piece(Piece::Same, "gauge."),
            piece(Piece::Missing, "level"),
            piece(Piece::Added, "depth"),
            piece(Piece::Same, "()"),
            piece(Piece::Added, "⏎x"),
        ];
        assert_eq!(against("gauge.depth()\nx", "gauge.level()"), Against::Differs(expected.to_vec()));
    }

    #[test]
    fn the_one_shown_is_compared_with_none() {
        let run = done("a");
        assert_eq!(Against::of((Lane::Base, &run), Some((Lane::Base, &run))), Against::Shown);
        assert_eq!(Against::of((Lane::Base, &run), None), Against::Nothing);
    }

    #[test]
    fn what_is_not_whole_or_of_another_place_is_not_compared() {
        let (done, mut run) = (done("a"), done("b"));
        run.ask(true);
        run.apply(CompletionEvent::Retrieved { chunks: Vec::new() });
        for (run, shown) in [(&run, &done), (&done, &run)] {
            let found = Against::of((Lane::Base, run), Some((Lane::Compressed, shown)));
            assert_eq!(found, Against::Nothing);
        }
    }
}
