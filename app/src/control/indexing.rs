//! Bringing the index to the workspace.

use gloo::timers::callback::Timeout;
use leptos::prelude::*;

use super::Control;
use crate::protocol::{IndexInfo, Request, SourceFile};
use crate::state::engine::IndexState;
use crate::state::lanes::Phase;
use crate::state::workspace::Skipped;

/// After this pause the index is told. A file's own chunks are left out of its completions, so that
/// there is no hurry before another file is opened.
const INDEX_AFTER_MS: u32 = 4_000;

impl Control {
    /// Brings the index to the workspace as it is.
    pub fn index_all(&self) {
        self.inner().reindex.replace(None);
        let ready = self.state.engine.with_untracked(|engine| engine.is_ready());
        let (workspace, files) = self.state.workspace.with_untracked(|w| (w.name.clone(), w.sources()));
        if !ready || files.is_empty() {
            return;
        }
        self.inner().unindexed.replace(None);
        self.state.index.set(IndexState::Running { done: 0, total: 0 });
        self.tell_next(|| Request::Index { workspace: workspace.clone(), files: files.clone() });
        let id = self.send(Request::Index { workspace, files });
        self.inner().index.set(id);
    }

    pub(super) fn wait_to_index(self) {
        self.inner().reindex.replace(Some(Timeout::new(INDEX_AFTER_MS, move || {
            let busy =
                self.state.lanes.iter().any(|lane| lane.with_untracked(|run| run.phase == Phase::Running));
            if busy { self.wait_to_index() } else { self.index_edited() }
        })));
    }

    /// Tells the index the newest text of the file that was edited.
    pub(super) fn index_edited(&self) {
        self.inner().reindex.replace(None);
        // While all is being indexed, or nothing, the next full run takes it in.
        if !self.state.index.with_untracked(|index| matches!(index, IndexState::Ready(_))) {
            return;
        }
        let Some(path) = self.inner().unindexed.take() else { return };
        let (workspace, text) =
            self.state.workspace.with_untracked(|w| (w.name.clone(), w.files.get(&path).cloned()));
        let Some(text) = text else { return };
        let file = SourceFile { path, text };
        self.tell_next(|| Request::UpdateFile { workspace: workspace.clone(), file: file.clone() });
        let id = self.send(Request::UpdateFile { workspace, file });
        self.inner().index.set(id);
    }

    /// Stops indexing; what is embedded stays.
    pub fn cancel_index(&self) {
        if let Some(target) = self.inner().index.get() {
            self.send(Request::Cancel { target });
            self.state.index.set(IndexState::Cancelled);
        }
    }

    pub(super) fn on_skipped(&self, path: String, reason: String) {
        self.state.workspace.update(|workspace| workspace.skip(Skipped { path, reason }));
    }

    pub(super) fn on_indexed(self, info: IndexInfo) {
        let first = !self.state.index.with_untracked(|index| matches!(index, IndexState::Ready(_)));
        self.state.index.set(IndexState::Ready(info));
        if self.inner().unindexed.borrow().is_some() {
            self.wait_to_index();
        }
        let automatic = self.state.settings.with_untracked(|settings| settings.automatic);
        if first && automatic && !self.state.in_place.get_untracked() {
            self.complete(false);
        }
        self.take_over();
    }
}
