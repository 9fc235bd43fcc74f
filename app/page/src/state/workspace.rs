//! The files of the workspace and which of them are open.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{File, Saved, source};
use llavacode_protocol::SourceFile;

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: String,
    /// A sentence.
    pub reason: String,
}

/// Where a workspace comes from, which is where its files are saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Home {
    /// It comes with the page, and the tasks belong to it. Its files are nobody's work: the page does
    /// not ask before they are left.
    Demo,
    /// A folder that the page may write to.
    Folder,
    /// Files that were read once. What is saved of them is downloaded.
    #[default]
    Elsewhere,
}

/// The files, their texts, and what was left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Workspace {
    /// Its name; the index is kept under it.
    pub name: String,
    /// Where it comes from.
    pub home: Home,
    /// Files by path.
    pub files: BTreeMap<String, File>,
    /// Paths whose text the user changed since they came, or that the user made.
    pub edited: BTreeSet<String>,
    /// Paths that came with it and that the user took out.
    pub removed: BTreeSet<String>,
    /// Paths that came with the demo.
    pub served: BTreeSet<String>,
    /// Files left out, each once.
    pub skipped: Vec<Skipped>,
    /// Paths whose newest text, or whose end, the index was not told of.
    pub unindexed: BTreeSet<String>,
}

impl Workspace {
    /// Whether it is the one that comes with the page.
    pub fn is_demo(&self) -> bool {
        self.home == Home::Demo
    }

    /// Whether everybody's demo has a file of this path, whatever was typed into it here.
    pub fn is_demos_own(&self, path: &str) -> bool {
        self.is_demo() && self.served.contains(path)
    }

    /// Adds files, in the place of those of the same path.
    pub fn add(&mut self, files: impl IntoIterator<Item = (String, File)>) {
        for (path, file) in files {
            self.edited.remove(&path);
            self.removed.remove(&path);
            self.files.insert(path, file);
        }
    }

    /// Adds files that were opened. Where something unsaved would be lost to one of the same path, it
    /// gets a path beside that.
    ///
    /// # Returns
    /// Their paths.
    pub fn join(&mut self, incoming: Incoming) -> Vec<String> {
        if self.name.is_empty() {
            self.name = "files".to_owned();
        }
        incoming.skipped.into_iter().for_each(|skipped| self.skip(skipped));
        let mut paths = Vec::new();
        for (path, mut file) in incoming.files {
            let differs = self.text(&path).is_some_and(|text| text != file.text);
            let path = if differs && self.is_unsaved(&path) { self.path_beside(&path) } else { path };
            if self.home == Home::Folder {
                // The folder holds what it held.
                let text = std::mem::take(&mut file.text);
                file.saved = Saved::Nothing;
                file = self.files.remove(&path).unwrap_or(file);
                file.edit(text);
            }
            self.add([(path.clone(), file)]);
            // The demo is served anew at each visit, without it.
            self.edited.insert(path.clone());
            paths.push(path);
        }
        paths
    }

    /// Notes a file that was left out; the newest reason stands.
    pub fn skip(&mut self, skipped: Skipped) {
        self.skipped.retain(|other| other.path != skipped.path);
        self.skipped.push(skipped);
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|file| file.text.as_str())
    }

    /// Takes in what the user typed. Returns whether anything changed.
    pub fn edit(&mut self, path: &str, text: String) -> bool {
        let changed = self.files.get_mut(path).is_some_and(|file| file.edit(text));
        if changed {
            self.edited.insert(path.to_owned());
            self.unindexed.insert(path.to_owned());
        }
        changed
    }

    /// Whether a file has something that is not saved.
    pub fn is_unsaved(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(File::is_unsaved)
    }

    /// The paths of all such files.
    pub fn unsaved(&self) -> Vec<String> {
        let unsaved = self.files.iter().filter(|(_, file)| file.is_unsaved());
        unsaved.map(|(path, _)| path.clone()).collect()
    }

    /// Whether the page asks before it is left: something is neither on disk nor downloaded. The
    /// browser keeps it for the next visit, but may be told to forget.
    pub fn asks_before_leaving(&self) -> bool {
        !self.is_demo() && self.files.values().any(File::is_unsaved)
    }

    /// This text of a file is saved now.
    pub fn set_saved(&mut self, path: &str, text: &str) {
        if let Some(file) = self.files.get_mut(path) {
            file.set_saved(text);
        }
    }

    /// Every file that has something in it, as the engine takes them.
    pub fn sources(&self) -> Vec<SourceFile> {
        let written = self.files.iter().filter(|(_, file)| !file.text.trim().is_empty());
        written.map(|(path, file)| source(path, file)).collect()
    }

    /// Whether the index was not told of every edit.
    pub fn has_unindexed(&self) -> bool {
        !self.unindexed.is_empty()
    }

    /// The files that were edited since the index was told last, each with its newest text; one that
    /// is gone with none.
    pub fn take_unindexed(&mut self) -> Vec<SourceFile> {
        let paths = std::mem::take(&mut self.unindexed);
        let text = |path: &str| self.text(path).unwrap_or_default().to_owned();
        paths.into_iter().map(|path| SourceFile { text: text(&path), path }).collect()
    }
}

