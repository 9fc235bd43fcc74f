//! Sentences for the user, with the way on.

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something does not work as wished, and everything else goes on.
    Warning,
    /// What was asked did not happen.
    Error,
}

impl Severity {
    /// Its name in `data-kind`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A way on that a notice offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start the engine anew with the same bundle and device.
    Restart,
    /// Start it on the CPU.
    UseCpu,
    /// Start it on WebGPU, whatever computes that.
    UseWebgpu,
    /// Start it with the bundle that comes with the page.
    DefaultBundle,
    /// Index again.
    Reindex,
    /// Load the model again that could not be loaded behind the one in use.
    TryModelAgain,
    /// Fetch on the model whose fetching was interrupted.
    Resume,
    /// Save a file over what another program wrote.
    Overwrite(String),
    /// Take over what another program wrote.
    ReloadFromDisk(String),
    /// Download a file as it is in the page.
    Download(String),
    /// Download every file that is not saved.
    DownloadUnsaved,
    /// Undo a change of the explorer, by its name in the history.
    Undo(u32),
    /// Go back to the settings before those of a link.
    OwnSettings,
}

impl Action {
    /// What its button says.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Restart => "Restart",
            Self::UseCpu => "Use CPU",
            Self::UseWebgpu => "Use WebGPU",
            Self::DefaultBundle => "Use built-in model",
            Self::Reindex => "Index again",
            Self::TryModelAgain => "Try again",
            Self::Resume => "Resume",
            Self::Overwrite(_) => "Overwrite",
            Self::ReloadFromDisk(_) => "Reload from disk",
            Self::Download(_) => "Download mine",
            Self::DownloadUnsaved => "Download",
            Self::Undo(_) => "Undo",
            Self::OwnSettings => "Back to mine",
        }
    }

    /// Whether it is about files or settings. The others are about the engine, of which there is one.
    fn is_about_the_page(&self) -> bool {
        matches!(
            self,
            Self::Overwrite(_)
                | Self::ReloadFromDisk(_)
                | Self::Download(_)
                | Self::DownloadUnsaved
                | Self::Undo(_)
                | Self::OwnSettings
        )
    }
}

/// A sentence and the way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Names it.
    pub id: u32,
    /// How grave it is.
    pub severity: Severity,
    /// The sentence.
    pub text: String,
    /// Buttons beside "dismiss".
    pub actions: Vec<Action>,
}

/// The notices that stand, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    list: Vec<Notice>,
    next: u32,
}

/// More than a user reads at once.
const MOST: usize = 4;

impl Notices {
    /// Adds one. The same sentence twice stands once; beyond `MOST` the oldest goes.
    pub fn push(&mut self, severity: Severity, text: &str, actions: &[Action]) {
        let text = capitalized(text);
        self.list.retain(|notice| notice.text != text);
        if self.list.len() == MOST {
            self.list.remove(0);
        }
        self.list.push(Notice { id: self.next, severity, text, actions: actions.to_vec() });
        self.next += 1;
    }

    /// Takes one away.
    pub fn dismiss(&mut self, id: u32) {
        self.list.retain(|notice| notice.id != id);
    }

    /// Takes away those whose matter is being seen to: the ones that offer this very action, and if it
    /// is one about the engine, all about the engine.
    pub fn dismiss_acted_on(&mut self, taken: &Action) {
        let is_settled =
            |action: &Action| action == taken || !(taken.is_about_the_page() || action.is_about_the_page());
        self.list.retain(|notice| !notice.actions.iter().any(is_settled));
    }

    /// Those that stand.
    pub fn list(&self) -> &[Notice] {
        &self.list
    }
}

/// A sentence with its capital letter: an error's text begins without one, as it may stand inside
/// another. A file's name stays as it is.
fn capitalized(text: &str) -> String {
    let first_word = text.split(' ').next().unwrap_or_default();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) if first_word.chars().all(char::is_alphabetic) => {
            first.to_uppercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stands_once_and_few_stand_together() {
        let mut notices = Notices::default();
        for text in ["a", "b", "a", "c", "d", "e"] {
            notices.push(Severity::Info, text, &[]);
        }
        let texts: Vec<_> = notices.list().iter().map(|notice| notice.text.as_str()).collect();
        assert_eq!(texts, ["A", "C", "D", "E"]);
        notices.dismiss(notices.list()[0].id);
        assert_eq!(notices.list()[0].text, "C");
    }

    #[test]
    fn a_sentence_begins_with_a_capital_letter_and_a_file_with_its_own() {
        assert_eq!(capitalized("the index is full"), "The index is full");
        assert_eq!(capitalized("bundle.json is no manifest"), "bundle.json is no manifest");
        assert_eq!(capitalized("éclair is a word"), "Éclair is a word");
        assert_eq!(capitalized(""), "");
    }

    #[test]
    fn acting_on_the_engine_clears_what_was_said_of_it_and_acting_on_a_file_only_that() {
        let mut notices = Notices::default();
        notices.push(Severity::Error, "the engine stopped", &[Action::Restart]);
        notices.push(Severity::Info, "kept until closed", &[]);
        for path in ["a", "b"] {
            let actions = [Action::Overwrite(path.into()), Action::Download(path.into())];
            notices.push(Severity::Warning, path, &actions);
        }
        notices.dismiss_acted_on(&Action::UseCpu);
        notices.dismiss_acted_on(&Action::Download("a".into()));
        let left: Vec<_> = notices.list().iter().map(|notice| notice.text.as_str()).collect();
        assert_eq!(left, ["Kept until closed", "B"]);
    }
}
