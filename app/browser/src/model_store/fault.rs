//! Why a file could not be fetched, in sentences that say what to do.

use super::{ModelFile, name_of, surroundings::Refused};

/// Why a file is not there. What came of it stays, unless it is said to be of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
    /// No answer, although there is a network.
    #[error(
        "{url} could not be fetched ({reason}). Is the address right, and does its server allow this page (CORS)?"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// The browser's words.
        reason: String,
    },
    /// The connection was lost and did not come back.
    #[error("The connection was lost ({reason}). What came is kept: resume when the network is back.")]
    Lost {
        /// The browser's words.
        reason: String,
    },
    /// The server refused.
    #[error("{url} answered {status}: {meaning}.")]
    Status {
        /// The address.
        url: String,
        /// HTTP's status.
        status: u16,
        /// What that means for a user.
        meaning: &'static str,
    },
    /// The server answered with a web page.
    #[error("There is no file at {url}: the server answered with a web page. Check the address.")]
    Page {
        /// The address.
        url: String,
    },
    /// The disk is full.
    #[error(
        "There is no room for {file}: it needs {needed} MB more and this browser gives this page {free} MB more. Delete a model or free some disk, then resume."
    )]
    NoRoom {
        /// The file's name.
        file: String,
        /// Megabytes it needs.
        needed: u64,
        /// Megabytes there are.
        free: u64,
    },
    /// The disk is full, and it is not known how full.
    #[error(
        "The disk is full, or what this browser gives this page of it. Delete a model or free some disk, then resume."
    )]
    Full,
    /// Another tab is fetching it.
    #[error(
        "{file} is being fetched by another tab of this page. Wait for it there, or close that tab and resume."
    )]
    Busy {
        /// The file's name.
        file: String,
    },
    /// The browser does not write.
    #[error("{file} could not be written ({reason}). In a private window some browsers keep nothing.")]
    Storage {
        /// The file's name.
        file: String,
        /// The browser's words.
        reason: String,
    },
    /// It is another file than was meant.
    #[error("{0} Nothing of it was kept.")]
    Wrong(String),
    /// Its hash is not the known one.
    #[error(
        "{file} came whole, but is not the file that was meant: its SHA-256 begins with {found}, not {expected}. It was deleted; download it again."
    )]
    Hash {
        /// The file's name.
        file: String,
        /// Its hash.
        found: String,
        /// The known one.
        expected: String,
    },
}

impl Fault {
    /// The disk does not do as asked with a file.
    pub fn of(refused: Refused, file: &ModelFile) -> Self {
        match refused {
            Refused::Full => Self::Full,
            Refused::Busy => Self::Busy { file: name_of(&file.url).to_owned() },
            Refused::Other(reason) => Self::Storage { file: name_of(&file.url).to_owned(), reason },
        }
    }
}
