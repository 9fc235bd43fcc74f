//! The demo workspace's JSON files are what the cutter makes of its Python files, and their
//! shares are as promised.

#[path = "../examples/cut_tasks/cutter.rs"]
mod cutter;
#[path = "../examples/cut_tasks/workspace.rs"]
mod workspace;

use std::{collections::BTreeSet, fs, path::PathBuf};

use llavacode_core::tasks::Task;
use workspace::Workspace;

fn demo() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../public/demo")
}

fn committed(name: &str) -> String {
    let path = demo().join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn committed_workspace() -> Workspace {
    serde_json::from_str(&committed("workspace.json")).unwrap()
}

fn committed_tasks() -> Vec<Task> {
    serde_json::from_str(&committed("tasks.json")).unwrap()
}

#[test]
fn json_files_are_up_to_date() {
    let workspace = Workspace::read(&demo().join("workspace")).unwrap();
    assert!(
        workspace::to_json(&workspace).unwrap() == committed("workspace.json"),
        "workspace.json is out of date: run the example cut_tasks"
    );
    let tasks: Vec<Task> =
        cutter::demo_tasks(&workspace.files).unwrap().into_iter().map(|(_, task)| task).collect();
    assert!(
        workspace::to_json(&tasks).unwrap() == committed("tasks.json"),
        "tasks.json is out of date: run the example cut_tasks"
    );
}

#[test]
fn every_task_is_one_line_of_its_file() {
    let workspace = committed_workspace();
    let tasks = committed_tasks();
    let mut lines = BTreeSet::new();
    for task in &tasks {
        let file = workspace.files.iter().find(|file| file.path == task.path).unwrap();
        assert_eq!(format!("{}{}{}", task.prefix, task.target, task.suffix), file.text);
        assert!(!task.target.trim().is_empty() && !task.target.contains('\n'), "{:?}", task.target);
        assert!(task.suffix.is_empty() || task.suffix.starts_with('\n'));
        let line = task.prefix.matches('\n').count();
        assert!(lines.insert((&task.path, line)), "two tasks in line {line} of {}", task.path);
        let start = file.text.lines().nth(line).unwrap().trim_start();
        assert!(!start.starts_with('#') && !start.starts_with("\"\"\""), "a comment or docstring: {start}");
        assert!(!start.starts_with("import ") && !start.starts_with("from "), "an import: {start}");
    }
    assert_eq!(lines.len(), tasks.len());
}

#[test]
fn shares_are_as_promised() {
    let workspace = committed_workspace();
    let tasks = cutter::demo_tasks(&workspace.files).unwrap();
    let needing = tasks.iter().filter(|(kind, _)| kind.needs_context).count();
    let inside = tasks.iter().filter(|(kind, _)| kind.inside).count();
    assert!(tasks.len() >= 100);
    assert!(needing * 10 >= tasks.len() * 6, "{needing} of {} need another file", tasks.len());
    assert_eq!(inside * 10, tasks.len() * 4);
}

#[test]
fn cursor_stands_at_the_end_of_an_unfinished_line() {
    let workspace = committed_workspace();
    let file = workspace.files.iter().find(|file| file.path == workspace.open).unwrap();
    let line = file.text.lines().nth(workspace.cursor.line).unwrap();
    assert_eq!(line.trim(), "estimate = self._analyzer");
    assert_eq!(line.chars().count(), workspace.cursor.column);
    let module = workspace.open.trim_end_matches(".py").replace('/', ".");
    for other in workspace.files.iter().filter(|other| other.path != workspace.open) {
        assert!(!other.text.contains(&module), "{} imports the unfinished module", other.path);
    }
}
