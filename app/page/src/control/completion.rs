//! Asking for completions, and showing one of them in the editor.

use gloo::timers::callback::Timeout;
use leptos::prelude::*;
use llavacode_api::completion::{CompletionEvent, CompletionRequest, Lane, RetrievedChunk};

use super::Control;
use crate::editor::Editor;
use crate::state::engine::EngineState;
use crate::state::lanes::{LaneRun, title, to_ask};
use crate::state::left_out::{LeftOut, Place};
use crate::state::notices::Severity;
use crate::state::suggestions::{Answer, Suggestions, next};
use llavacode_protocol::{Request, RequestId};

impl Control {
    pub(super) fn on_change(self, follows_ghost: bool) {
        self.note_edit();
        self.state.in_place.set(false);
        if !follows_ghost {
            self.leave_place();
            self.wait_for_pause();
        }
    }

    pub(super) fn on_move(self) {
        self.state.in_place.set(false);
        self.leave_place();
        self.wait_for_pause();
    }

    pub(super) fn on_accept(self) {
        self.inner().ghost.set(None);
        self.wait_for_pause();
    }

    /// Counts what the user made of the suggestion shown.
    pub(super) fn on_answer(&self, answer: Answer) {
        let counts = self.state.suggestions.try_update(|suggestions| suggestions.answer(answer));
        if counts == Some(true) {
            self.state.suggestions.with_untracked(Suggestions::keep);
        }
    }

    pub(super) fn on_dismiss(&self) {
        self.inner().pause.replace(None);
        self.inner().ghost.set(None);
    }

    /// The cursor is elsewhere: what is under way is of no use.
    fn leave_place(&self) {
        self.stop();
        self.state.left_out.update(LeftOut::clear);
        self.state.held_back.set(None);
        self.show_suggestion(Suggestions::leave);
        self.with_editor(Editor::clear_ghost);
    }

    /// Changes which suggestion is shown. Only that is told of: its text comes piece by piece.
    fn show_suggestion(&self, change: impl FnOnce(&mut Suggestions)) {
        self.state.suggestions.maybe_update(|suggestions| {
            let before = suggestions.lane();
            change(suggestions);
            suggestions.lane() != before
        });
    }

    /// Leaves a chunk out, or takes it in again, and asks again at this place.
    pub fn leave_out(self, chunk: &RetrievedChunk) {
        self.state.left_out.update(|left_out| left_out.toggle(chunk));
        self.complete_here(true, true);
    }

    /// Takes every chunk in again that was left out, and asks again at this place.
    pub fn put_all_back(self) {
        self.state.left_out.update(LeftOut::put_all_back);
        self.complete_here(true, true);
    }

    pub(super) fn wait_for_pause(self) {
        let (automatic, pause_ms) = self.state.settings.with_untracked(|s| (s.automatic, s.pause_ms));
        let wait = automatic.then(|| Timeout::new(pause_ms, move || self.complete(false)));
        self.inner().pause.replace(wait);
    }

    /// Asks for completions at the cursor. `asked` tells a user's wish from a pause in typing: the
    /// wish is answered with a sentence where it cannot be fulfilled.
    pub fn complete(self, asked: bool) {
        self.complete_here(asked, false);
    }

    /// Asks again at the place that the texts shown are for, which stand until others come.
    pub(super) fn complete_again(self) {
        self.complete_here(false, true);
    }

    fn complete_here(self, asked: bool, again: bool) {
        self.inner().pause.replace(None);
        if !self.state.engine.with_untracked(|engine| engine.is_ready()) {
            if asked {
                self.notify(
                    Severity::Info,
                    "The model is not loaded yet; ask again when the status line says ready.",
                    &[],
                );
            }
            return;
        }
        if !asked && self.inner().measure.get().is_some() {
            return;
        }
        let Some(context) = self.with_editor(Editor::context).flatten() else {
            if asked {
                self.notify(Severity::Info, "Open a file first: completions are made at the cursor.", &[]);
            }
            return;
        };
        self.stop();
        self.state.held_back.set(None);
        if !again {
            self.show_suggestion(Suggestions::leave);
            self.with_editor(Editor::clear_ghost);
        }
        // Who opens the demo, or a place of it, wants to see what each model says there.
        self.inner().wished.set(asked || self.is_at_demo_place(&context.path, &context.prefix));
        let place = Place::of(&context.path, &context.prefix, &context.suffix);
        self.state.left_out.maybe_update(|left_out| left_out.arrive(place));
        let settings = self.state.settings.get_untracked();
        let embeds = self.state.engine.with_untracked(EngineState::embeds);
        let offered = self.state.offered.get_untracked();
        let ghost = untrack(|| self.state.ghost_lane());
        let lanes = to_ask(ghost, settings.compare, &offered);
        let cursor = CompletionRequest {
            path: context.path,
            prefix: context.prefix,
            suffix: context.suffix,
            multi_line: settings.multi_line,
            same_file: settings.same_file,
            ranker: settings.ranker(embeds),
            top_k: settings.top_k,
            leave_out: self.state.left_out.with_untracked(LeftOut::spans),
            cold: settings.compare && settings.cold,
        };
        let Some(id) = self.send(Request::Complete { cursor, lanes: lanes.clone() }) else { return };
        for lane in lanes {
            self.state.lane(lane).update(|run| run.ask(again));
        }
        let inner = self.inner();
        inner.completion.set(Some(id));
        inner.ghost.set(Some(ghost));
        self.state.in_place.set(true);
    }

