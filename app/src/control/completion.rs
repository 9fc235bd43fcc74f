//! Asking for completions, lane after lane, and showing one of them in the editor.

use gloo::timers::callback::Timeout;
use leptos::prelude::*;
use llavacode_common::completion::{CompletionEvent, CompletionRequest, Lane};

use super::{Control, Round};
use crate::editor::Editor;
use crate::protocol::{Request, RequestId};
use crate::state::lanes::{LaneRun, Phase, Turns, title};
use crate::state::notices::Gravity;

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
        self.inner().round.borrow_mut().ghost = None;
        self.wait_for_pause();
    }

    pub(super) fn on_dismiss(&self) {
        self.inner().pause.replace(None);
        self.inner().round.borrow_mut().ghost = None;
    }

    /// The cursor is elsewhere: what is under way is of no use.
    fn leave_place(&self) {
        self.stop();
        self.with_editor(Editor::clear_ghost);
    }

    pub(super) fn wait_for_pause(self) {
        let (automatic, pause_ms) = self.state.settings.with_untracked(|s| (s.automatic, s.pause_ms));
        let wait = automatic.then(|| Timeout::new(pause_ms, move || self.complete(false)));
        self.inner().pause.replace(wait);
    }

    /// Asks for completions at the cursor. `asked` tells a person's wish from a pause in typing: the
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
                    Gravity::Info,
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
                self.notify(Gravity::Info, "Open a file first: completions are made at the cursor.", &[]);
            }
            return;
        };
        self.stop();
        if !again {
            self.with_editor(Editor::clear_ghost);
        }
        let settings = self.state.settings.get_untracked();
        let offered = self.state.offered.get_untracked();
        let turns = Turns::new(untrack(|| self.state.ghost_lane()), settings.compare, &offered);
        for lane in turns.waiting() {
            self.state.lane(lane).update(LaneRun::queue);
        }
        self.inner().round.replace(Round {
            turns,
            context: Some(context),
            ghost: None,
            multi_line: settings.multi_line,
            cold: settings.compare && settings.cold,
            again,
        });
        self.state.in_place.set(true);
        self.next_lane();
    }

    fn next_lane(&self) {
        let inner = self.inner();
        let (lane, request) = {
            let mut round = inner.round.borrow_mut();
            let Some(lane) = round.turns.take() else { return };
            let Some(context) = round.context.clone() else { return };
            let request = CompletionRequest {
                path: context.path,
                prefix: context.prefix,
                suffix: context.suffix,
                lane,
                multi_line: round.multi_line,
                same_file: self.state.settings.with_untracked(|settings| settings.same_file),
                cold: round.cold,
            };
            (lane, request)
        };
        let Some(id) = self.send(Request::Complete(request)) else {
            self.stop();
            return;
        };
        let again = inner.round.borrow().again;
        self.state.lane(lane).update(|run| if again { run.start_again(id) } else { run.start(id) });
        if lane == untrack(|| self.state.ghost_lane()) {
            inner.round.borrow_mut().ghost = Some(id);
        }
    }

    /// Stops what is under way and what waits.
    pub fn stop(&self) {
        self.inner().pause.replace(None);
        let inner = self.inner();
        {
            let mut round = inner.round.borrow_mut();
            round.turns.clear();
            round.ghost = None;
        }
        for lane in self.state.lanes {
            let (phase, request) = lane.with_untracked(|run| (run.phase, run.request));
            if let (Phase::Running, Some(target)) = (phase, request) {
                self.send(Request::Cancel { target });
            }
            if matches!(phase, Phase::Running | Phase::Queued) {
                lane.update(LaneRun::stop);
            }
        }
    }

    /// The lane that waits for this request's answer.
    fn lane_of(&self, id: RequestId) -> Option<Lane> {
        Lane::ALL.into_iter().find(|&lane| {
            self.state.lane(lane).with_untracked(|run| run.request == Some(id) && run.phase == Phase::Running)
        })
    }

    pub(super) fn on_completion(self, id: RequestId, event: CompletionEvent) {
        let Some(lane) = self.lane_of(id) else { return };
        if let CompletionEvent::Done(done) = &event {
            self.time(done);
        }
        let done = matches!(event, CompletionEvent::Done(_));
        let has_text = done || matches!(event, CompletionEvent::Text { .. });
        let run = self.state.lane(lane);
        run.update(|run| run.apply(event));
        if has_text && self.state.shown.get_untracked() != self.state.offered.get_untracked() {
            self.state.shown.set(self.state.offered.get_untracked());
        }
        if has_text && self.inner().round.borrow().ghost == Some(id) {
            let text = run.with_untracked(|run| run.text.clone());
            if done && !text.is_empty() {
                self.state.announcement.set(format!("{} suggests: {text}", title(lane)));
            }
            self.with_editor(|editor| editor.set_ghost(id, &text));
        }
        if done {
            self.offer_better();
            if !self.take_over() {
                self.next_lane();
            }
        }
    }

    /// A completion ended without a result: cancelled, or failed with a sentence.
    pub(super) fn on_completion_ended(self, id: RequestId, failure: Option<String>) {
        let Some(lane) = self.lane_of(id) else { return };
        self.state.lane(lane).update(|run| match failure {
            Some(message) => run.fail(message),
            None => run.stop(),
        });
        if !self.take_over() {
            self.next_lane();
        }
    }

    /// Shows a lane's text as ghost text, if the cursor is still where it was asked for.
    pub fn show_as_ghost(&self, lane: Lane) {
        if !self.state.in_place.get_untracked() {
            return;
        }
        // What another lane still streams does not take its place.
        self.inner().round.borrow_mut().ghost = None;
        let text = self.state.lane(lane).with_untracked(|run| run.text.clone());
        self.with_editor(|editor| {
            editor.offer_ghost(&text);
            editor.focus();
        });
    }
}
