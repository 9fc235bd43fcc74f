//! The workspace: what it holds and which of its files are open.

use leptos::prelude::*;
use llavacode_api::completion::ChunkPlace;
use serde::Deserialize;

use super::Control;
use crate::editor::Editor;
use crate::fetch::fetch_json;
use crate::keep::{self, View};
use crate::state::notices::Severity;
use crate::state::workspace::{Tabs, Workspace};
use llavacode_protocol::SourceFile;

/// The demo workspace, beside the page.
const DEMO_URL: &str = "demo/workspace.json";

/// The demo as it is served.
#[derive(Deserialize)]
struct Demo {
    name: String,
    files: Vec<SourceFile>,
    open: Option<String>,
    cursor: Option<Place>,
}

/// Both from 0.
#[derive(Deserialize)]
struct Place {
    line: usize,
    #[serde(default)]
    column: usize,
}

impl Control {
    /// Brings back the workspace of the last visit, or the demo.
    pub(super) async fn restore(self) {
        let view = View::load().filter(|view| !view.workspace.is_empty());
        let files = match &view {
            Some(_) => keep::load_files().await.unwrap_or_else(|error| {
                log::warn!("the files of the last visit cannot be read: {error}");
                Vec::new()
            }),
            None => Vec::new(),
        };
        let Some(view) = view.filter(|_| !files.is_empty()) else {
            self.open_demo().await;
            return;
        };
        let mut workspace = Workspace { name: view.workspace, is_demo: view.is_demo, ..Workspace::default() };
        if view.is_demo
            && let Ok(demo) = fetch_json::<Demo>(DEMO_URL).await
        {
            // The demo may be a newer one: only what the user changed is taken from the last visit.
            workspace.add(demo.files);
            workspace.add(files.into_iter().filter(|file| view.edited.contains(&file.path)));
        } else {
            workspace.add(files);
        }
        workspace.edited = view.edited;
        let known = |path: &String| workspace.files.contains_key(path);
        let tabs =
            Tabs { open: view.open.into_iter().filter(known).collect(), active: view.active.filter(known) };
        self.show_workspace(workspace, tabs, view.cursor);
    }

    /// Asks before a workspace is replaced in which the user changed something: their changes live
    /// nowhere else.
    pub fn may_replace_workspace(&self) -> bool {
        self.save();
        let (name, edited) = self.state.workspace.with_untracked(|w| (w.name.clone(), w.edited.len()));
        let files = if edited == 1 { "a file" } else { "files" };
        let question = format!("You changed {files} of “{name}”. Your changes are lost if you go on.");
        edited == 0 || window().confirm_with_message(&question).unwrap_or(false)
    }

    /// Loads the demo workspace as it is served; edits made to it before are dropped.
    pub async fn open_demo(self) {
        match fetch_json::<Demo>(DEMO_URL).await {
            Ok(demo) => {
                let mut workspace = Workspace { name: demo.name, is_demo: true, ..Workspace::default() };
                workspace.add(demo.files);
                let mut tabs = Tabs::default();
                let first = workspace.files.keys().next().cloned();
                if let Some(path) = demo.open.filter(|path| workspace.files.contains_key(path)).or(first) {
                    tabs.show(&path);
                }
                let cursor = demo.cursor.map_or((0, 0), |place| (place.line, place.column));
                self.show_workspace(workspace, tabs, cursor);
                self.keep_all();
            }
            Err(message) => self.notify(
                Severity::Warning,
                format!("The demo workspace is not there: {message} Open a folder of your own."),
                &[],
            ),
        }
    }

    /// Puts a workspace in the place of the one before.
    pub(super) fn show_workspace(self, workspace: Workspace, tabs: Tabs, cursor: (usize, usize)) {
        self.stop();
        self.with_editor(Editor::reset);
        self.state.workspace.set(workspace);
        self.state.tabs.set(tabs);
        self.show_active();
        self.with_editor(|editor| editor.set_cursor(cursor.0, cursor.1));
        self.index_all();
    }

    /// Shows the active tab's file in the editor.
    pub(super) fn show_active(&self) {
        let active = self.state.tabs.with_untracked(|tabs| tabs.active.clone());
        match active {
            Some(path) => {
                let text = self.state.workspace.with_untracked(|w| w.files.get(&path).cloned());
                self.with_editor(|editor| editor.set_document(&path, &text.unwrap_or_default()));
            }
            None => {
                self.with_editor(Editor::reset);
            }
        }
    }

    /// Opens a file of the workspace.
    pub fn open(self, path: &str) {
        self.save();
        self.index_edited();
        self.stop();
        self.state.in_place.set(false);
        self.state.tabs.update(|tabs| tabs.show(path));
        self.show_active();
        self.keep_view();
    }

    /// Opens a chunk's place and selects its lines.
    pub fn open_place(self, place: &ChunkPlace) {
        if !self.state.workspace.with_untracked(|workspace| workspace.files.contains_key(&place.path)) {
            return;
        }
        self.open(&place.path);
        self.with_editor(|editor| {
            editor.show_lines(place.start_line, place.end_line);
            editor.focus();
        });
    }

    /// Closes a tab. The file stays in the workspace.
    pub fn close(self, path: &str) {
        self.save();
        self.index_edited();
        self.stop();
        self.state.in_place.set(false);
        self.state.tabs.update(|tabs| tabs.close(path));
        self.show_active();
        self.keep_view();
    }
}
