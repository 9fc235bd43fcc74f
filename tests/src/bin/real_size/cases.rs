//! Which models are loaded, and their files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, iter};

use anyhow::{Context, Result, ensure};

/// A model and a format, as `write_gguf` knows them.
type Kind = (&'static str, &'static str);

/// What is loaded together.
pub(super) struct Case {
    /// Its name on the command line.
    pub(super) key: &'static str,
    reader: Kind,
    encoder: Option<Kind>,
    /// Whether every lane has to answer; else the first token is enough.
    pub(super) lanes: bool,
}

const ENCODER: Kind = ("qwen3-embedding-0.6b", "q8_0");

pub(super) const CASES: [Case; 4] = [
    Case { key: "0.5b-q8", reader: ("qwen2.5-coder-0.5b", "q8_0"), encoder: Some(ENCODER), lanes: true },
    Case { key: "0.5b-q4", reader: ("qwen2.5-coder-0.5b", "q4_k_m"), encoder: Some(ENCODER), lanes: true },
    Case { key: "1.5b-q4", reader: ("qwen2.5-coder-1.5b", "q4_k_m"), encoder: None, lanes: false },
    Case { key: "1.5b-q8", reader: ("qwen2.5-coder-1.5b", "q8_0"), encoder: None, lanes: false },
];

impl Case {
    /// What is loaded, for a user.
    pub(super) fn title(&self) -> String {
        let named = |(model, format): Kind| format!("{model} {format}");
        let encoder = self.encoder.map(|encoder| format!(" with {}", named(encoder)));
        named(self.reader) + &encoder.unwrap_or_default()
    }

    /// Its files in `folder`. Those that are not there are written by the program `write_gguf`.
    pub(super) fn files(&self, folder: &Path, write_gguf: &Path) -> Result<Vec<PathBuf>> {
        iter::once(self.reader).chain(self.encoder).map(|kind| file(kind, folder, write_gguf)).collect()
    }
}

fn file((model, format): Kind, folder: &Path, write_gguf: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("{model}-{format}.gguf"));
    if path.is_file() {
        return Ok(path);
    }
    fs::create_dir_all(folder)?;
    // Under another name until it is whole.
    let part = path.with_extension("part");
    let mut command = Command::new(write_gguf);
    command.args([model, format]).arg(&part);
    let status = command.status().with_context(|| format!("{} could not be run", write_gguf.display()))?;
    ensure!(status.success(), "{} could not be written ({status})", path.display());
    fs::rename(&part, &path)?;
    Ok(path)
}