    /// Stops what is under way and what waits.
    pub fn stop(&self) {
        let inner = self.inner();
        inner.pause.replace(None);
        inner.ghost.set(None);
        inner.owed.set(false);
        if let Some(target) = inner.completion.take() {
            self.send(Request::Cancel { target });
        }
        self.end_lanes(LaneRun::stop);
    }

    /// Nothing more comes for the lanes that were asked.
    fn end_lanes(&self, end: impl Fn(&mut LaneRun)) {
        for lane in self.state.lanes {
            if lane.with_untracked(LaneRun::is_awaited) {
                lane.update(&end);
            }
        }
    }

    pub(super) fn on_completion(self, id: RequestId, lane: Lane, event: CompletionEvent) {
        if self.inner().completion.get() != Some(id) {
            return;
        }
        if let CompletionEvent::Done(done) = &event {
            self.time(lane, done);
        }
        let confidence = match &event {
            CompletionEvent::Done(done) => Some(done.confidence()),
            _ => None,
        };
        let done = confidence.is_some();
        let has_text = done || matches!(event, CompletionEvent::Text { .. });
        let run = self.state.lane(lane);
        run.update(|run| run.apply(event));
        if has_text && self.state.shown.get_untracked() != self.state.offered.get_untracked() {
            self.state.shown.set(self.state.offered.get_untracked());
        }
        if has_text && self.inner().ghost.get() == Some(lane) {
            let text = run.with_untracked(|run| run.text.clone());
            let least = match self.inner().wished.get() {
                true => 0.0,
                false => self.state.engine.with_untracked(EngineState::least_confidence),
            };
            // How sure its reader is of all of it is known at its end.
            let sure_enough = least <= 0.0 || confidence.is_some_and(|confidence| confidence >= least);
            if !sure_enough {
                let held_back = confidence.filter(|_| !text.trim().is_empty());
                self.state.held_back.set(held_back.map(|confidence| (lane, confidence)));
            } else if done && !text.is_empty() {
                self.state.announcement.set(format!("{} suggests: {text}", title(lane)));
            }
            if sure_enough && !text.is_empty() {
                self.show_suggestion(|suggestions| suggestions.show(lane));
            }
            if sure_enough {
                self.with_editor(|editor| editor.set_ghost(id, &text));
            }
        }
        if !run.with_untracked(LaneRun::is_awaited) {
            self.take_over();
        }
    }

    /// Nothing more comes for a request: every lane answered, it was cancelled, or it failed with a
    /// sentence.
    pub(super) fn on_completion_ended(self, id: RequestId, failure: Option<&str>) {
        let inner = self.inner();
        if inner.completion.get() != Some(id) {
            return;
        }
        inner.completion.set(None);
        self.end_lanes(|run| match failure {
            Some(message) => run.fail(message.to_owned()),
            None => run.stop(),
        });
        self.state.left_out.maybe_update(LeftOut::settle);
        self.offer_better();
        self.take_over();
    }

    /// Shows another lane's suggestion: the next that differs from the one shown, or the one before.
    /// Returns whether there is one.
    pub(super) fn cycle(self, step: isize) -> bool {
        if !self.state.in_place.get_untracked() {
            return false;
        }
        let lanes = self.state.offered.get_untracked();
        let text = |lane: &Lane| {
            self.state.lane(*lane).with_untracked(|run| (!run.text_is_old()).then(|| run.text.clone()))
        };
        let texts: Vec<_> = lanes.iter().filter_map(|lane| Some((*lane, text(lane)?))).collect();
        let shown = self.state.suggestions.with_untracked(Suggestions::lane);
        let Some(lane) = next(shown, &texts, step) else { return false };
        self.show_as_ghost(lane);
        let text = self.state.lane(lane).with_untracked(|run| run.text.clone());
        self.state.announcement.set(format!("{} suggests: {text}", title(lane)));
        true
    }

    /// Shows a lane's text as ghost text, if the cursor is still where it was asked for.
    pub fn show_as_ghost(&self, lane: Lane) {
        if !self.state.in_place.get_untracked() {
            return;
        }
        // What another lane still streams does not take its place.
        self.inner().ghost.set(None);
        self.state.held_back.set(None);
        let text = self.state.lane(lane).with_untracked(|run| run.text.clone());
        self.show_suggestion(|suggestions| {
            suggestions.leave();
            suggestions.show(lane);
        });
        self.with_editor(|editor| {
            editor.offer_ghost(&text);
            editor.focus();
        });
    }
}
