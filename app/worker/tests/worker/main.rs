//! The conversation with the page, natively: the worker on the CPU with the bundle that comes with the
//! page, and a page that answers what it hears.

mod desk;
mod shared;

use std::{fs, path::Path};

use llavacode_core::{
    bundle::{MANIFEST, XRAG_PROJECTOR},
    config::BundleManifest,
    engine::{CompletionEvent, CompletionRequest, Lane},
    index::Ranker,
};
use llavacode_protocol::{
    BundleSource, DeviceChoice, Event, ModelFile, Options, Request, RequestId, SourceFile, Task, Tasks,
};
use llavacode_worker::Beside;

use desk::{Desk, bundle_folder, index, load, update};

/// A file of a chunk, which no other file has.
fn file(name: &str) -> SourceFile {
    let text = format!("class {name}:\n    def area_of_{name}(self):\n        return 3 * self.radius\n");
    SourceFile { path: format!("{name}.py"), text }
}

/// Files of a chunk each, with more parts than are embedded at once.
const MANY: usize = 200;

fn many() -> Vec<SourceFile> {
    (0..MANY).map(|number| file(&format!("Circle{number}"))).collect()
}

fn complete(lanes: &[Lane]) -> Request {
    let cursor = CompletionRequest::at("main.py", "circle = Circle3()\nprint(circle.", "\n");
    Request::Complete { cursor, lanes: lanes.to_vec() }
}

fn is_indexing(event: &Event) -> bool {
    matches!(event, Event::Indexing { .. })
}

fn is_first_token(event: &Event) -> bool {
    matches!(event, Event::Completion { event: CompletionEvent::FirstToken { .. }, .. })
}

/// The lanes that a request's completions are done in, in their order.
fn done(events: &[Event]) -> Vec<Lane> {
    let lane = |event: &Event| match event {
        Event::Completion { lane, event: CompletionEvent::Done(_) } => Some(*lane),
        _ => None,
    };
    events.iter().filter_map(lane).collect()
}

#[test]
fn one_request_is_answered_in_every_lane_it_asks_for() {
    let desk = Desk::with_files(many());
    desk.ask(3, complete(&[Lane::Compressed, Lane::Base, Lane::FullRag]));
    assert_eq!(done(&desk.of(3)), [Lane::Compressed, Lane::Base, Lane::FullRag]);
    assert!(matches!(desk.last(3), Event::Completed));
}

#[test]
fn a_completion_goes_before_embedding_and_has_what_it_needs_embedded() {
    let desk = Desk::ready();
    desk.when(is_indexing, 3, complete(&[Lane::Compressed]));
    desk.ask(2, index("shapes", many()));
    let is_completed = |event: &Event| matches!(event, Event::Completed);
    let is_indexed = |event: &Event| matches!(event, Event::Indexed(_));
    assert!(desk.place(3, is_completed) < desk.place(2, is_indexed));
    let steps = desk.0.heard.borrow()[..desk.place(3, is_completed)]
        .iter()
        .filter(|(id, event)| *id == 2 && is_indexing(event))
        .count();
    assert_eq!(steps, 1, "no batch comes between the request and its answer");
    let completion = desk.of(3).into_iter().find_map(|event| match event {
        Event::Completion { event: CompletionEvent::Done(completion), .. } => Some(completion),
        _ => None,
    });
    let completion = completion.expect("it completes");
    assert!(completion.soft_tokens > 0 && completion.ttft.encode_ms > 0.0, "{completion:?}");
    assert_eq!(desk.indexed(2).chunks, MANY);
}

#[test]
fn a_worker_says_that_it_lives_while_it_completes_and_while_it_embeds() {
    let desk = Desk::ready();
    desk.when(is_indexing, 3, Request::Ping);
    desk.ask(2, index("shapes", many()));
    let is_indexed = |event: &Event| matches!(event, Event::Indexed(_));
    let is_alive = |event: &Event| matches!(event, Event::Alive);
    assert!(desk.place(3, is_alive) < desk.place(2, is_indexed));
    let is_retrieved =
        |event: &Event| matches!(event, Event::Completion { event: CompletionEvent::Retrieved { .. }, .. });
    desk.when(is_retrieved, 5, Request::Ping);
    desk.ask(4, complete(&[Lane::FullRag]));
    assert!(desk.place(5, is_alive) < desk.place(4, is_first_token), "not before the prompt is read");
    desk.ask(6, Request::Ping);
    assert!(matches!(desk.of(6)[..], [Event::Alive]));
}

#[test]
fn a_newer_completion_ends_the_older_one_in_all_its_lanes() {
    let desk = Desk::with_files(many());
    desk.when(is_first_token, 4, complete(&[Lane::Base]));
    desk.ask(3, complete(&[Lane::FullRag, Lane::Base, Lane::Compressed]));
    assert!(matches!(desk.last(3), Event::Cancelled));
    assert!(done(&desk.of(3)).len() < 3);
    assert_eq!(done(&desk.of(4)), [Lane::Base]);
}

