//! Below which confidence a suggestion is better held back.

use std::fmt::Write;

use super::{Answers, Said};

/// Share of the right suggestions that may be held back with the wrong ones.
const RIGHT_HELD: f64 = 0.05;

/// What a threshold does to a reader's suggestions, over all its lanes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Suggestions less sure than this are held back.
    pub confidence: f64,
    /// Right suggestions: those held back, and all.
    pub right: [usize; 2],
    /// Wrong ones: those held back, and all.
    pub wrong: [usize; 2],
}

/// The highest threshold, in hundredths, that holds back no more than one right suggestion in twenty.
/// Empty suggestions show nothing and do not count.
pub fn threshold(answers: &Answers) -> Threshold {
    let said: Vec<&Said> =
        answers.iter().flat_map(|lanes| lanes.values()).filter(|said| !said.text.trim().is_empty()).collect();
    let at = |hundredths: u32| {
        let confidence = f64::from(hundredths) / 100.0;
        let count = |right: bool| {
            let all = said.iter().filter(|said| said.right == right);
            [all.clone().filter(|said| said.confidence < confidence).count(), all.count()]
        };
        Threshold { confidence, right: count(true), wrong: count(false) }
    };
    let few = |found: &Threshold| found.right[0] as f64 <= RIGHT_HELD * found.right[1] as f64;
    (1..=100).map(at).take_while(|found| found.right[1] > 0 && few(found)).last().unwrap_or_else(|| at(0))
}

/// The thresholds as a table.
pub fn table<'a>(readers: impl IntoIterator<Item = (&'a str, Threshold)>) -> String {
    let mut text = String::from(
        "| reader | held back below | wrong ones held back | right ones held back | right among those shown |\n\
         |---|--:|--:|--:|--:|\n",
    );
    let percent = |of: usize, all: usize| format!("{:.0} %", 100.0 * of as f64 / all.max(1) as f64);
    for (name, Threshold { confidence, right, wrong }) in readers {
        let shown = right[1] - right[0];
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {name} | {confidence:.2} | {} of {} | {} of {} | {} → {} |",
            wrong[0],
            wrong[1],
            right[0],
            right[1],
            percent(right[1], right[1] + wrong[1]),
            percent(shown, shown + wrong[1] - wrong[0]),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_ones_are_held_back_and_right_ones_stay() {
        let said = |text: &str, right, confidence| {
            [("base".to_owned(), Said { text: text.into(), right, confidence })].into()
        };
        let mut answers: Answers = (0..38).map(|_| said("x", true, 0.9)).collect();
        answers.extend([said("x", true, 0.3), said("x", true, 0.4)]);
        answers.extend([said("y", false, 0.2), said("y", false, 0.39), said("y", false, 0.95)]);
        answers.push(said(" ", false, 0.99));
        let found = threshold(&answers);
        // Both unsure right ones are one in twenty: they may go.
        assert_eq!(found.confidence, 0.9);
        assert_eq!((found.right, found.wrong), ([2, 40], [2, 3]));
        assert!(table([("r", found)]).contains("| r | 0.90 | 2 of 3 | 2 of 40 | 93 % → 97 % |"));
    }

    #[test]
    fn nothing_said_holds_nothing_back() {
        assert_eq!(threshold(&Vec::new()).confidence, 0.0);
        let wrong = Said { text: "x".into(), right: false, confidence: 0.1 };
        let nothing_right = vec![[("base".to_owned(), wrong)].into()];
        assert_eq!(threshold(&nothing_right).confidence, 0.0, "it says nothing of what may be held back");
    }
}
