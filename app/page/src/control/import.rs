//! Taking in files from the user's disk.

use std::future::Future;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;

use super::Control;
use crate::editor::Editor;
use crate::files::{self, Collected, Selection};
use crate::state::notices::Severity;
use crate::state::workspace::{Tabs, Workspace};
use llavacode_browser::describe;

impl Control {
    /// Takes in what was chosen: a folder replaces the workspace, single files join it.
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

    async fn take_in(self, selection: Selection) {
        self.save();
        if selection.folder.is_some() && !self.may_replace_workspace() {
            return;
        }
        self.state.importing.set(Some(0));
        let collected =
            files::read(selection.candidates, |count| self.state.importing.set(Some(count))).await;
        self.state.importing.set(None);
        self.report_skipped(&collected, selection.folder.as_deref());
        if collected.files.is_empty() {
            let skipped = collected.skipped;
            self.state.workspace.update(|workspace| skipped.into_iter().for_each(|s| workspace.skip(s)));
            return;
        }
        match selection.folder {
            Some(name) => {
                let mut workspace = Workspace { name, skipped: collected.skipped, ..Workspace::default() };
                workspace.add(collected.files);
                let mut tabs = Tabs::default();
                if let Some(first) = workspace.files.keys().next() {
                    tabs.show(first);
                }
                self.show_workspace(workspace, tabs, (0, 0));
            }
            None => self.join(collected),
        }
        self.keep_all();
    }

    /// Adds single files to the workspace and shows the first.
    fn join(self, collected: Collected) {
        let first = collected.files.first().map(|file| file.path.clone());
        let known = self.state.workspace.with_untracked(|workspace| {
            collected.files.iter().filter(|file| workspace.files.contains_key(&file.path)).count()
        });
        self.state.workspace.update(|workspace| {
            if workspace.name.is_empty() {
                workspace.name = "files".to_owned();
            }
            workspace.add(collected.files);
            collected.skipped.into_iter().for_each(|skipped| workspace.skip(skipped));
        });
        if known > 0 {
            // The editor may hold older texts of them.
            self.with_editor(Editor::reset);
        }
        if let Some(path) = first {
            self.state.tabs.update(|tabs| tabs.show(&path));
        }
        self.show_active();
        self.index_all();
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
