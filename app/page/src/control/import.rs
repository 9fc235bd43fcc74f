//! Taking in files from the user's disk.

use std::future::Future;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;

use super::Control;
use crate::files::disk::Folder;
use crate::files::{self, Collected, Selection};
use crate::state::Dialog;
use crate::state::notices::Severity;
use crate::state::workspace::{Home, Incoming, Tabs, Workspace};
use llavacode_browser::describe;

/// Where files go that were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncomingPlace {
    /// Into the workspace.
    Join,
    /// In its place.
    Replace,
    /// Nowhere: the user changed their mind.
    Nowhere,
}

impl Control {
    /// Takes in what was chosen: a folder or an archive replaces the workspace; of single files the user
    /// says whether they join it.
    pub fn import(self, selection: impl Future<Output = Result<Option<Selection>, JsValue>> + 'static) {
        spawn_local(async move {
            match selection.await {
                Ok(Some(selection)) => self.take_in(selection).await,
                Ok(None) => {}
                Err(error) => {
                    let text = format!("The files could not be opened: {}.", describe(&error));
                    self.notify(Severity::Error, text, &[]);
                }
            }
        });
    }

    async fn take_in(self, mut selection: Selection) {
        self.keep_edits();
        let archive = selection.archive().cloned();
        let is_project = selection.folder.is_some() || archive.is_some();
        if is_project && !self.may_replace_workspace() {
            return;
        }
        self.state.importing.set(Some(0));
        let collected = match &archive {
            Some(archive) => match files::read_archive(archive).await {
                Ok((name, collected)) => {
                    selection.folder = Some(name);
                    collected
                }
                Err(sentence) => {
                    self.state.importing.set(None);
                    return self.notify(Severity::Error, sentence, &[]);
                }
            },
            None => {
                let progress = |count| self.state.importing.set(Some(count));
                files::read(std::mem::take(&mut selection.candidates), progress).await
            }
        };
        self.state.importing.set(None);
        self.report_skipped(&collected, selection.folder.as_deref());
        let Collected { files, skipped } = collected;
        if files.is_empty() {
            self.state.workspace.update(|workspace| skipped.into_iter().for_each(|s| workspace.skip(s)));
            return;
        }
        let incoming = Incoming { files, skipped };
        match selection.folder {
            Some(name) => self.replace_with(name, selection.writable, incoming),
            // Nothing is there that they could join.
            None if self.state.workspace.with_untracked(|workspace| workspace.files.is_empty()) => {
                self.join(incoming)
            }
            None => {
                self.state.incoming.set(Some(incoming));
                self.state.dialog.set(Some(Dialog::Incoming));
            }
        }
    }

    /// The user said where files go that were opened.
    pub fn answer_incoming(self, place: IncomingPlace) {
        self.state.dialog.set(None);
        let Some(incoming) = self.state.incoming.try_update(Option::take).flatten() else { return };
        match place {
            IncomingPlace::Join => self.join(incoming),
            IncomingPlace::Replace if self.may_replace_workspace() => {
                self.replace_with("files".to_owned(), None, incoming);
            }
            IncomingPlace::Replace | IncomingPlace::Nowhere => {}
        }
    }

    /// Makes what was opened the workspace.
    fn replace_with(self, name: String, folder: Option<Folder>, incoming: Incoming) {
        let home = if folder.is_some() { Home::Folder } else { Home::Elsewhere };
        self.inner().folder.replace(folder);
        let mut workspace = Workspace { name, home, skipped: incoming.skipped, ..Workspace::default() };
        workspace.add(incoming.files);
        let mut tabs = Tabs::default();
        if let Some(first) = workspace.files.keys().next() {
            tabs.show(first);
        }
        self.show_workspace(workspace, tabs, (0, 0));
        self.keep_all();
        self.keep_folder();
    }

    /// Adds files to the workspace and shows the first.
    fn join(self, incoming: Incoming) {
        self.keep_edits();
        self.stop();
        let paths = self.state.workspace.try_update(|workspace| workspace.join(incoming)).unwrap_or_default();
        for path in &paths {
            // The editor may hold an older text of it.
            self.with_editor(|editor| editor.forget(path));
        }
        if let Some(path) = paths.first() {
            self.state.tabs.update(|tabs| tabs.show(path));
        }
        self.show_active();
        self.index_all();
        self.keep_all();
    }

    /// Says what was left out: each sentence if they are few, a summary if not. All of them stand in
    /// the explorer.
    fn report_skipped(&self, collected: &Collected, folder: Option<&str>) {
        let skipped = &collected.skipped;
        if skipped.len() <= 3 {
            for file in skipped {
                self.notify(Severity::Warning, file.reason.clone(), &[]);
            }
        } else {
            let text =
                format!("{} files were left out; the explorer lists them with the reasons.", skipped.len());
            self.notify(Severity::Info, text, &[]);
        }
        if collected.files.is_empty() && skipped.is_empty() {
            let place = folder.map_or("the selection".to_owned(), |name| format!("the folder “{name}”"));
            self.notify(Severity::Warning, format!("There is no source file in {place}."), &[]);
        }
    }
}
