//! Bringing the index to the workspace.

use gloo::timers::callback::Timeout;
use leptos::prelude::*;

use super::{Control, absolute};
use crate::files::{PickedFile, Selection};
use crate::state::engine::IndexState;
use crate::state::settings::SharedFiles;
use crate::state::workspace::{Skipped, Workspace};
use llavacode_protocol::{IndexInfo, Request, SharedPlace};

/// After this pause the index is told. A file's own chunks are left out of its completions, so that
/// there is no hurry before another file is opened.
const INDEX_AFTER_MS: u32 = 4_000;

impl Control {
    /// Brings the index to the workspace as it is.
    pub fn index_all(self) {
        self.inner().reindex.replace(None);
        let ready = self.state.engine.with_untracked(|engine| engine.is_ready());
        let is_empty = self.state.workspace.with_untracked(|workspace| workspace.files.is_empty());
        if !ready || is_empty {
            return;
        }
        // Every file is sent with its newest text.
        self.state.workspace.update_untracked(|workspace| drop(workspace.take_unindexed()));
        self.state.index.set(IndexState::Running { done: 0, total: 0 });
        let request = self.index_request();
        self.tell_next(|| request.clone());
        let id = self.send(request);
        self.inner().index.set(id);
        // A suggestion waits for the files to be read, not for their vectors.
        if self.inner().owed.take() {
            self.complete(false);
        } else if !self.state.in_place.get_untracked() {
            self.wait_for_pause();
        }
    }

    /// Asks for the index of the workspace as it is.
    pub(super) fn index_request(&self) -> Request {
        let (workspace, files) = self.state.workspace.with_untracked(|w| (w.name.clone(), w.sources()));
        // The worker's script lies elsewhere: what is relative is relative to the page.
        let shared = self.state.settings.with_untracked(|settings| settings.shared_place(absolute));
        Request::Index { workspace, files, shared }
    }

    /// The files that go beside a request: those of the shared index, where the request is for it.
    pub(super) fn beside(&self, request: &Request) -> Vec<PickedFile> {
        match request {
            Request::Index { shared: Some(SharedPlace::Files { .. }), .. } => {
                self.inner().shared_files.borrow().clone()
            }
            _ => Vec::new(),
        }
    }

    /// Takes the shared index at an address into use, or none.
    pub fn use_shared_index(self, address: &str) {
        self.settings(|settings| settings.set_shared_index(address));
        self.inner().shared_files.replace(Vec::new());
        self.index_all();
    }

    /// Takes the shared index in these files into use, for this visit. Of a folder those count that lie
    /// in it directly.
    pub fn use_shared_files(self, selection: Selection) {
        if selection.candidates.is_empty() {
            return;
        }
        let inner = self.inner();
        inner.shared_choice.set(inner.shared_choice.get() + 1);
        let mut files = selection.candidates;
        files.retain(|file| !file.path.contains('/'));
        let (choice, count) = (inner.shared_choice.get(), files.len());
        inner.shared_files.replace(files);
        self.settings(|settings| {
            settings.set_shared_files(SharedFiles { choice, folder: selection.folder, count });
        });
        self.index_all();
    }

    pub(super) fn wait_to_index(self) {
        self.inner().reindex.replace(Some(Timeout::new(INDEX_AFTER_MS, move || {
            let busy = self.inner().completion.get().is_some();
            if busy { self.wait_to_index() } else { self.index_edited() }
        })));
    }

    /// Tells the index the newest text of the files that were edited, while it is being made, too.
    pub(super) fn index_edited(&self) {
        self.inner().reindex.replace(None);
        // Where nothing is indexed the next full run takes them in.
        let stands = |index: &IndexState| matches!(index, IndexState::Ready(_) | IndexState::Running { .. });
        if !self.state.index.with_untracked(stands) {
            return;
        }
        let workspace = self.state.workspace.with_untracked(|workspace| workspace.name.clone());
        let mut edited = Vec::new();
        self.state.workspace.update_untracked(|workspace| edited = workspace.take_unindexed());
        for file in edited {
            let workspace = workspace.clone();
            self.tell_next(|| Request::UpdateFile { workspace: workspace.clone(), file: file.clone() });
            let id = self.send(Request::UpdateFile { workspace, file });
            self.inner().index.set(id);
        }
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
        if self.state.workspace.with_untracked(Workspace::has_unindexed) {
            self.wait_to_index();
        }
        let automatic = self.state.settings.with_untracked(|settings| settings.automatic);
        if first && automatic && !self.state.in_place.get_untracked() {
            self.complete(false);
        }
        self.take_over();
    }
}
