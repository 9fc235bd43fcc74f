//! Saving: into the opened folder, or as downloads.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Control;
use crate::editor::Editor;
use crate::files::disk::{Folder, Refusal};
use crate::files::{archive, download, judge};
use crate::state::notices::Severity;
use crate::state::prompt::file_name;
use crate::state::saving::{Found, Outcome, found, refusal};
use llavacode_browser::describe;

impl Control {
    /// Saves the open file.
    pub fn save(self) {
        self.keep_edits();
        let Some(path) = self.state.tabs.with_untracked(|tabs| tabs.active.clone()) else { return };
        let unsaved = self.state.workspace.with_untracked(|workspace| workspace.is_unsaved(&path));
        // Into a folder all the same: the file may have changed there. A download would be one more copy.
        if unsaved || self.inner().folder.borrow().is_some() {
            self.save_files(vec![path], false);
        } else {
            self.state.announcement.set(format!("{path} has nothing to save."));
        }
    }

    /// Saves every file that is not.
    pub fn save_all(self) {
        self.keep_edits();
        let unsaved = self.state.workspace.with_untracked(|workspace| workspace.unsaved());
        if !unsaved.is_empty() {
            self.save_files(unsaved, false);
        }
    }

    /// Saves files where they belong. What another program wrote there is overwritten only if `over`.
    fn save_files(self, paths: Vec<String>, over: bool) {
        let folder = self.inner().folder.borrow().clone();
        let Some(folder) = folder else { return self.download(&paths) };
        // One after the other: two streams to one file would end in a refusal.
        if self.inner().saving.replace(true) {
            return;
        }
        spawn_local(async move {
            let outcome = self.write(&folder, paths, over).await;
            self.inner().saving.set(false);
            for (severity, text, actions) in outcome.notices() {
                self.notify(severity, text, &actions);
            }
            if let Some(said) = outcome.announcement() {
                self.state.announcement.set(said);
            }
        });
    }

    async fn write(self, folder: &Folder, paths: Vec<String>, over: bool) -> Outcome {
        let mut outcome = Outcome::default();
        let say = |path: &str, refused: &Refusal| {
            Some(refusal(&folder.name(), path, &refused.name, &refused.message))
        };
        if let Err(refused) = folder.ask().await {
            outcome.failed = paths.first().and_then(|path| say(path, &refused));
            return outcome;
        }
        for path in paths {
            let file = self.state.workspace.with_untracked(|workspace| workspace.files.get(&path).cloned());
            let Some(file) = file else { continue };
            let save = async {
                let on_disk = folder.read(&path).await?;
                let found = found(&file, on_disk.as_deref());
                if found == Found::Known || (over && found == Found::Changed) {
                    folder.write(&path, file.written().as_bytes()).await?;
                }
                Ok(found)
            };
            match save.await {
                Ok(Found::Changed) if !over => outcome.changed.push(path),
                Ok(_) => {
                    self.note_saved(&path, &file.text);
                    outcome.saved.push(path);
                }
                Err(refused) => {
                    outcome.failed = say(&path, &refused);
                    break;
                }
            }
        }
        outcome
    }

    /// This text of a file is saved now.
    fn note_saved(self, path: &str, text: &str) {
        self.state.workspace.update(|workspace| workspace.set_saved(path, text));
        self.keep_file(path);
    }

    /// Downloads files: one as it is, several in an archive.
    fn download(self, paths: &[String]) {
        let files: Vec<_> = self.state.workspace.with_untracked(|workspace| {
            paths.iter().filter_map(|path| Some((path.clone(), workspace.files.get(path)?.clone()))).collect()
        });
        let name = self.state.workspace.with_untracked(|workspace| workspace.name.clone());
        let handed = match files.as_slice() {
            [] => return,
            [(path, file)] => download::download(file_name(path), file.written().as_bytes())
                .map_err(|error| format!("{path} could not be downloaded: {}.", describe(&error))),
            files => {
                let written: Vec<_> =
                    files.iter().map(|(path, file)| (path.clone(), file.written())).collect();
                archive::pack(&written).and_then(|bytes| {
                    download::download(&format!("{name}.zip"), &bytes)
                        .map_err(|error| format!("The files could not be downloaded: {}.", describe(&error)))
                })
            }
        };
        if let Err(sentence) = handed {
            return self.notify(Severity::Error, sentence, &[]);
        }
        for (path, file) in &files {
            self.note_saved(path, &file.text);
        }
        self.state.announcement.set(match files.as_slice() {
            [(path, _)] => format!("Downloaded {path}."),
            files => format!("Downloaded {} files.", files.len()),
        });
    }

    /// Saves a file over what another program wrote.
    pub(super) fn overwrite(self, path: String) {
        self.keep_edits();
        self.save_files(vec![path], true);
    }

    /// Downloads a file as it is here.
    pub(super) fn download_mine(self, path: String) {
        self.keep_edits();
        self.download(&[path]);
    }

    /// Downloads all that is not saved.
    pub(super) fn download_unsaved(self) {
        self.keep_edits();
        let unsaved = self.state.workspace.with_untracked(|workspace| workspace.unsaved());
        self.download(&unsaved);
    }

    /// Takes over what another program wrote. The editor can undo it, as it undoes what is typed.
    pub(super) fn reload_from_disk(self, path: String) {
        let folder = self.inner().folder.borrow().clone();
        let Some(folder) = folder else { return };
        spawn_local(async move {
            let read = match folder.read(&path).await {
                Ok(Some(bytes)) => judge(&path, &bytes).map_err(|error| error.to_string()),
                Ok(None) => Err(format!("{path} is no longer on disk. Save it again to put it there.")),
                Err(refused) => Err(format!("{path} could not be read: {}.", refused.message)),
            };
            let file = match read {
                Ok(file) => file,
                Err(sentence) => return self.notify(Severity::Error, sentence, &[]),
            };
            self.open(&path);
            self.with_editor(|editor: &Editor| editor.replace_text(&file.text));
            self.state.workspace.update(|workspace| {
                if let Some(known) = workspace.files.get_mut(&path) {
                    known.form = file.form;
                }
            });
            self.keep_edits();
            self.note_saved(&path, &file.text);
            let text = format!("{path} is as it is on disk. Undo in the editor brings your text back.");
            self.notify(Severity::Info, text, &[]);
        });
    }

    /// Whether the browser is to ask before the page is left.
    pub fn asks_before_leaving(self) -> bool {
        self.keep_edits();
        self.state.workspace.with_untracked(|workspace| workspace.asks_before_leaving())
    }
}