#[test]
fn a_lane_without_its_models_leaves_the_others_theirs() {
    let read = |path: &str| fs::read(Path::new(&bundle_folder()).join(path)).expect("the bundle is complete");
    let mut manifest: BundleManifest = serde_json::from_slice(&read(MANIFEST)).expect("a manifest");
    manifest.files.remove(XRAG_PROJECTOR);
    let beside = |path: &str, file| Beside { path: path.to_owned(), file };
    let mut files: Vec<_> = manifest.files.keys().map(|path| beside(path, read(path))).collect();
    files.push(beside(MANIFEST, serde_json::to_vec(&manifest).expect("JSON")));
    let desk = Desk::new();
    desk.ask_with(
        1,
        Request::Load { bundle: BundleSource::Files, device: DeviceChoice::Cpu, threads: None },
        files,
    );
    desk.ask(2, index("shapes", many()));
    desk.ask(3, complete(&[Lane::Xrag, Lane::Base]));
    let events = desk.of(3);
    let failed = |event: &Event| match event {
        Event::Completion { lane: Lane::Xrag, event: CompletionEvent::Failed { message } } => {
            Some(message.clone())
        }
        _ => None,
    };
    let sentence = events.iter().find_map(failed).expect("the lane fails");
    assert!(sentence.contains(XRAG_PROJECTOR), "{sentence}");
    assert_eq!(done(&events), [Lane::Base]);
    assert!(matches!(desk.last(3), Event::Completed));
}

#[test]
fn what_is_asked_before_models_and_files_are_there_fails_with_a_sentence() {
    let desk = Desk::new();
    for (id, request) in [(1, index("shapes", many())), (2, complete(&[Lane::Base]))] {
        desk.ask(id, request);
        assert!(matches!(desk.last(id), Event::Failed { message } if !message.is_empty()));
    }
}

#[test]
fn a_bundle_that_is_not_there_leaves_the_models_in_use() {
    let desk = Desk::with_files(many());
    desk.ask(3, load("/nowhere"));
    assert!(matches!(desk.last(3), Event::Failed { message } if message.contains(MANIFEST)));
    desk.ask(4, complete(&[Lane::Base]));
    assert_eq!(done(&desk.of(4)), [Lane::Base]);
}

#[test]
fn edits_while_the_index_is_made_are_all_in_it() {
    let desk = Desk::ready();
    desk.when(is_indexing, 3, update("shapes", file("Edited")));
    desk.when(is_indexing, 4, update("shapes", file("Later")));
    desk.ask(2, index("shapes", many()));
    for id in [2, 3, 4] {
        assert!(matches!(desk.last(id), Event::Indexed(_)), "{id}: {:?}", desk.last(id));
    }
    let info = desk.indexed(4);
    assert_eq!((info.files, info.chunks), (MANY + 2, MANY + 2));
    desk.ask(5, index("shapes", [many(), vec![file("Edited"), file("Later")]].concat()));
    assert_eq!(desk.indexed(5).embedded, 0, "everything has its vectors");
}

#[test]
fn an_edit_of_another_workspace_comes_too_late() {
    let desk = Desk::with_files(many());
    desk.ask(3, index("others", vec![file("Square")]));
    desk.ask(4, update("shapes", file("Late")));
    assert!(matches!(desk.last(4), Event::Cancelled));
    desk.ask(5, index("others", vec![file("Square")]));
    assert_eq!(desk.indexed(5).files, 1);
}

#[test]
fn stopping_an_index_keeps_what_is_done() {
    let desk = Desk::ready();
    desk.when(is_indexing, 3, Request::Cancel { target: 2 });
    desk.ask(2, index("shapes", many()));
    assert!(matches!(desk.last(2), Event::Cancelled));
    desk.ask(4, index("others", many()));
    let info = desk.indexed(4);
    assert!(info.embedded > 0 && info.embedded < MANY, "of {MANY} {} were embedded anew", info.embedded);
}

#[test]
fn a_newer_index_takes_the_place_of_the_one_under_way() {
    let desk = Desk::ready();
    desk.when(is_indexing, 3, index("shapes", vec![file("Square")]));
    desk.ask(2, index("shapes", many()));
    assert!(matches!(desk.last(2), Event::Cancelled));
    assert_eq!(desk.indexed(3).files, 1);
}

#[test]
fn a_cache_that_refuses_is_told_once_and_stops_nothing() {
    let desk = Desk::ready();
    desk.0.cache_refuses.set(true);
    desk.ask(2, index("shapes", many()));
    desk.ask(3, update("shapes", file("Edited")));
    let is_notice = |(_, event): &&(RequestId, Event)| matches!(event, Event::Notice { .. });
    assert_eq!(desk.0.heard.borrow().iter().filter(is_notice).count(), 1);
    assert!(!desk.indexed(2).persisted && !desk.indexed(3).persisted);
    desk.ask(4, complete(&[Lane::Compressed]));
    assert_eq!(done(&desk.of(4)), [Lane::Compressed]);
}

