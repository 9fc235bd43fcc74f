//! The files of the workspace and which of them are open.

use std::collections::{BTreeMap, BTreeSet};

use llavacode_protocol::SourceFile;

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: String,
    /// A sentence.
    pub reason: String,
}

/// The files, their texts, and what was left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Workspace {
    /// Its name; the index is kept under it.
    pub name: String,
    /// Whether it is the one that comes with the page, to which the tasks belong.
    pub is_demo: bool,
    /// Text by path.
    pub files: BTreeMap<String, String>,
    /// Paths whose text the user changed.
    pub edited: BTreeSet<String>,
    /// Files left out, each once.
    pub skipped: Vec<Skipped>,
    /// Paths whose newest text the index was not told of.
    pub unindexed: BTreeSet<String>,
}

impl Workspace {
    /// Adds files or gives them a new text.
    pub fn add(&mut self, files: impl IntoIterator<Item = SourceFile>) {
        for file in files {
            self.edited.remove(&file.path);
            self.files.insert(file.path, file.text);
        }
    }

    /// Notes a file that was left out; the newest reason stands.
    pub fn skip(&mut self, skipped: Skipped) {
        self.skipped.retain(|other| other.path != skipped.path);
        self.skipped.push(skipped);
    }

    /// Takes in what the user typed. Returns whether anything changed.
    pub fn edit(&mut self, path: &str, text: String) -> bool {
        match self.files.get_mut(path) {
            Some(known) if *known != text => {
                *known = text;
                self.edited.insert(path.to_owned());
                self.unindexed.insert(path.to_owned());
                true
            }
            _ => false,
        }
    }

    /// Every file, as the engine takes them.
    pub fn sources(&self) -> Vec<SourceFile> {
        self.files.iter().map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() }).collect()
    }

    /// Whether the index was not told of every edit.
    pub fn has_unindexed(&self) -> bool {
        !self.unindexed.is_empty()
    }

    /// The files that were edited since the index was told last, each with its newest text.
    pub fn take_unindexed(&mut self) -> Vec<SourceFile> {
        let paths = std::mem::take(&mut self.unindexed);
        let source = |path: String| Some(SourceFile { text: self.files.get(&path)?.clone(), path });
        paths.into_iter().filter_map(source).collect()
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

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    #[test]
    fn every_file_edited_since_is_told_to_the_index_with_its_newest_text() {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let mut workspace = Workspace::default();
        workspace.add([file("a.py", "1"), file("b.py", "1")]);
        workspace.edit("a.py", "2".into());
        workspace.edit("b.py", "2".into());
        workspace.edit("a.py", "3".into());
        assert!(workspace.has_unindexed());
        assert_eq!(workspace.take_unindexed(), [file("a.py", "3"), file("b.py", "2")]);
        assert!(!workspace.has_unindexed() && workspace.take_unindexed().is_empty());
    }

    #[test]
    fn an_edit_is_noted_once_it_changes_something() {
        let mut workspace = Workspace::default();
        workspace.add([file("a.py", "x = 1\n")]);
        assert!(!workspace.edit("a.py", "x = 1\n".into()));
        assert!(workspace.edit("a.py", "x = 2\n".into()));
        assert!(workspace.edited.contains("a.py"));
        assert!(!workspace.edit("gone.py", "x".into()));
        workspace.add([file("a.py", "x = 3\n")]);
        assert!(workspace.edited.is_empty());
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
        tabs.close("c");
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