/// Files that were opened, until the user says whether they join the workspace or replace it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Incoming {
    /// The files, by path.
    pub files: Vec<(String, File)>,
    /// Left out of what was opened.
    pub skipped: Vec<Skipped>,
}

impl Incoming {
    /// What came, in a few words.
    pub fn words(&self) -> String {
        match self.files.as_slice() {
            [(path, _)] => path.clone(),
            files => format!("{} files", files.len()),
        }
    }
}

/// Open files, in the order of their tabs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tabs {
    /// Paths.
    pub open: Vec<String>,
    /// The one shown.
    pub active: Option<String>,
}

impl Tabs {
    /// Shows a file, in a new tab if it has none.
    pub fn show(&mut self, path: &str) {
        if !self.open.iter().any(|open| open == path) {
            self.open.push(path.to_owned());
        }
        self.active = Some(path.to_owned());
    }

    /// Closes a tab; its neighbour is shown if it was the active one.
    pub fn close(&mut self, path: &str) {
        let Some(place) = self.open.iter().position(|open| open == path) else { return };
        self.open.remove(place);
        if self.active.as_deref() == Some(path) {
            let neighbour = place.min(self.open.len().saturating_sub(1));
            self.active = self.open.get(neighbour).cloned();
        }
    }

    /// A file has another path now.
    pub fn rename(&mut self, from: &str, to: &str) {
        for path in self.open.iter_mut().chain(self.active.as_mut()) {
            if path == from {
                to.clone_into(path);
            }
        }
    }
}

