//! The workspace: what it holds and which of its files are open.

use std::collections::BTreeSet;

use leptos::prelude::*;
use llavacode_api::completion::ChunkSpan;
use serde::Deserialize;

use super::Control;
use super::places::fetch_places;
use crate::editor::Editor;
use crate::fetch::fetch_json;
use crate::files::disk::Folder;
use crate::keep::{self, View};
use crate::state::changes::History;
use crate::state::file::File;
use crate::state::find::Hit;
use crate::state::notices::Severity;
use crate::state::tree::{closed_at_first, reveal};
use crate::state::workspace::{Home, Tabs, Workspace};
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

impl Demo {
    fn paths(&self) -> BTreeSet<String> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    fn sources(&self) -> impl Iterator<Item = (String, File)> + '_ {
        self.files.iter().map(|file| (file.path.clone(), File::saved(&file.text)))
    }
}

/// Both from 0.
#[derive(Deserialize)]
struct Place {
    line: usize,
    #[serde(default)]
    column: usize,
}

/// The folder that was open at the last visit. The browser asks anew before it is written to.
async fn kept_folder() -> Option<Folder> {
    let kept = keep::load_folder().await;
    let kept = kept.inspect_err(|error| log::warn!("the folder of the last visit cannot be read: {error}"));
    kept.ok().flatten().map(Folder::from)
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
        let folder = if view.in_folder { kept_folder().await } else { None };
        let home = match (view.is_demo, &folder) {
            (true, _) => Home::Demo,
            (false, Some(_)) => Home::Folder,
            (false, None) => Home::Elsewhere,
        };
        self.inner().folder.replace(folder);
        let mut workspace = Workspace { name: view.workspace, home, ..Workspace::default() };
        if view.is_demo
            && let Ok(demo) = fetch_json::<Demo>(DEMO_URL).await
        {
            // The demo may be a newer one: only what the user changed is taken from the last visit.
            workspace.served = demo.paths();
            workspace.add(demo.sources().filter(|(path, _)| !view.removed.contains(path)));
            workspace.add(files.into_iter().filter(|(path, _)| view.edited.contains(path)));
        } else {
            workspace.add(files);
        }
        workspace.edited = view.edited;
        workspace.removed = view.removed;
        let known = |path: &String| workspace.files.contains_key(path);
        let mut cursor = view.cursor;
        let mut tabs =
            Tabs { open: view.open.into_iter().filter(known).collect(), active: view.active.filter(known) };
        self.show_linked_place(&workspace, &mut tabs, &mut cursor);
        if workspace.is_demo() {
            let mut places = fetch_places().await;
            places.find(&workspace);
            self.state.places.set(places);
        }
        self.show_workspace(workspace, tabs, cursor);
    }

    /// Asks before a workspace is replaced in which something is not saved: it lives nowhere else.
    pub fn may_replace_workspace(&self) -> bool {
        self.keep_edits();
        let (name, unsaved) = self.state.workspace.with_untracked(|w| (w.name.clone(), w.unsaved().len()));
        let files = if unsaved == 1 { "a file" } else { "files" };
        let question = format!("You changed {files} of “{name}”. Your changes are lost if you go on.");
        unsaved == 0 || window().confirm_with_message(&question).unwrap_or(false)
    }

    /// Loads the demo workspace as it is served; edits made to it before are dropped.
    pub async fn open_demo(self) {
        match fetch_json::<Demo>(DEMO_URL).await {
            Ok(demo) => {
                let mut workspace =
                    Workspace { name: demo.name.clone(), home: Home::Demo, ..Workspace::default() };
                workspace.add(demo.sources());
                workspace.served = demo.paths();
                let mut tabs = Tabs::default();
                let first = workspace.files.keys().next().cloned();
                if let Some(path) =
                    demo.open.clone().filter(|path| workspace.files.contains_key(path)).or(first)
                {
                    tabs.show(&path);
                }
                let mut cursor = demo.cursor.map_or((0, 0), |place| (place.line, place.column));
                let linked = self.show_linked_place(&workspace, &mut tabs, &mut cursor);
                self.open_at_place(fetch_places().await, linked, &mut workspace, &mut tabs, &mut cursor);
                self.inner().folder.replace(None);
                self.show_workspace(workspace, tabs, cursor);
                self.keep_all();
                self.keep_folder();
            }
            Err(message) => self.notify(
                Severity::Warning,
                format!("The demo workspace is not there: {message} Open a folder of your own."),
                &[],
            ),
        }
    }

    /// Puts a workspace in the place of the one before. What was suggested or retrieved there goes with
    /// it, and so does what could be undone.
    pub(super) fn show_workspace(self, workspace: Workspace, tabs: Tabs, cursor: (usize, usize)) {
        self.stop();
        self.state.forget_suggestions();
        self.state.history.update(History::clear);
        self.with_editor(Editor::reset);
        // Before the files: they would all be listed.
        let paths = workspace.files.keys().map(String::as_str);
        self.state.closed_folders.set(closed_at_first(paths, tabs.active.as_deref()));
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
                self.state.closed_folders.maybe_update(|closed| reveal(closed, &path));
                let text =
                    self.state.workspace.with_untracked(|w| w.text(&path).unwrap_or_default().to_owned());
                self.with_editor(|editor| editor.set_document(&path, &text));
            }
            None => {
                self.with_editor(Editor::reset);
            }
        }
    }

    /// Opens a file of the workspace.
    pub fn open(self, path: &str) {
        self.keep_edits();
        self.index_edited();
        self.stop();
        self.state.in_place.set(false);
        self.state.tabs.update(|tabs| tabs.show(path));
        self.show_active();
        self.keep_view();
    }

    /// Opens a chunk's file and selects its lines.
    pub fn open_span(self, span: &ChunkSpan) {
        if !self.state.workspace.with_untracked(|workspace| workspace.files.contains_key(&span.path)) {
            return;
        }
        self.open(&span.path);
        self.with_editor(|editor| {
            editor.show_lines(span.start_line, span.end_line);
            editor.focus();
        });
    }

    /// Opens a file, at a line (from 1) if one is given, and puts the keyboard there.
    pub fn go_to(self, path: &str, line: Option<usize>) {
        self.open(path);
        self.with_editor(|editor| {
            if let Some(line) = line {
                editor.set_cursor(line.saturating_sub(1), 0);
            }
            editor.focus();
        });
    }

    /// Opens the place where something was found.
    pub fn open_hit(self, path: &str, hit: &Hit) {
        self.open(path);
        self.with_editor(|editor| {
            editor.show_place(hit.line, hit.column, hit.length);
            editor.focus();
        });
    }

    /// Opens the search through all files.
    pub fn find_in_files(self) {
        self.keep_edits();
        self.state.find_asked.set(true);
        self.state.find.update(|query| *query = Some(query.take().unwrap_or_default()));
    }

    /// Closes a tab. The file stays in the workspace.
    pub fn close(self, path: &str) {
        self.keep_edits();
        self.index_edited();
        self.stop();
        self.state.in_place.set(false);
        self.state.tabs.update(|tabs| tabs.close(path));
        self.show_active();
        self.keep_view();
    }
}
