//! The workspace: opening, importing, keeping, indexing.

use std::future::Future;

use gloo::timers::callback::Timeout;
use leptos::prelude::*;
use leptos::task::spawn_local;
use llavacode_core::engine::ChunkPlace;
use serde::Deserialize;
use wasm_bindgen::JsValue;

use super::Control;
use super::measure::fetch_json;
use crate::client::describe;
use crate::editor::Editor;
use crate::files::{self, Collected, Selection};
use crate::keep::{self, View};
use crate::protocol::{IndexInfo, Request, SourceFile};
use crate::state::engine::IndexState;
use crate::state::lanes::Phase;
use crate::state::notices::Gravity;
use crate::state::workspace::{Skipped, Tabs, Workspace};

/// The demo workspace, beside the page.
const DEMO_URL: &str = "demo/workspace.json";

/// After this pause what was typed is kept.
const SAVE_AFTER_MS: u32 = 500;

/// After this pause the index is told. A file's own chunks are left out of its completions, so that
/// there is no hurry before another file is opened.
const INDEX_AFTER_MS: u32 = 4_000;

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
            // The demo may be a newer one: only what the person changed is taken from the last visit.
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
                Gravity::Warning,
                format!("The demo workspace is not there: {message} Open a folder of your own."),
                &[],
            ),
        }
    }

    /// Puts a workspace in the place of the one before.
    fn show_workspace(self, workspace: Workspace, tabs: Tabs, cursor: (usize, usize)) {
        self.stop();
        self.with_editor(Editor::reset);
        self.inner().unindexed.replace(None);
        self.state.workspace.set(workspace);
        self.state.tabs.set(tabs);
        self.show_active();
        self.with_editor(|editor| editor.set_cursor(cursor.0, cursor.1));
        self.index_all();
    }

    /// Shows the active tab's file in the editor.
    fn show_active(&self) {
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

    // === Taking files in ===

    /// Takes in what was chosen: a folder replaces the workspace, single files join it.
    pub fn import(self, selection: impl Future<Output = Result<Option<Selection>, JsValue>> + 'static) {
        spawn_local(async move {
            match selection.await {
                Ok(Some(selection)) => self.take_in(selection).await,
                Ok(None) => {}
                Err(error) => {
                    let text = format!("The files could not be opened: {}.", describe(&error));
                    self.notify(Gravity::Error, text, &[]);
                }
            }
        });
    }

    async fn take_in(self, selection: Selection) {
        self.save();
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
                self.notify(Gravity::Warning, file.reason.clone(), &[]);
            }
        } else {
            let text =
                format!("{} files were left out; the explorer lists them with the reasons.", skipped.len());
            self.notify(Gravity::Info, text, &[]);
        }
        if collected.files.is_empty() && skipped.is_empty() {
            let place = folder.map_or("the selection".to_owned(), |name| format!("the folder “{name}”"));
            self.notify(Gravity::Warning, format!("There is no source file in {place}."), &[]);
        }
    }

    // === Keeping ===

    /// The person typed: the text is taken over and kept after a pause.
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
        let file = SourceFile { path: path.clone(), text };
        self.inner().unindexed.replace(Some(path));
        self.wait_to_index();
        spawn_local(async move {
            let kept = keep::put_files(&[file]).await;
            self.say_if_not_kept(kept);
        });
    }

    fn keep_view(&self) {
        let state = self.state;
        let cursor = state.cursor.get_untracked();
        let view =
            state.workspace.with_untracked(|w| state.tabs.with_untracked(|tabs| View::of(w, tabs, cursor)));
        if !view.workspace.is_empty() {
            view.keep();
        }
    }

    fn keep_all(self) {
        self.keep_view();
        let files = self.state.workspace.with_untracked(Workspace::sources);
        spawn_local(async move {
            let kept = keep::replace_files(&files).await;
            self.say_if_not_kept(kept);
        });
    }

    fn say_if_not_kept(&self, kept: Result<(), idb::Error>) {
        if let Err(error) = kept {
            let text = format!(
                "Your files and edits are not kept in the browser's storage ({error}): they last until the \
                 page is closed."
            );
            self.notify(Gravity::Warning, text, &[]);
        }
    }

    // === Indexing ===

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
        let id = self.send(Request::Index { workspace, files });
        self.inner().index.set(id);
    }

    fn wait_to_index(self) {
        self.inner().reindex.replace(Some(Timeout::new(INDEX_AFTER_MS, move || {
            let busy =
                self.state.lanes.iter().any(|lane| lane.with_untracked(|run| run.phase == Phase::Running));
            if busy { self.wait_to_index() } else { self.index_edited() }
        })));
    }

    /// Tells the index the newest text of the file that was edited.
    fn index_edited(&self) {
        self.inner().reindex.replace(None);
        // While all is being indexed, or nothing, the next full run takes it in.
        if !self.state.index.with_untracked(|index| matches!(index, IndexState::Ready(_))) {
            return;
        }
        let Some(path) = self.inner().unindexed.take() else { return };
        let (workspace, text) =
            self.state.workspace.with_untracked(|w| (w.name.clone(), w.files.get(&path).cloned()));
        let Some(text) = text else { return };
        let id = self.send(Request::UpdateFile { workspace, file: SourceFile { path, text } });
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
    }
}
