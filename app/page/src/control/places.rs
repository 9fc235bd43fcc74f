//! The demo's places.

use leptos::prelude::*;

use super::Control;
use crate::fetch::fetch_json;
use crate::state::notices::Severity;
use crate::state::places::{DemoPlaces, Places, cursor_of, is_at, put_back, take_out};
use crate::state::workspace::{Tabs, Workspace};

/// Beside the demo's files.
const PLACES_URL: &str = "demo/places.json";

/// The demo's places; none where they cannot be read: the demo is whole without them.
pub(super) async fn fetch_places() -> Places {
    let read = fetch_json::<DemoPlaces>(PLACES_URL).await;
    let read = read.inspect_err(|error| log::warn!("the demo's places cannot be read: {error}"));
    Places { places: read.unwrap_or_default().places, at: None }
}

impl Control {
    /// Opens a fresh demo at the place at the cursor, or the first one if none is given.
    pub(super) fn open_at_place(
        &self,
        mut places: Places,
        linked: bool,
        workspace: &mut Workspace,
        tabs: &mut Tabs,
        cursor: &mut (usize, usize),
    ) {
        places.keep_known(workspace);
        let number = match (&tabs.active, linked) {
            (Some(path), true) => places.number_at(path, *cursor),
            _ => Some(0),
        };
        let place = number.and_then(|number| places.places.get(number)).cloned();
        if let Some(place) = &place
            && let Some(text) = workspace.text(&place.path).and_then(|text| take_out(text, place))
        {
            // As if it had been served so: the page does not call it the user's work.
            workspace.edit(&place.path, text.clone());
            workspace.set_saved(&place.path, &text);
            *tabs = Tabs::default();
            tabs.show(&place.path);
            *cursor = cursor_of(place);
            places.at = number;
        }
        self.state.places.set(places);
    }

    /// Whether a cursor behind this text of a file is at the place shown.
    pub(super) fn is_at_demo_place(&self, path: &str, prefix: &str) -> bool {
        self.state.workspace.with_untracked(Workspace::is_demo)
            && self
                .state
                .places
                .with_untracked(|places| places.shown().is_some_and(|place| is_at(place, path, prefix)))
    }

    /// Shows a place of the demo, and completes there. The line before is put back as it was written.
    pub fn show_demo_place(self, number: usize) {
        self.keep_edits();
        let places = self.state.places.get_untracked();
        let Some(place) = places.places.get(number) else { return };
        let text = |path: &str| self.state.workspace.with_untracked(|w| w.text(path).map(str::to_owned));
        let with_hole =
            |number: usize| text(&place.path).and_then(|text| take_out(&text, &places.places[number]));
        if with_hole(number).is_none() {
            let text = "This line of the demo was changed. “Demo” loads it again as it was.";
            self.notify(Severity::Info, text, &[]);
            return;
        }
        if let Some(left) = places.shown().filter(|_| places.at != Some(number))
            && let Some(whole) = text(&left.path).and_then(|text| put_back(&text, left))
        {
            self.put_text(&left.path, &whole);
        }
        if let Some(out) = with_hole(number) {
            self.put_text(&place.path, &out);
        }
        self.state.places.update(|places| places.at = Some(number));
        let (line, column) = cursor_of(place);
        self.with_editor(|editor| {
            editor.set_cursor(line, column);
            editor.focus();
        });
        self.index_edited();
        self.complete(true);
    }

    /// Shows a file with this text. That is nobody's work: a file that the user did not change counts as saved.
    fn put_text(self, path: &str, text: &str) {
        self.open(path);
        let changed = self.state.workspace.with_untracked(|workspace| workspace.is_unsaved(path));
        self.with_editor(|editor| {
            if editor.text() != text {
                editor.replace_text(text);
            }
        });
        self.keep_edits();
        if !changed {
            self.state.workspace.update(|workspace| workspace.set_saved(path, text));
            self.keep_file(path);
        }
    }
}
