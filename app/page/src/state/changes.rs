//! New, renamed and deleted files, and how each is undone.
//!
//! A [`Change`] holds what undoing it needs. It is done on disk first, where the workspace is a folder
//! that the page may write to, and here after it went well there.

use super::file::File;
use super::prompt::file_name;
use super::workspace::{Home, Workspace};

/// Files that were moved or deleted at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// From one path to another.
    Moved(Vec<(String, String)>),
    /// With what they were.
    Deleted(Vec<(String, File)>),
}

impl Change {
    /// What was done, in a sentence; `on_disk` too, if it was.
    pub fn sentence(&self, on_disk: bool) -> String {
        let what = match self {
            Self::Moved(paths) => match paths.as_slice() {
                [(from, to)] => format!("Renamed {from} to {to}"),
                paths => format!("Renamed {} files", paths.len()),
            },
            Self::Deleted(files) => match files.as_slice() {
                [(path, _)] => format!("Deleted {path}"),
                files => format!("Deleted {} files", files.len()),
            },
        };
        format!("{what}{}.", if on_disk { ", on disk too" } else { "" })
    }
}

/// The changes that can be undone, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    done: Vec<(u32, Change)>,
    next: u32,
}

/// Deleted files are held in memory; older changes than this are forgotten.
const MOST: usize = 20;

impl History {
    /// Notes a change and names it.
    pub fn push(&mut self, change: Change) -> u32 {
        if self.done.len() == MOST {
            self.done.remove(0);
        }
        self.next += 1;
        self.done.push((self.next, change));
        self.next
    }

    /// One by its name.
    pub fn get(&self, id: u32) -> Option<&Change> {
        self.done.iter().find(|(known, _)| *known == id).map(|(_, change)| change)
    }

    /// The name of the newest.
    pub fn newest(&self) -> Option<u32> {
        self.done.last().map(|(id, _)| *id)
    }

    /// It was undone.
    pub fn forget(&mut self, id: u32) {
        self.done.retain(|(known, _)| *known != id);
    }

    /// Another workspace is open: nothing of this one can be undone.
    pub fn clear(&mut self) {
        self.done.clear();
    }
}

/// The longest name that every file system takes, in bytes.
const LONGEST_NAME: usize = 255;

