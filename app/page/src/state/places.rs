//! The demo's places: lines whose rest is taken out, to be completed by every lane and compared with what
//! was written there.

use llavacode_api::completion::Lane;
pub use llavacode_api::demo::{DemoPlace, DemoPlaces};

use super::workspace::Workspace;

/// The places, and which of them the editor is at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    /// All of them.
    pub places: Vec<DemoPlace>,
    /// The one whose line's rest is taken out.
    pub at: Option<usize>,
}

impl Places {
    /// The place whose line's rest is taken out.
    pub fn shown(&self) -> Option<&DemoPlace> {
        self.places.get(self.at?)
    }

    /// The place at a cursor.
    pub fn number_at(&self, path: &str, cursor: (usize, usize)) -> Option<usize> {
        self.places.iter().position(|place| place.path == path && cursor_of(place) == cursor)
    }

    /// Keeps those whose files are there.
    pub fn keep_known(&mut self, workspace: &Workspace) {
        self.places.retain(|place| workspace.files.contains_key(&place.path));
    }

    /// Finds the place that a workspace kept from another visit was left at.
    pub fn find(&mut self, workspace: &Workspace) {
        self.keep_known(workspace);
        let is_at = |place: &DemoPlace| {
            workspace.text(&place.path).is_some_and(|text| put_back(text, place).is_some())
        };
        self.at = self.places.iter().position(is_at);
    }
}

/// Where the cursor stands at a place: line and column in UTF-16 units, from 0.
pub fn cursor_of(place: &DemoPlace) -> (usize, usize) {
    (place.line, place.before.encode_utf16().count())
}

/// Whether a cursor behind this text of a file is at the place.
pub fn is_at(place: &DemoPlace, path: &str, prefix: &str) -> bool {
    path == place.path
        && prefix.matches('\n').count() == place.line
        && prefix.rsplit('\n').next() == Some(place.before.as_str())
}

/// A file's text with the rest of the place's line taken out, if the line is as it was written or its
/// rest is out already.
pub fn take_out(text: &str, place: &DemoPlace) -> Option<String> {
    let written = format!("{}{}", place.before, place.target);
    with_line(text, place, &[&written, &place.before], &place.before)
}

/// A file's text with the rest of the place's line put back, if it is out.
pub fn put_back(text: &str, place: &DemoPlace) -> Option<String> {
    with_line(text, place, &[&place.before], &format!("{}{}", place.before, place.target))
}

/// The text with another line at the place, if that is one of `known`.
fn with_line(text: &str, place: &DemoPlace, known: &[&str], line: &str) -> Option<String> {
    let start = match place.line {
        0 => 0,
        number => text.match_indices('\n').nth(number - 1)?.0 + 1,
    };
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    known.contains(&&text[start..end]).then(|| format!("{}{line}{}", &text[..start], &text[end..]))
}

/// What was measured at a place, for who looks at it with this model, named as the engine names it.
pub fn words(place: &DemoPlace, model: &str) -> String {
    let is_of =
        |name: &str| model.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let Some((name, lanes)) = place.readers.iter().find(|(name, _)| is_of(name)) else {
        return "What this model makes of it was not measured.".to_owned();
    };
    let found = |right: bool| -> Vec<&'static str> {
        let said = |lane: &Lane| lanes.get(lane.key()).is_some_and(|said| said.right == right);
        Lane::ALL.into_iter().filter(said).map(Lane::name).collect()
    };
    match (found(true), found(false)) {
        (right, _) if right.is_empty() => {
            let other = place.readers.iter().find(|(_, lanes)| lanes.values().any(|said| said.right));
            let other = other.map(|(name, _)| format!(" {name} does, in some.")).unwrap_or_default();
            format!(
                "{name} completes it in no lane: what one sees is what each reads, and how long that takes.{other}"
            )
        }
        (_, wrong) if wrong.is_empty() => {
            format!("{name} completes it in every lane: context makes no difference here.")
        }
        (right, wrong) => {
            format!("{name} completes it in {}, not in {}.", list(&right, "and"), list(&wrong, "or"))
        }
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(names: &[&str], and: &str) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use llavacode_api::demo::{Said, Shows};

    use super::*;
    use crate::state::file::File;

    fn place() -> DemoPlace {
        let lanes = |right: &[&str]| {
            let lanes = ["base", "full_rag", "compressed"];
            let said =
                |lane: &str| Said { text: String::new(), right: right.contains(&lane), confidence: 0.5 };
            lanes.map(|lane| (lane.to_owned(), said(lane))).into()
        };
        DemoPlace {
            path: "a.py".into(),
            line: 1,
            before: "é = ".into(),
            target: "tide(3)".into(),
            shows: Shows::ContextWins,
            readers: [
                ("large".to_owned(), lanes(&["full_rag", "compressed"])),
                ("pico".to_owned(), lanes(&[])),
                ("wise".to_owned(), lanes(&["base", "full_rag", "compressed"])),
            ]
            .into(),
        }
    }

    #[test]
    fn the_rest_of_a_line_is_taken_out_and_put_back() {
        let written = "x = 1\né = tide(3)\ny = 2";
        let out = take_out(written, &place()).unwrap();
        assert_eq!(out, "x = 1\né = \ny = 2");
        assert_eq!(take_out(&out, &place()), Some(out.clone()), "once more changes nothing");
        assert_eq!(put_back(&out, &place()).unwrap(), written);
        assert_eq!(put_back(written, &place()), None, "it is there");
        assert_eq!(cursor_of(&place()), (1, 4));
        assert!(is_at(&place(), "a.py", "x = 1\né = "));
        for (path, prefix) in [("b.py", "x = 1\né = "), ("a.py", "é = "), ("a.py", "x = 1\né = t")] {
            assert!(!is_at(&place(), path, prefix), "{path} {prefix:?}");
        }
    }

    #[test]
    fn a_line_that_was_changed_is_left_alone() {
        for text in ["x = 1\né = tide(4)\n", "x = 1", "", "é = tide(3)\nx = 1\n"] {
            assert_eq!(take_out(text, &place()), None, "{text:?}");
            assert_eq!(put_back(text, &place()), None, "{text:?}");
        }
        let first = DemoPlace { line: 0, ..place() };
        assert_eq!(take_out("é = tide(3)", &first).as_deref(), Some("é = "));
    }

    #[test]
    fn a_visit_goes_on_at_the_place_it_was_left_at() {
        let elsewhere = DemoPlace { path: "gone.py".into(), ..place() };
        let all = vec![elsewhere, DemoPlace { line: 0, ..place() }, place()];
        let mut places = Places { places: all, at: None };
        let mut workspace = Workspace::default();
        workspace.add([("a.py".to_owned(), File::saved("é = tide(3)\né = \n"))]);
        places.find(&workspace);
        assert_eq!(places.at, Some(1));
        assert_eq!(places.number_at("a.py", (1, 4)), Some(1));
        assert_eq!(places.number_at("a.py", (1, 5)), None);
    }

    #[test]
    fn what_was_measured_is_said_of_the_model_in_use() {
        assert_eq!(words(&place(), "large 2"), "large completes it in full RAG and compressed, not in base.");
        assert!(words(&place(), "pico 5").ends_with("large does, in some."));
        assert!(words(&place(), "wise").contains("no difference"));
        assert!(words(&place(), "picobello 1").contains("was not measured"));
    }
}
