//! Keeping what the user types.

use gloo::timers::callback::Timeout;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Control;
use crate::editor::Editor;
use crate::keep::{self, View};
use crate::state::notices::Severity;
use crate::state::workspace::Workspace;
use llavacode_protocol::SourceFile;

/// After this pause what was typed is kept.
const SAVE_AFTER_MS: u32 = 500;

impl Control {
    /// The user typed: the text is taken over and kept after a pause.
    pub(super) fn note_edit(self) {
        self.inner().save.replace(Some(Timeout::new(SAVE_AFTER_MS, move || self.save())));
    }

    /// Takes over and keeps the open file's text.
    pub fn save(self) {
        self.inner().save.replace(None);
        self.keep_view();
        let Some(path) = self.state.tabs.with_untracked(|tabs| tabs.active.clone()) else { return };
        let Some(text) = self.with_editor(Editor::text) else { return };
        let unchanged =
            self.state.workspace.with_untracked(|w| w.files.get(&path).is_none_or(|known| *known == text));
        if unchanged {
            return;
        }
        self.state.workspace.update(|workspace| {
            workspace.edit(&path, text.clone());
        });
        self.keep_view();
        let file = SourceFile { path, text };
        self.wait_to_index();
        spawn_local(async move {
            let kept = keep::put_files(&[file]).await;
            self.say_if_not_kept(kept);
        });
    }

    pub(super) fn keep_view(&self) {
        let state = self.state;
        let cursor = state.cursor.get_untracked();
        let view =
            state.workspace.with_untracked(|w| state.tabs.with_untracked(|tabs| View::of(w, tabs, cursor)));
        if !view.workspace.is_empty() {
            view.keep();
        }
    }

    pub(super) fn keep_all(self) {
        self.keep_view();
        let files = self.state.workspace.with_untracked(Workspace::sources);
        spawn_local(async move {
            let kept = keep::replace_files(&files).await;
            self.say_if_not_kept(kept);
        });
    }

    fn say_if_not_kept(&self, kept: Result<(), String>) {
        if let Err(error) = kept {
            let text = format!(
                "Your files and edits are not kept in the browser's storage ({error}): they last until the \
                 page is closed."
            );
            self.notify(Severity::Warning, text, &[]);
        }
    }
}