/// The editor's name for a file's language, by its extension; empty for plain text.
pub fn language(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("py" | "pyi") => "python",
        Some("rs") => "rust",
        Some("js" | "jsx" | "mjs" | "cjs") => "javascript",
        Some("ts" | "tsx") => "typescript",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(files: &[(&str, &str)]) -> Workspace {
        let mut workspace = Workspace::default();
        workspace.add(files.iter().map(|&(path, text)| (path.to_owned(), File::saved(text))));
        workspace
    }

    #[test]
    fn every_file_edited_since_is_told_to_the_index_with_its_newest_text() {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let mut workspace = workspace(&[("a.py", "1"), ("b.py", "1")]);
        workspace.edit("a.py", "2".into());
        workspace.edit("b.py", "2".into());
        workspace.edit("a.py", "3".into());
        workspace.unindexed.insert("gone.py".into());
        assert!(workspace.has_unindexed());
        assert_eq!(workspace.take_unindexed(), [file("a.py", "3"), file("b.py", "2"), file("gone.py", "")]);
        assert!(!workspace.has_unindexed() && workspace.take_unindexed().is_empty());
    }

    #[test]
    fn an_edit_is_noted_once_it_changes_something() {
        let mut workspace = workspace(&[("a.py", "x = 1\n")]);
        assert!(!workspace.edit("a.py", "x = 1\n".into()));
        assert!(workspace.edit("a.py", "x = 2\n".into()));
        assert!(workspace.edited.contains("a.py"));
        assert!(!workspace.edit("gone.py", "x".into()));
        workspace.add([("a.py".to_owned(), File::saved("x = 3\n"))]);
        assert!(workspace.edited.is_empty());
    }

    #[test]
    fn the_page_asks_before_work_is_left_and_never_about_the_demo() {
        for (home, asks) in [(Home::Demo, false), (Home::Folder, true), (Home::Elsewhere, true)] {
            let mut workspace = workspace(&[("a.py", "1"), ("b.py", "1")]);
            workspace.home = home;
            assert!(!workspace.asks_before_leaving());
            workspace.edit("a.py", "2".into());
            assert_eq!((workspace.asks_before_leaving(), workspace.unsaved()), (asks, vec!["a.py".into()]));
            workspace.set_saved("a.py", "2");
            assert!(!workspace.asks_before_leaving() && workspace.edited.contains("a.py"));
        }
    }

    #[test]
    fn files_that_join_take_nothing_unsaved_away() {
        let mut workspace = workspace(&[("a.py", "1"), ("b.py", "1")]);
        workspace.edit("a.py", "typed".into());
        let files = ["a.py", "b.py", "c.py"].map(|path| (path.to_owned(), File::saved("new"))).to_vec();
        let skipped = vec![Skipped { path: "d".into(), reason: "it is empty".into() }];
        let incoming = Incoming { files, skipped };
        assert_eq!(incoming.words(), "3 files");
        assert_eq!(workspace.join(incoming), ["a 2.py", "b.py", "c.py"]);
        assert_eq!((workspace.text("a.py"), workspace.text("a 2.py")), (Some("typed"), Some("new")));
        assert_eq!((workspace.name.as_str(), workspace.skipped.len()), ("files", 1));
    }

    #[test]
    fn what_joins_a_folder_is_saved_there_when_the_user_says_so() {
        let mut workspace = Workspace { home: Home::Folder, ..workspace(&[("a.py", "1"), ("b.py", "1")]) };
        let files = [("a.py", "2"), ("b.py", "1"), ("c.py", "2")];
        let files = files.map(|(path, text)| (path.to_owned(), File::saved(text))).to_vec();
        workspace.join(Incoming { files, ..Incoming::default() });
        assert_eq!(workspace.unsaved(), ["a.py", "c.py"]);
        assert_eq!(workspace.files["a.py"].saved_text(), Some("1"));
        assert_eq!(workspace.files["c.py"].saved_text(), None);
    }

    #[test]
    fn what_the_user_brings_into_the_demo_is_not_the_demos_own() {
        let mut demo = workspace(&[("a.py", "1")]);
        demo.served = demo.files.keys().cloned().collect();
        assert!(!demo.is_demos_own("a.py"), "it is no demo");
        demo.home = Home::Demo;
        let files = vec![("b.py".to_owned(), File::saved("1"))];
        demo.join(Incoming { files, ..Incoming::default() });
        demo.edit("a.py", "2".into());
        assert_eq!((demo.is_demos_own("a.py"), demo.is_demos_own("b.py")), (true, false));
    }

    #[test]
    fn a_blank_file_is_no_source() {
        let workspace = workspace(&[("a.py", "1"), ("empty.py", " \n")]);
        assert_eq!(workspace.sources().len(), 1);
    }

    #[test]
    fn closing_the_active_tab_shows_its_neighbour() {
        let mut tabs = Tabs::default();
        for path in ["a", "b", "c", "b"] {
            tabs.show(path);
        }
        assert_eq!(tabs.open, ["a", "b", "c"]);
        tabs.close("b");
        assert_eq!(tabs.active.as_deref(), Some("c"));
        tabs.rename("c", "d");
        assert_eq!((tabs.open.last(), tabs.active.as_deref()), (Some(&"d".to_owned()), Some("d")));
        tabs.close("d");
        tabs.close("a");
        assert_eq!(tabs, Tabs::default());
    }

    #[test]
    fn languages_go_by_extension() {
        assert_eq!(language("src/a.py"), "python");
        assert_eq!(language("a.tsx"), "typescript");
        assert_eq!(language("Makefile"), "");
    }
}
