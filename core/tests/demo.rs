//! The demo workspace's JSON files are what the cutter makes of its Python files, and the cutter
//! keeps its own rules.

#[path = "../examples/cut_tasks/cutter.rs"]
mod cutter;
#[path = "../examples/cut_tasks/python.rs"]
mod python;
#[path = "../examples/cut_tasks/workspace.rs"]
mod workspace;

use std::{collections::BTreeSet, fs, path::PathBuf};

use cutter::{Definitions, Task};
use workspace::{SourceFile, Workspace};

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

fn source(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.into(), text: text.into() }
}

/// The task that begins right before `target` in a file.
fn task(file: &SourceFile, target: &str) -> Task {
    let start = file.text.find(target).unwrap();
    let end = start + file.text[start..].find('\n').unwrap_or(target.len());
    Task {
        path: file.path.clone(),
        prefix: file.text[..start].into(),
        target: file.text[start..end].into(),
        suffix: file.text[end..].into(),
    }
}

#[test]
fn json_files_are_up_to_date() {
    let workspace = Workspace::read(&demo().join("workspace")).unwrap();
    assert!(
        workspace::to_json(&workspace).unwrap() == committed("workspace.json"),
        "workspace.json is out of date: run the example cut_tasks"
    );
    let tasks = cutter::cut(&workspace.files).unwrap();
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
        assert!(!start.starts_with(['#', '"']), "a comment or docstring: {start}");
        assert!(!start.starts_with("import ") && !start.starts_with("from "), "an import: {start}");
    }
    assert_eq!(lines.len(), tasks.len());
}

#[test]
fn shares_are_as_promised() {
    let workspace = committed_workspace();
    let definitions = Definitions::of(&workspace.files);
    let tasks = committed_tasks();
    let dependent = tasks.iter().filter(|task| definitions.depends_on_another_file(task)).count();
    let inside = tasks.iter().filter(|task| task.is_cut_inside()).count();
    assert!(tasks.len() >= 100);
    assert!(dependent * 10 >= tasks.len() * 6, "{dependent} of {} are dependent", tasks.len());
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

#[test]
fn strings_comments_and_imports_are_no_code() {
    let text = "from a import (\n    b,\n)\nx = f'# {y}'  # z\nq = \"\"\"one\ntwo (\n\"\"\"\nw = r'\\\\' + \\\n    v\n";
    let lines = python::lines(text);
    let flags: Vec<_> =
        lines.iter().map(|l| (l.is_import, l.has_comment, l.in_long_string, l.begins_statement)).collect();
    assert_eq!(
        flags,
        [
            (true, false, false, true),
            (true, false, false, false),
            (true, false, false, false),
            (false, true, false, true),
            (false, false, true, true),
            (false, false, true, false),
            (false, false, true, false),
            (false, false, false, true),
            (false, false, false, false),
        ]
    );
    let words: Vec<_> = lines[3].tokens.iter().map(|&token| lines[3].text_of(token)).collect();
    assert_eq!(words, ["x", "=", "f'# {y}'"]);
}

#[test]
fn definitions_are_what_others_can_name() {
    let text = "\
LIMIT = 3
_hidden = 4
class Gauge(Base):
    \"\"\"A gauge.\"\"\"
    height_m: float
    HIGH = \"high\"
    def read(self, tolerance=None):
        local = 1
        def inner(): ...
    async def poll(self): ...
if LIMIT == 3:
    pass
def main(): ...
";
    let lines = python::lines(text);
    let names: Vec<_> = python::defined_names(&lines).into_iter().collect();
    assert_eq!(names, ["Gauge", "HIGH", "LIMIT", "height_m", "main", "poll", "read"]);
}

#[test]
fn dependence_follows_the_rule() {
    let files = [
        source("a.py", "class Store:\n    limit_m: float = 1\n    def latest_reading(self): ...\n"),
        source(
            "b.py",
            "from a import Store\n\
             def own_method(): ...\n\
             first = store.latest_reading()\n\
             again = store.latest_reading()\n\
             called = Store(limit_m=2)\n\
             class_only = Store\n\
             local = self.own_method()\n\
             limit = limit_m\n",
        ),
    ];
    let definitions = Definitions::of(&files);
    let depends = |target: &str| definitions.depends_on_another_file(&task(&files[1], target));
    assert!(depends("first ="), "a method first used here");
    assert!(depends(".latest_reading()\nagain"), "and its call alone");
    assert!(!depends("()\nagain"), "but not once its name is written");
    assert!(!depends("again ="), "a method used before");
    assert!(depends("called ="), "a keyword argument");
    assert!(!depends("class_only ="), "a name that was imported");
    assert!(!depends("local ="), "a method of this file");
    assert!(!depends("limit ="), "a plain variable");
}
