//! New, renamed and deleted files.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Control;
use crate::files::disk::{Folder, Refusal};
use crate::state::changes::Change;
use crate::state::file::File;
use crate::state::notices::{Action, Severity};
use crate::state::saving::{Found, found, refusal};
use crate::state::workspace::Workspace;

impl Control {
    /// Makes an empty file and opens it. It is on disk once it is saved.
    ///
    /// # Errors
    /// A sentence, if it cannot have this path.
    pub fn make_file(self, typed: &str) -> Result<(), String> {
        let path = self.state.workspace.with_untracked(|workspace| workspace.free_path(typed))?;
        self.keep_edits();
        self.state.workspace.update(|workspace| {
            if workspace.name.is_empty() {
                workspace.name = "files".to_owned();
            }
            workspace.make(&path);
        });
        self.keep_file(&path);
        self.open(&path);
        self.focus_editor();
        Ok(())
    }

    /// Gives a row of the explorer, a file or a folder, another name.
    ///
    /// # Errors
    /// A sentence, if it cannot have that one.
    pub fn rename(self, row: &str, typed: &str) -> Result<(), String> {
        self.keep_edits();
        let change = self.state.workspace.with_untracked(|workspace| workspace.renaming(row, typed))?;
        self.change(change);
        Ok(())
    }

    /// Deletes what a row of the explorer stands for.
    pub fn delete(self, row: &str) {
        self.keep_edits();
        let change = self.state.workspace.with_untracked(|workspace| workspace.deleting(row));
        self.change(change);
    }

    /// Undoes the newest change of the explorer.
    pub fn undo_newest(self) {
        if let Some(id) = self.state.history.with_untracked(|history| history.newest()) {
            self.action(Action::Undo(id));
        }
    }

    /// Does a change, on disk first.
    fn change(self, change: Change) {
        self.on_disk(change, Folder::apply, |control, change| {
            control.keep_edits();
            let done = control.state.workspace.try_update(|workspace| workspace.apply(change));
            let Some(change) = done else { return };
            control.show_change(&change);
            let sentence = change.sentence(control.inner().folder.borrow().is_some());
            let id = control.state.history.try_update(|history| history.push(change));
            let actions: Vec<_> = id.into_iter().map(Action::Undo).collect();
            control.notify(Severity::Info, sentence, &actions);
        });
    }

    /// Undoes a change.
    pub(super) fn undo(self, id: u32) {
        let Some(change) = self.state.history.with_untracked(|history| history.get(id).cloned()) else {
            return;
        };
        self.keep_edits();
        // What the page would refuse is not begun on disk.
        let mut tried: Workspace = self.state.workspace.get_untracked();
        if let Err(sentence) = tried.revert(&change) {
            return self.notify(Severity::Error, sentence, &[]);
        }
        self.on_disk(change, Folder::revert, move |control, change| {
            let reverted = control.state.workspace.try_update(|workspace| workspace.revert(&change));
            if let Some(Err(sentence)) = reverted {
                return control.notify(Severity::Error, sentence, &[]);
            }
            control.state.history.update(|history| history.forget(id));
            let back = match &change {
                Change::Moved(paths) => {
                    Change::Moved(paths.iter().cloned().map(|(from, to)| (to, from)).collect())
                }
                deleted @ Change::Deleted(_) => deleted.clone(),
            };
            control.show_change(&back);
            let first = match change {
                Change::Moved(paths) => paths.into_iter().next().map(|(from, _)| from),
                Change::Deleted(files) => files.into_iter().next().map(|(path, _)| path),
            };
            if let Some(path) = first {
                control.open(&path);
            }
        });
    }

