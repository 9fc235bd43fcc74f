//! Which tasks the demo has.

use std::collections::BTreeMap;

use llavacode_core::tasks::{CutConfig, Kind, Task, cut};

use crate::workspace::{OPEN_FILE, SourceFile};

/// Tasks wanted. Five in eight need another file; two in five begin inside a line.
const WANTED: [(Kind, usize); 4] = [
    (Kind { needs_context: true, inside: false }, 44),
    (Kind { needs_context: true, inside: true }, 31),
    (Kind { needs_context: false, inside: false }, 28),
    (Kind { needs_context: false, inside: true }, 17),
];

/// The demo's tasks, each with its kind. Tests and the file with the unfinished line give none; they
/// stay in the workspace for retrieval.
///
/// # Errors
/// Says what the workspace is too small for.
pub(crate) fn demo_tasks(files: &[SourceFile]) -> Result<Vec<(Kind, Task)>, String> {
    let files: Vec<(&str, &str)> =
        files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let config = CutConfig {
        wanted: BTreeMap::from(WANTED),
        most_per_file: 12,
        shortest_target: 6,
        seed: 0x7469_6465,
    };
    let gives_tasks = |path: &str| !path.starts_with("tests/") && path != OPEN_FILE;
    let cut = cut(&files, gives_tasks, &config);
    match cut.missing.first_key_value() {
        None => Ok(cut.tasks),
        Some((kind, wanted)) => {
            Err(format!("the workspace is too small: {wanted} more are wanted of {kind:?}"))
        }
    }
}
