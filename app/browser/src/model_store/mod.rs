//! Model files on the user's disk, fetched once: in the origin-private file system, where a page keeps
//! files of any size that nobody else sees.
//!
//! A file of the address `url` is three entries of the folder `models/`, named by the hash of `url`:
//!
//! | entry | what it is |
//! |---|---|
//! | `<hash>` | the bytes that have come, in order, so that its length says where to go on |
//! | `<hash>.json` | its [`Record`], written before the first byte |
//! | `<hash>.whole` | empty; made once all bytes are there and the hash, where one is known, is right |
//!
//! Whatever moment a tab is closed at, what is there can be gone on from: bytes are only appended, and
//! a file is used only once it is whole.
//!
//! [`transfer`] is what fetches, over the traits of `surroundings` and tested natively; it ends well or
//! with a `Fault`. [`opfs`] is the browser's side.

mod fault;
pub mod opfs;
mod surroundings;
pub mod transfer;

pub use llavacode_protocol::ModelFile;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is known of a file that is being fetched or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it comes from.
    pub url: String,
    /// Its length in bytes, where the server said it.
    pub total: Option<u64>,
    /// The server's mark of this version of it, where the page may see it.
    pub etag: Option<String>,
}

/// A file in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// What is known of it.
    pub record: Record,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Whether that is all of it.
    pub whole: bool,
}

/// The name under which a file is kept.
pub fn file_name(url: &str) -> String {
    hex::encode(&Sha256::digest(url)[..16])
}

/// The last part of a URL's path: the file's own name.
pub fn name_of(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_differ() {
        let names = ["https://a/m.gguf", "https://b/m.gguf"].map(file_name);
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_eq!(name_of("https://a/b/m.gguf?download=true"), "m.gguf");
        assert_eq!(name_of("m.gguf"), "m.gguf");
    }
}
