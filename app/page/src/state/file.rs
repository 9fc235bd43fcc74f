//! One file of the workspace: its text, what is saved of it, and how it is written.
//!
//! In the page every line ends in `\n`, as the editor and the models take them. How the file itself
//! ends its lines, and whether it begins with a byte order mark, is remembered and put back when it is
//! saved.

use llavacode_protocol::SourceFile;
use serde::{Deserialize, Serialize};

/// The byte order mark that some programs put before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct File {
    /// Its text as it is in the page.
    pub text: String,
    /// What is saved of it.
    pub saved: Saved,
    /// How it is written.
    pub form: Form,
}

/// What is saved of a file outside of the page: on disk, or in a download.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Saved {
    /// The text that the page has.
    #[default]
    Same,
    /// Another text.
    Other(String),
    /// Nothing: the file was made in the page.
    Nothing,
}

/// How a file's text is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// It begins with a byte order mark.
    pub byte_order_mark: bool,
    /// Its lines end in `\r\n`.
    pub crlf: bool,
}

impl Form {
    /// The form of a text, and the text in the page's own. Of several ways to end lines the more
    /// frequent one is the file's.
    pub fn split(written: &str) -> (Self, String) {
        let bare = written.strip_prefix(BYTE_ORDER_MARK);
        let text = bare.unwrap_or(written);
        let crlf = text.matches("\r\n").count();
        let form = Self { byte_order_mark: bare.is_some(), crlf: crlf * 2 > text.matches('\n').count() };
        let text = if text.contains('\r') {
            text.replace("\r\n", "\n").replace('\r', "\n")
        } else {
            text.to_owned()
        };
        (form, text)
    }

    /// The text as it is written.
    pub fn join(self, text: &str) -> String {
        let mut written = String::with_capacity(text.len() + 3);
        if self.byte_order_mark {
            written.push(BYTE_ORDER_MARK);
        }
        if self.crlf {
            written.push_str(&text.replace('\n', "\r\n"));
        } else {
            written.push_str(text);
        }
        written
    }
}

impl File {
    /// A file whose text is saved.
    pub fn saved(written: &str) -> Self {
        let (form, text) = Form::split(written);
        Self { text, saved: Saved::Same, form }
    }

    /// A file that is made in the page.
    pub fn made() -> Self {
        Self { saved: Saved::Nothing, ..Self::default() }
    }

    /// Takes in a new text. Returns whether it is another one.
    pub fn edit(&mut self, text: String) -> bool {
        if self.text == text {
            return false;
        }
        let before = std::mem::replace(&mut self.text, text);
        match &self.saved {
            Saved::Same => self.saved = Saved::Other(before),
            Saved::Other(saved) if *saved == self.text => self.saved = Saved::Same,
            Saved::Other(_) | Saved::Nothing => {}
        }
        true
    }

    /// Whether something would be missing if only what is saved were left. An empty file is nothing.
    pub fn is_unsaved(&self) -> bool {
        match &self.saved {
            Saved::Same => false,
            Saved::Other(_) => true,
            Saved::Nothing => !self.text.is_empty(),
        }
    }

    /// The text that is saved, if any.
    pub fn saved_text(&self) -> Option<&str> {
        match &self.saved {
            Saved::Same => Some(&self.text),
            Saved::Other(text) => Some(text),
            Saved::Nothing => None,
        }
    }

    /// This text is saved now; the user may have typed on meanwhile.
    pub fn set_saved(&mut self, text: &str) {
        self.saved = if self.text == text { Saved::Same } else { Saved::Other(text.to_owned()) };
    }

    /// What is to be written, byte by byte.
    pub fn written(&self) -> String {
        self.form.join(&self.text)
    }
}

/// A file as the engine takes it.
pub fn source(path: &str, file: &File) -> SourceFile {
    SourceFile { path: path.to_owned(), text: file.text.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_as_it_was() {
        for written in ["a\nb\n", "a\r\nb\r\n", "\u{feff}a\r\nb", "\u{feff}", "", "a"] {
            let file = File::saved(written);
            assert!(!file.text.contains(['\r', BYTE_ORDER_MARK]));
            assert_eq!(file.written(), written);
        }
    }

    #[test]
    fn lines_that_end_differently_end_as_most_of_them_do() {
        assert_eq!(File::saved("a\r\nb\r\nc\n").written(), "a\r\nb\r\nc\r\n");
        assert_eq!(File::saved("a\nb\nc\r\n").written(), "a\nb\nc\n");
        assert_eq!(File::saved("a\rb").text, "a\nb");
    }

    #[test]
    fn an_edit_taken_back_leaves_nothing_to_save() {
        let mut file = File::saved("x = 1\r\n");
        assert!(!file.edit("x = 1\n".into()));
        assert!(file.edit("x = 2\n".into()) && file.is_unsaved());
        assert_eq!(file.saved_text(), Some("x = 1\n"));
        assert!(file.edit("x = 1\n".into()) && !file.is_unsaved());
    }

    #[test]
    fn what_was_typed_while_it_was_saved_is_still_to_save() {
        let mut file = File::saved("1");
        file.edit("2".into());
        file.edit("3".into());
        file.set_saved("2");
        assert_eq!((file.is_unsaved(), file.saved_text()), (true, Some("2")));
        file.set_saved("3");
        assert!(!file.is_unsaved());
    }

    #[test]
    fn a_file_made_here_is_unsaved_once_there_is_something_in_it() {
        let mut file = File::made();
        assert!(!file.is_unsaved() && file.saved_text().is_none());
        file.edit("x".into());
        assert!(file.is_unsaved());
        file.edit(String::new());
        assert!(!file.is_unsaved());
    }

    #[test]
    fn a_file_survives_being_kept() {
        let mut file = File::saved("\u{feff}a\r\n");
        file.edit("b\n".into());
        let kept = serde_json::to_string(&file).expect("it can be written");
        assert_eq!(serde_json::from_str::<File>(&kept).expect("it can be read"), file);
    }
}