#[test]
fn a_request_that_waits_is_cancelled_without_being_begun() {
    let desk = Desk::with_files(many());
    desk.when(is_first_token, 4, index("shapes", [many(), vec![file("New")]].concat()));
    desk.when(is_first_token, 5, Request::Cancel { target: 4 });
    desk.ask(3, complete(&[Lane::Base]));
    assert_eq!(done(&desk.of(3)), [Lane::Base]);
    assert!(matches!(desk.of(4)[..], [Event::Cancelled]));
    desk.ask(6, Request::Cancel { target: 99 });
    assert!(desk.of(6).is_empty(), "a request that is over, or never was, is no matter");
}

#[test]
fn files_are_fetched_one_after_the_other_until_it_is_stopped() {
    let files = |names: &[&str]| Request::Fetch {
        files: names.iter().map(|url| ModelFile { url: (*url).into(), sha256: None }).collect(),
    };
    let desk = Desk::new();
    desk.ask(1, files(&["reader", "encoder"]));
    assert!(matches!(desk.last(1), Event::Fetched));
    assert_eq!(*desk.0.fetched.borrow(), ["reader", "encoder"]);
    desk.when(|event| matches!(event, Event::Fetching { .. }), 3, Request::Cancel { target: 2 });
    desk.ask(2, files(&["a", "b"]));
    assert!(matches!(desk.last(2), Event::Cancelled));
    assert_eq!(*desk.0.fetched.borrow(), ["reader", "encoder", "a"]);
}

#[test]
fn a_measurement_says_what_it_was_made_on() {
    let desk = Desk::with_files(many());
    let task = Task {
        path: "main.py".into(),
        prefix: "circle = Circle3()\nprint(circle.".into(),
        target: "area_of_Circle3())".into(),
        suffix: "\n".into(),
        needs_context: true,
    };
    let tasks = Tasks::Given { tasks: vec![task] };
    desk.ask(3, Request::Measure { tasks, options: Options::default() });
    let Event::Measured(measurement) = desk.last(3) else { panic!("{:?}", desk.last(3)) };
    assert_eq!((measurement.backend.as_str(), measurement.report.tasks), ("cpu", 1));
    assert!(measurement.report.lanes.contains_key(Lane::Compressed.key()));
    assert!(measurement.report.rankers.is_empty(), "nobody asked for it");
    let (index, ceilings) = (measurement.report.index, measurement.report.ceilings.expect("the CPU's"));
    assert!(index.flops_per_s > 0.0 && ceilings.read_bytes_per_s > 0.0, "{index:?}, {ceilings:?}");
    let fraction = index.fraction_of_ceiling.expect("the ceiling is known");
    assert!(fraction > 0.0 && fraction <= 1.0, "{index:?}, {ceilings:?}");
    assert!(measurement.load_ms > 0.0 && !measurement.model.is_empty());
}

#[test]
fn a_measurement_on_the_workspaces_own_lines_tells_each_as_it_comes() {
    let desk = Desk::with_files(many());
    let tasks = Tasks::Cut { files: many(), count: 3 };
    let options = Options { ranker: Ranker::Bm25, compare_rankers: true };
    desk.ask(3, Request::Measure { tasks, options });
    let Event::Measured(measurement) = desk.last(3) else { panic!("{:?}", desk.last(3)) };
    let told: Vec<_> = desk
        .of(3)
        .into_iter()
        .filter_map(|event| match event {
            Event::TaskMeasured { result } => Some(result),
            _ => None,
        })
        .collect();
    assert_eq!((told.len(), &told), (3, &measurement.report.results));
    for result in &told {
        assert_eq!(result.lanes.len(), 5, "{result:?}");
        let file = many().into_iter().find(|file| file.path == result.path).expect("a file of the workspace");
        let line = file.text.lines().nth(result.line).expect("a line of it");
        assert_eq!(line, format!("{}{}", result.before, result.target));
    }
    // What the rankers' comparison says of the chosen one is what its lane says.
    let rankers = &measurement.report.rankers;
    assert_eq!(rankers.keys().collect::<Vec<_>>(), ["bm25", "dense", "hybrid", "jaccard"]);
    let lane = &measurement.report.lanes[Lane::FullRag.key()];
    assert_eq!(rankers["bm25"].edit_similarity, lane.edit_similarity);
    for (ranker, found) in rankers {
        let differences = [found.exact_match_difference, found.edit_similarity_difference];
        assert_eq!(differences.map(|difference| difference.is_some()), [ranker != "bm25"; 2], "{found:?}");
        let needed = told.iter().any(|result| result.needs_context);
        assert_eq!(found.names_found.is_some(), needed, "{found:?}");
    }
}

#[test]
fn a_workspace_without_lines_to_complete_is_not_measured() {
    let desk = Desk::with_files(many());
    let notes = SourceFile { path: "notes.md".into(), text: "no code\n".into() };
    let tasks = Tasks::Cut { files: vec![notes], count: 3 };
    desk.ask(3, Request::Measure { tasks, options: Options::default() });
    let Event::Failed { message } = desk.last(3) else { panic!("{:?}", desk.last(3)) };
    assert!(message.contains("Python"), "{message}");
}