impl Workspace {
    /// The path that the user typed, if a file can have it.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub fn free_path(&self, typed: &str) -> Result<String, String> {
        let path = typed.trim().trim_start_matches("./");
        if path.is_empty() || path.ends_with('/') {
            return Err("Type a name for the file.".into());
        }
        if path.starts_with('/') {
            return Err("A path begins at the project's folder, without a / in front.".into());
        }
        if let Some(odd) = path.chars().find(|&c| c.is_control() || "\\:*?\"<>|".contains(c)) {
            let odd = if odd.is_control() { "a control character".into() } else { format!("“{odd}”") };
            return Err(format!("A file's name cannot hold {odd} on every system."));
        }
        for name in path.split('/') {
            if matches!(name, "" | "." | "..") || name.len() > LONGEST_NAME || name.ends_with([' ', '.']) {
                return Err(format!("“{name}” is no name for a file or a folder."));
            }
        }
        if self.files.contains_key(path) {
            return Err(format!("{path} is there already."));
        }
        let as_folder = format!("{path}/");
        if self.files.keys().any(|known| known.starts_with(&as_folder)) {
            return Err(format!("{path} is a folder."));
        }
        let parents = path.match_indices('/').map(|(end, _)| &path[..end]);
        if let Some(file) = parents.into_iter().find(|parent| self.files.contains_key(*parent)) {
            return Err(format!("{file} is a file, not a folder."));
        }
        Ok(path.to_owned())
    }

    /// A path like this one that no file has: `cart 2.py` beside `cart.py`.
    pub fn path_beside(&self, path: &str) -> String {
        let start = path.len() - file_name(path).len();
        let end = match path[start..].rfind('.') {
            Some(dot) if dot > 0 => start + dot,
            _ => path.len(),
        };
        let candidates = (2..).map(|n| format!("{} {n}{}", &path[..end], &path[end..]));
        let mut free = candidates.filter(|candidate| !self.files.contains_key(candidate));
        free.next().unwrap_or_else(|| path.to_owned())
    }

    /// Makes an empty file.
    pub fn make(&mut self, path: &str) {
        self.files.insert(path.to_owned(), File::made());
        self.edited.insert(path.to_owned());
    }

    /// The files that a row of the explorer stands for: one, or all of a folder (`shop/`).
    pub fn below(&self, row: &str) -> Vec<String> {
        let is_below = |path: &&String| *path == row || (row.ends_with('/') && path.starts_with(row));
        self.files.keys().filter(is_below).cloned().collect()
    }

    /// How a row is given another name: a file another path, or all files of a folder another folder.
    ///
    /// # Errors
    /// A sentence, if a file cannot have its new path.
    pub fn renaming(&self, row: &str, typed: &str) -> Result<Change, String> {
        let Some(folder) = row.strip_suffix('/') else {
            return Ok(Change::Moved(vec![(row.to_owned(), self.free_path(typed)?)]));
        };
        let to = typed.trim().trim_end_matches('/');
        if to.starts_with(row) {
            return Err("A folder cannot be moved into itself.".into());
        }
        let moves = self.below(row).into_iter().map(|from| {
            let to = self.free_path(&format!("{to}{}", &from[folder.len()..]))?;
            Ok((from, to))
        });
        moves.collect::<Result<_, String>>().map(Change::Moved)
    }

    /// The deletion of what a row stands for.
    pub fn deleting(&self, row: &str) -> Change {
        let file = |path: String| Some((path.clone(), self.files.get(&path)?.clone()));
        Change::Deleted(self.below(row).into_iter().filter_map(file).collect())
    }

    /// Does a change. What is deleted is what is there by now: the user may have typed on since.
    ///
    /// # Returns
    /// What was done.
    pub fn apply(&mut self, change: Change) -> Change {
        match change {
            Change::Moved(paths) => {
                paths.iter().for_each(|(from, to)| self.rename(from, to));
                Change::Moved(paths)
            }
            Change::Deleted(files) => {
                let take_out = |(path, _): (String, File)| Some((self.take_out(&path)?, path));
                let files = files.into_iter().filter_map(take_out);
                Change::Deleted(files.map(|(file, path)| (path, file)).collect())
            }
        }
    }

    /// Undoes it.
    ///
    /// # Errors
    /// A sentence, if a path is no longer free.
    pub fn revert(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Moved(paths) => {
                let gone = paths.iter().find(|(_, to)| !self.files.contains_key(to));
                if let Some((_, gone)) = gone {
                    return Err(format!("This cannot be undone: {gone} is not there any longer."));
                }
                self.all_free(paths.iter().map(|(from, _)| from))?;
                paths.iter().for_each(|(from, to)| self.rename(to, from));
            }
            Change::Deleted(files) => {
                self.all_free(files.iter().map(|(path, _)| path))?;
                for (path, file) in files {
                    self.put(path, file.clone());
                }
            }
        }
        Ok(())
    }

    fn all_free<'a>(&self, mut paths: impl Iterator<Item = &'a String>) -> Result<(), String> {
        match paths.find_map(|path| self.free_path(path).err()) {
            Some(reason) => Err(format!("This cannot be undone. {reason}")),
            None => Ok(()),
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if let Some(file) = self.take_out(from) {
            self.put(to, file);
        }
    }

    fn take_out(&mut self, path: &str) -> Option<File> {
        let file = self.files.remove(path)?;
        // The demo is served anew at each visit; what was made here does not come with it.
        if self.home == Home::Demo && file.saved_text().is_some() {
            self.removed.insert(path.to_owned());
        }
        self.edited.remove(path);
        self.unindexed.insert(path.to_owned());
        Some(file)
    }

    fn put(&mut self, path: &str, file: File) {
        self.removed.remove(path);
        self.edited.insert(path.to_owned());
        self.unindexed.insert(path.to_owned());
        self.files.insert(path.to_owned(), file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Workspace {
        let mut workspace = Workspace::default();
        let files = ["setup.py", "shop/cart.py", "shop/api/views.py"];
        workspace.add(files.map(|path| (path.to_owned(), File::saved(path))));
        workspace
    }

    fn paths(workspace: &Workspace) -> Vec<&str> {
        workspace.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_name_is_refused_with_a_sentence() {
        for (typed, reason) in [
            ("  ", "Type a name"),
            ("shop/", "Type a name"),
            ("/etc/passwd", "begins at the project's folder"),
            ("a/../b.py", "“..” is no name"),
            ("a//b.py", "“” is no name"),
            ("a:b.py", "“:”"),
            ("a\tb.py", "a control character"),
            ("setup.py", "setup.py is there already"),
            ("shop", "shop is a folder"),
            ("setup.py/a.py", "setup.py is a file"),
        ] {
            let refused = shop().free_path(typed).expect_err(typed);
            assert!(refused.contains(reason), "{typed:?}: {refused}");
        }
        assert_eq!(shop().free_path(" ./shop/new.py "), Ok("shop/new.py".into()));
    }

    #[test]
    fn a_renamed_file_keeps_its_text_and_can_go_back() {
        let mut workspace = shop();
        workspace.edit("setup.py", "typed".into());
        let change = workspace.renaming("setup.py", "tools/setup.py").expect("free");
        let change = workspace.apply(change);
        assert_eq!(workspace.text("tools/setup.py"), Some("typed"));
        assert!(workspace.is_unsaved("tools/setup.py") && workspace.text("setup.py").is_none());
        assert!(workspace.unindexed.contains("setup.py") && workspace.unindexed.contains("tools/setup.py"));
        assert_eq!(change.sentence(false), "Renamed setup.py to tools/setup.py.");
        workspace.revert(&change).expect("free");
        assert_eq!(paths(&workspace), ["setup.py", "shop/api/views.py", "shop/cart.py"]);
    }

    #[test]
    fn a_folder_is_renamed_with_all_it_holds_and_not_into_itself() {
        let mut workspace = shop();
        let change = workspace.renaming("shop/", "store").expect("free");
        workspace.apply(change);
        assert_eq!(paths(&workspace), ["setup.py", "store/api/views.py", "store/cart.py"]);
        assert!(shop().renaming("shop/", "shop/inner").is_err());
        assert!(shop().renaming("shop/", "setup.py").is_err());
    }

    #[test]
    fn a_deleted_file_comes_back_with_what_was_typed() {
        let mut workspace = shop();
        let change = workspace.deleting("shop/");
        workspace.edit("shop/cart.py", "typed".into());
        let change = workspace.apply(change);
        assert_eq!(paths(&workspace), ["setup.py"]);
        assert_eq!(change.sentence(true), "Deleted 2 files, on disk too.");
        workspace.revert(&change).expect("free");
        assert_eq!(workspace.text("shop/cart.py"), Some("typed"));
        assert!(workspace.is_unsaved("shop/cart.py") && !workspace.is_unsaved("shop/api/views.py"));
    }

    #[test]
    fn what_is_no_longer_free_is_not_undone() {
        let mut workspace = shop();
        let change = workspace.deleting("setup.py");
        let change = workspace.apply(change);
        workspace.make("setup.py");
        assert!(workspace.revert(&change).is_err_and(|reason| reason.contains("setup.py is there")));
        let moved = Change::Moved(vec![("a.py".into(), "b.py".into())]);
        assert!(workspace.revert(&moved).is_err_and(|reason| reason.contains("b.py is not there")));
    }

    #[test]
    fn what_the_user_took_out_of_the_demo_stays_out() {
        let mut workspace = Workspace { home: Home::Demo, ..shop() };
        let change = workspace.deleting("setup.py");
        let change = workspace.apply(change);
        assert!(workspace.removed.contains("setup.py"));
        workspace.revert(&change).expect("free");
        assert!(workspace.removed.is_empty());
        workspace.make("new.py");
        let change = workspace.deleting("new.py");
        workspace.apply(change);
        assert!(workspace.removed.is_empty());
    }

    #[test]
    fn a_file_beside_another_is_counted() {
        let mut workspace = shop();
        assert_eq!(workspace.path_beside("shop/cart.py"), "shop/cart 2.py");
        workspace.make("shop/cart 2.py");
        assert_eq!(workspace.path_beside("shop/cart.py"), "shop/cart 3.py");
        assert_eq!(workspace.path_beside(".env"), ".env 2");
        assert_eq!(workspace.path_beside("a.b/Makefile"), "a.b/Makefile 2");
    }

    #[test]
    fn old_changes_are_forgotten() {
        let mut history = History::default();
        let ids: Vec<_> = (0..=MOST).map(|_| history.push(Change::Moved(Vec::new()))).collect();
        assert!(history.get(ids[0]).is_none() && history.get(ids[1]).is_some());
        history.forget(ids[MOST]);
        assert_eq!(history.newest(), Some(ids[MOST - 1]));
    }
}
