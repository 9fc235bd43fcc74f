//! The demo workspace's JSON files are what the cutter makes of its Python files, and their
//! shares are as promised.

#[path = "../examples/cut_tasks/cutter.rs"]
mod cutter;
#[path = "../examples/cut_tasks/workspace.rs"]
mod workspace;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use burn::tensor::Device;
use llavacode_api::demo::{DemoPlace, DemoPlaces, Said, Shows};
use llavacode_core::{
    bundle::read_manifest,
    engine::{CancelFlag, CompletionRequest, Engine, NativeHost, Place},
    metrics::exact_match,
    tasks::Task,
    weights::FolderFiles,
    workspace::MemoryCache,
};
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

fn committed_places() -> Vec<DemoPlace> {
    serde_json::from_str::<DemoPlaces>(&committed("places.json")).unwrap().places
}

#[test]
fn places_are_tasks_at_which_context_wins_and_one_at_which_it_does_not() {
    let tasks = committed_tasks();
    let places = committed_places();
    assert_eq!(places.len(), 4);
    for (number, place) in places.iter().enumerate() {
        let at = format!("{}:{}", place.path, place.line + 1);
        let task = tasks.iter().find(|task| {
            let line = (task.prefix.matches('\n').count(), task.prefix.rsplit('\n').next());
            task.path == place.path && line == (place.line, Some(place.before.as_str()))
        });
        assert_eq!(task.map(|task| &task.target), Some(&place.target), "{at}");
        let right = |lanes: &BTreeMap<String, Said>, lane: &str| lanes[lane].right;
        let mut readers = place.readers.values();
        match place.shows {
            Shows::ContextWins => {
                assert!(readers.any(|lanes| right(lanes, "full_rag") && !right(lanes, "base")), "{at}");
            }
            Shows::NoDifference => {
                assert!(readers.any(|lanes| lanes.values().all(|said| said.right)), "{at}")
            }
        }
        let last = number + 1 == places.len();
        assert_eq!(place.shows == Shows::NoDifference, last, "{at}");
        for said in place.readers.values().flat_map(BTreeMap::values) {
            assert_eq!(said.right, exact_match(&said.text, &place.target), "{at}");
        }
    }
}

#[test]
fn pico_says_at_the_places_what_is_written_there() {
    let bundle = FolderFiles { root: demo().join("../bundle") };
    pollster::block_on(async {
        let manifest = read_manifest(&bundle).await.unwrap();
        let host = NativeHost::default();
        let mut engine = Engine::load_models(&bundle, manifest, &Device::flex(), host, |_| ()).await.unwrap();
        let mut files =
            llavacode_core::workspace::Workspace::of_bundle(&engine.manifest, MemoryCache::default());
        for file in committed_workspace().files {
            files.update(&file.path, &file.text);
        }
        while !files.embed_next(&engine, 256).await.unwrap().is_over() {}
        for place in committed_places() {
            let task = committed_tasks().into_iter().find(|task| task.target == place.target).unwrap();
            let cursor = CompletionRequest::at(task.path, task.prefix, task.suffix);
            let mut cursor = Place::new(CompletionRequest { cold: true, ..cursor });
            for lane in engine.lanes() {
                let cancel = CancelFlag::default();
                let found = engine.complete(&mut files, &mut cursor, lane, &cancel, |_| ()).await.unwrap();
                let written = &place.readers["pico"][lane.key()];
                assert_eq!(found.text, written.text, "{}:{}, {}", place.path, place.line + 1, lane.key());
                assert!((found.confidence() - written.confidence).abs() < 0.002, "{}", lane.key());
            }
        }
    });
}

#[test]
fn suggestions_are_held_back_below_the_confidence_that_was_measured() {
    let measured = fs::read_to_string(demo().join("../../docs/measurements.md")).unwrap();
    for (name, manifest) in [("pico", "../bundle"), ("SmolLM2-135M", "../models/smollm2-135m")] {
        let files = FolderFiles { root: demo().join(manifest) };
        let manifest = pollster::block_on(read_manifest(&files)).unwrap();
        let row = format!("| {name} | {:.2} |", manifest.least_confidence);
        assert!(measured.contains(&row), "the measurements have no row {row}");
    }
}