    /// Has a change done on disk, if there is one, and then `after`.
    fn on_disk(
        self,
        change: Change,
        act: impl AsyncFnOnce(&Folder, &Change) -> Result<(), String> + 'static,
        after: impl FnOnce(Self, Change) + 'static,
    ) {
        let folder = self.inner().folder.borrow().clone();
        let Some(folder) = folder else { return after(self, change) };
        if self.inner().saving.replace(true) {
            return;
        }
        spawn_local(async move {
            let done = act(&folder, &change).await;
            self.inner().saving.set(false);
            match done {
                Ok(()) => after(self, change),
                Err(sentence) => self.notify(Severity::Error, sentence, &[]),
            }
        });
    }

    /// Tabs, editor, index and storage follow a change.
    fn show_change(self, change: &Change) {
        match change {
            Change::Moved(paths) => {
                for (from, to) in paths {
                    self.with_editor(|editor| editor.move_document(from, to));
                    self.state.tabs.update(|tabs| tabs.rename(from, to));
                }
            }
            Change::Deleted(files) => {
                for (path, _) in files {
                    self.with_editor(|editor| editor.forget(path));
                    self.state.tabs.update(|tabs| tabs.close(path));
                }
            }
        }
        self.show_active();
        self.index_edited();
        self.keep_all();
    }
}

/// Changes on disk. Each is refused as a whole before anything of it is done, where that can be seen.
impl Folder {
    async fn apply(&self, change: &Change) -> Result<(), String> {
        match change {
            Change::Moved(paths) => self.move_all(paths.iter().map(|(from, to)| (from, to))).await,
            Change::Deleted(files) => self.remove_all(files).await,
        }
    }

    async fn revert(&self, change: &Change) -> Result<(), String> {
        match change {
            Change::Moved(paths) => self.move_all(paths.iter().map(|(from, to)| (to, from))).await,
            Change::Deleted(files) => self.bring_back(files).await,
        }
    }

    /// Moves what is on disk of these. A file that is only in the page is none of the disk's business.
    async fn move_all(&self, paths: impl Iterator<Item = (&String, &String)>) -> Result<(), String> {
        let mut moves = Vec::new();
        for (from, to) in paths {
            let said = self.refusal(from);
            self.ask().await.map_err(&said)?;
            let Some(bytes) = self.read(from).await.map_err(&said)? else { continue };
            // Also where the disk takes `A.py` and `a.py` for one file.
            if self.read(to).await.map_err(self.refusal(to))?.is_some() {
                return Err(format!("{from} was not renamed: {to} is on disk already."));
            }
            moves.push((from, to, bytes));
        }
        for (from, to, bytes) in moves {
            self.write(to, &bytes).await.map_err(self.refusal(to))?;
            self.remove(from).await.map_err(self.refusal(from))?;
        }
        Ok(())
    }

    async fn remove_all(&self, files: &[(String, File)]) -> Result<(), String> {
        for (path, file) in files {
            let said = self.refusal(path);
            self.ask().await.map_err(&said)?;
            let on_disk = self.read(path).await.map_err(&said)?;
            if found(file, on_disk.as_deref()) == Found::Changed {
                return Err(format!(
                    "{path} was not deleted: it was changed on disk since it was read here. Open the folder \
                     again to see it."
                ));
            }
        }
        for (path, _) in files {
            self.remove(path).await.map_err(self.refusal(path))?;
        }
        Ok(())
    }

    /// Writes what was saved of these when they were deleted.
    async fn bring_back(&self, files: &[(String, File)]) -> Result<(), String> {
        for (path, file) in files {
            let Some(text) = file.saved_text() else { continue };
            let said = self.refusal(path);
            self.ask().await.map_err(&said)?;
            if self.read(path).await.map_err(&said)?.is_some() {
                return Err(format!("This cannot be undone: {path} is on disk again."));
            }
            self.write(path, file.form.join(text).as_bytes()).await.map_err(&said)?;
        }
        Ok(())
    }

    fn refusal(&self, path: &str) -> impl Fn(Refusal) -> String + use<> {
        let (folder, path) = (self.name(), path.to_owned());
        move |refused: Refusal| refusal(&folder, &path, &refused.name, &refused.message)
    }
}
