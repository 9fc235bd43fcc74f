//! Keeping what the user types.

use gloo::timers::callback::Timeout;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Control;
use crate::editor::Editor;
use crate::files::disk::Folder;
use crate::keep::{self, View};
use crate::state::notices::Severity;

/// After this pause what was typed is kept.
const KEEP_AFTER_MS: u32 = 500;

impl Control {
    /// The user typed: the text is taken over and kept after a pause.
    pub(super) fn note_edit(self) {
        self.inner().keep.replace(Some(Timeout::new(KEEP_AFTER_MS, move || self.keep_edits())));
    }

    /// Takes over and keeps the open file's text.
    pub fn keep_edits(self) {
        self.inner().keep.replace(None);
        self.keep_view();
        let Some(path) = self.state.tabs.with_untracked(|tabs| tabs.active.clone()) else { return };
        let Some(text) = self.with_editor(Editor::text) else { return };
        let unchanged =
            self.state.workspace.with_untracked(|w| w.text(&path).is_none_or(|known| known == text));
        if unchanged {
            return;
        }
        self.state.workspace.update(|workspace| {
            workspace.edit(&path, text);
        });
        self.keep_view();
        self.wait_to_index();
        self.keep_file(&path);
    }

    /// Keeps a file as it is now.
    pub(super) fn keep_file(self, path: &str) {
        let file = self.state.workspace.with_untracked(|workspace| workspace.files.get(path).cloned());
        let Some(file) = file else { return };
        let path = path.to_owned();
        spawn_local(async move {
            let kept = keep::put_files(&[(path, file)]).await;
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
        let files = self.state.workspace.with_untracked(|workspace| workspace.files.clone());
        let files: Vec<_> = files.into_iter().collect();
        spawn_local(async move {
            let kept = keep::replace_files(&files).await;
            self.say_if_not_kept(kept);
        });
    }

    /// Keeps the handle of the folder that is saved into.
    pub(super) fn keep_folder(self) {
        let folder = self.inner().folder.borrow().clone();
        spawn_local(async move {
            // Without it the next visit downloads what is saved, until the folder is opened again.
            if let Err(error) = keep::put_folder(folder.as_ref().map(Folder::handle)).await {
                log::warn!("the folder is not kept: {error}");
            }
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
