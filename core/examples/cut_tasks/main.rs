//! Packs the demo workspace for the page and cuts line-completion tasks from it.
//!
//! ```text
//! cargo run --release --example cut_tasks -- public/demo
//! ```
//!
//! reads every `.py` file under `workspace/` and writes, beside it,
//! - `workspace.json`: `{"name", "files": [{"path", "text"}], "open", "cursor": {"line", "column"}}`,
//!   lines and columns counted from 0. The cursor stands at the end of a line that is still to be
//!   finished, in a module that nothing imports.
//! - `tasks.json`: `[{"path", "prefix", "target", "suffix", "needs_context"}]`. `prefix + target + suffix`
//!   is the file.
//!
//! The same files always give the same bytes. How a task is cut, and which tasks count as needing
//! another file, is said in [`llavacode_core::tasks`].

mod cutter;
mod workspace;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder =
        PathBuf::from(std::env::args().nth(1).ok_or("usage: cut_tasks FOLDER (it holds workspace/)")?);
    let workspace = workspace::Workspace::read(&folder.join("workspace"))?;
    let cut = cutter::demo_tasks(&workspace.files)?;
    let tasks: Vec<_> = cut.iter().map(|(_, task)| task).collect();
    write(&folder.join("workspace.json"), workspace::to_json(&workspace)?)?;
    write(&folder.join("tasks.json"), workspace::to_json(&tasks)?)?;
    println!(
        "{} files, {} tasks: {} need another file, {} cut inside the line",
        workspace.files.len(),
        tasks.len(),
        cut.iter().filter(|(kind, _)| kind.needs_context).count(),
        cut.iter().filter(|(kind, _)| kind.inside).count(),
    );
    Ok(())
}

fn write(path: &Path, text: String) -> Result<(), Box<dyn Error>> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()).into())
}
