//! Saving files into the opened folder: what is found there, and what is said of it.
//!
//! A file is read again before it is written. Only if the disk still holds what the page knows of it,
//! or nothing, it is written without a question.

use super::file::{File, Form};
use super::notices::{Action, Severity};

/// What stands at a file's place before it is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or what the page last read or wrote there.
    Known,
    /// The very text that is to be saved.
    Saved,
    /// Something that another program wrote.
    Changed,
}

/// Compares what stands at a file's place, if anything, with what the page knows.
pub fn found(file: &File, on_disk: Option<&[u8]>) -> Found {
    let Some(bytes) = on_disk else { return Found::Known };
    let Ok(written) = std::str::from_utf8(bytes) else { return Found::Changed };
    let (form, text) = Form::split(written);
    if text == file.text && form == file.form {
        Found::Saved
    } else if file.saved_text() == Some(&text) {
        Found::Known
    } else {
        Found::Changed
    }
}

/// What became of files that were to be saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Paths that are saved.
    pub saved: Vec<String>,
    /// Paths whose file was changed on disk since it was read: they were not written.
    pub changed: Vec<String>,
    /// The sentence of the first failure, which ended it.
    pub failed: Option<String>,
}

/// More questions than this are not asked at once.
const MOST_QUESTIONS: usize = 2;

impl Outcome {
    /// What there is to say of it, besides that everything was saved.
    pub fn notices(&self) -> Vec<(Severity, String, Vec<Action>)> {
        let mut notices = Vec::new();
        if self.changed.len() <= MOST_QUESTIONS {
            for path in &self.changed {
                let text = format!(
                    "{path} was changed on disk since it was read here, and was not saved. Overwrite what is \
                     on disk, take it over in the place of your text, or download yours."
                );
                let actions = vec![
                    Action::Overwrite(path.clone()),
                    Action::ReloadFromDisk(path.clone()),
                    Action::Download(path.clone()),
                ];
                notices.push((Severity::Warning, text, actions));
            }
        } else {
            let text = format!(
                "{} files were changed on disk since they were read here, and were not saved: {} and others. \
                 Open each and save it to choose which text stays.",
                self.changed.len(),
                self.changed[0]
            );
            notices.push((Severity::Warning, text, Vec::new()));
        }
        if let Some(sentence) = &self.failed {
            notices.push((Severity::Error, sentence.clone(), vec![Action::DownloadUnsaved]));
        }
        notices
    }

    /// What a screen reader hears, if anything was saved.
    pub fn announcement(&self) -> Option<String> {
        match self.saved.as_slice() {
            [] => None,
            [path] => Some(format!("Saved {path}.")),
            paths => Some(format!("Saved {} files.", paths.len())),
        }
    }
}

/// Why the disk refused, by the name of the browser's exception and what it says of itself.
pub fn refusal(folder: &str, path: &str, name: &str, message: &str) -> String {
    let way = match name {
        "NotAllowedError" | "SecurityError" => format!(
            "the browser may not write into the folder “{folder}”. Save again and allow it, or download your \
             changes"
        ),
        "NotFoundError" => format!(
            "the folder “{folder}” is not where it was. Put it back and save again, or download your changes \
             and open the folder anew"
        ),
        "TypeMismatchError" => {
            "a file stands where a folder is wanted, or a folder where a file is. Give it another name".into()
        }
        "QuotaExceededError" => "the disk is full. Free some space and save again".into(),
        "NoModificationAllowedError" | "InvalidStateError" => {
            "another program or tab is writing it. Save again when that is done".into()
        }
        _ => format!("the browser says: {message}. Save again, or download your changes"),
    };
    format!("{path} was not saved: {way}. Nothing you typed is lost.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(saved: &str, text: &str) -> File {
        let mut file = File::saved(saved);
        file.edit(text.into());
        file
    }

    #[test]
    fn what_the_page_knows_is_overwritten_and_nothing_else() {
        let file = edited("a\r\n", "b\n");
        assert_eq!(found(&file, None), Found::Known);
        assert_eq!(found(&file, Some(b"a\r\n")), Found::Known);
        assert_eq!(found(&file, Some(b"a\n")), Found::Known);
        assert_eq!(found(&file, Some(b"b\r\n")), Found::Saved);
        assert_eq!(found(&file, Some(b"b\n")), Found::Changed);
        assert_eq!(found(&file, Some(b"c\r\n")), Found::Changed);
        assert_eq!(found(&file, Some(b"\xff")), Found::Changed);
    }

    #[test]
    fn a_file_made_here_does_not_overwrite_one_of_its_name() {
        let mut file = File::made();
        file.edit("new".into());
        assert_eq!(found(&file, None), Found::Known);
        assert_eq!(found(&file, Some(b"old")), Found::Changed);
        assert_eq!(found(&file, Some(b"new")), Found::Saved);
    }

    #[test]
    fn a_file_changed_on_disk_gives_the_choice() {
        let outcome = Outcome { changed: vec!["a.py".into()], ..Outcome::default() };
        let notices = outcome.notices();
        let [(Severity::Warning, text, actions)] = notices.as_slice() else { panic!("{notices:?}") };
        assert!(text.starts_with("a.py was changed on disk"));
        let labels: Vec<_> = actions.iter().map(Action::label).collect();
        assert_eq!(labels, ["Overwrite", "Reload from disk", "Download mine"]);
        assert_eq!(outcome.announcement(), None);
    }

    #[test]
    fn many_changed_files_are_told_of_together() {
        let changed = ["a", "b", "c"].map(String::from).to_vec();
        let notices = Outcome { changed, ..Outcome::default() }.notices();
        assert!(notices.len() == 1 && notices[0].1.starts_with("3 files") && notices[0].2.is_empty());
    }

    #[test]
    fn a_refusal_says_what_to_do_and_offers_the_download() {
        for (name, way) in [
            ("NotAllowedError", "allow it"),
            ("NotFoundError", "Put it back"),
            ("QuotaExceededError", "Free some space"),
            ("NoModificationAllowedError", "when that is done"),
            ("OddError", "the browser says: odd"),
        ] {
            let sentence = refusal("shop", "a.py", name, "odd");
            assert!(sentence.starts_with("a.py was not saved: ") && sentence.contains(way), "{sentence}");
        }
        let failed = Outcome { failed: Some("a".into()), saved: vec!["b".into()], ..Outcome::default() };
        assert_eq!(failed.notices()[0].2, [Action::DownloadUnsaved]);
        assert_eq!(failed.announcement().as_deref(), Some("Saved b."));
    }
}
