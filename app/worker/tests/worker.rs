//! The conversation with the page, natively: the worker on the CPU with the bundle that comes with the
//! page, and a page that answers what it hears.

use std::{
    cell::{Cell, RefCell},
    fs,
    path::Path,
    pin::Pin,
    rc::Rc,
    time::Instant,
};

use llavacode_core::{
    Error, Result,
    bundle::{MANIFEST, XRAG_PROJECTOR, read_manifest},
    config::BundleManifest,
    engine::{CancelFlag, CompletionEvent, CompletionRequest, Host, Lane},
    index::{ChunkHash, Vectors},
    weights::{BundleFiles, FolderFiles, MemoryFiles, MemorySource},
    workspace::{MemoryCache, VectorCache},
};
use llavacode_protocol::{
    BundleSource, DeviceChoice, Envelope, Event, IndexInfo, ModelFile, Request, RequestId, SourceFile, Step,
    Task,
};
use llavacode_worker::{Beside, OpenDevice, Platform, Worker};

/// A page that plays its part by a script: at an event, a request.
#[derive(Clone)]
struct Desk(Rc<Inner>);

struct Inner {
    start: Instant,
    heard: RefCell<Vec<(RequestId, Event)>>,
    script: RefCell<Vec<Line>>,
    /// Requests of the script that the worker takes in when it yields.
    posted: RefCell<Vec<Envelope>>,
    worker: RefCell<Option<Worker<Desk>>>,
    cache_refuses: Cell<bool>,
    /// Every file that was to be fetched.
    fetched: RefCell<Vec<String>>,
}

/// At the first event that is meant, this request is posted.
struct Line {
    at: fn(&Event) -> bool,
    request: Option<Envelope>,
}

/// A cache that may refuse.
struct Cache {
    kept: MemoryCache,
    refuses: bool,
}

impl VectorCache for Cache {
    async fn get_many(&self, model: &str, texts: &[ChunkHash]) -> Result<Vec<Option<Vectors>>> {
        self.kept.get_many(model, texts).await
    }

    async fn put_many(&mut self, model: &str, vectors: &[(ChunkHash, &Vectors)]) -> Result<()> {
        match self.refuses {
            true => Err(Error::Storage { reason: "the disk is full".into() }),
            false => self.kept.put_many(model, vectors).await,
        }
    }
}

/// A bundle's files, on the disk or chosen by the user.
enum Files {
    Folder(FolderFiles),
    Chosen(MemoryFiles),
}

impl BundleFiles for Files {
    type Source = MemorySource;

    async fn open(&self, path: &str) -> Result<MemorySource> {
        match self {
            Self::Chosen(files) => files.open(path).await,
            Self::Folder(folder) => {
                let file = folder.root.join(path);
                let refused = |e: std::io::Error| Error::Read { file: path.into(), reason: e.to_string() };
                let bytes: std::sync::Arc<[u8]> = fs::read(file).map_err(refused)?.into();
                Ok(MemorySource::new(path, bytes))
            }
        }
    }
}

impl Host for Desk {
    fn now_ms(&self) -> f64 {
        self.0.start.elapsed().as_secs_f64() * 1e3
    }

    /// Messages arrive here, as in a browser, and each wants the worker to work.
    async fn yield_now(&self) {
        let posted = std::mem::take(&mut *self.0.posted.borrow_mut());
        for envelope in posted {
            let worker = self.worker();
            worker.accept(envelope, Vec::new());
            let work: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move { worker.work().await });
            work.await;
        }
    }
}

impl Platform for Desk {
    type Handle = Vec<u8>;
    type Files = Files;
    type Cache = Cache;

    fn send(&self, id: RequestId, event: Event) {
        for line in self.0.script.borrow_mut().iter_mut().filter(|line| (line.at)(&event)) {
            self.0.posted.borrow_mut().extend(line.request.take());
        }
        self.0.heard.borrow_mut().push((id, event));
    }

    async fn open(
        &self,
        bundle: BundleSource,
        beside: Vec<Beside<Vec<u8>>>,
    ) -> Result<(Files, BundleManifest)> {
        let files = match bundle {
            BundleSource::Url { url } => Files::Folder(FolderFiles { root: url.into() }),
            _ => {
                let mut files = MemoryFiles::default();
                files.files.extend(beside.into_iter().map(|beside| (beside.path, beside.file.into())));
                Files::Chosen(files)
            }
        };
        let manifest = read_manifest(&files).await?;
        Ok((files, manifest))
    }

    async fn device(&self, _: DeviceChoice) -> OpenDevice {
        OpenDevice::cpu(None, false)
    }

    async fn cache(&self) -> (Cache, Result<()>) {
        (Cache { kept: MemoryCache::default(), refuses: self.0.cache_refuses.get() }, Ok(()))
    }

    async fn fetch(&self, file: &ModelFile, cancel: &CancelFlag, mut tell: impl FnMut(Step)) -> Result<()> {
        cancel.check()?;
        self.0.fetched.borrow_mut().push(file.url.clone());
        tell(Step::Fetching { read: 1, total: None });
        Ok(())
    }

    fn memory_bytes(&self) -> u32 {
        1
    }
}

impl Desk {
    fn new() -> Self {
        let desk = Self(Rc::new(Inner {
            start: Instant::now(),
            heard: RefCell::default(),
            script: RefCell::default(),
            posted: RefCell::default(),
            worker: RefCell::default(),
            cache_refuses: Cell::default(),
            fetched: RefCell::default(),
        }));
        desk.0.worker.replace(Some(Worker::new(desk.clone())));
        desk
    }

    /// One whose worker has loaded the page's own bundle.
    fn ready() -> Self {
        let desk = Self::new();
        desk.ask(1, load(&bundle_folder()));
        assert!(matches!(desk.last(1), Event::Ready(_)), "{:?}", desk.last(1));
        desk
    }

    /// One that has taken these files in too.
    fn with_files(files: Vec<SourceFile>) -> Self {
        let desk = Self::ready();
        desk.ask(2, index("shapes", files));
        assert!(matches!(desk.last(2), Event::Indexed(_)), "{:?}", desk.last(2));
        desk
    }

    fn worker(&self) -> Worker<Self> {
        self.0.worker.borrow().clone().expect("there is one")
    }

    /// Posts a request once an event is told.
    fn when(&self, at: fn(&Event) -> bool, id: RequestId, request: Request) {
        self.0.script.borrow_mut().push(Line { at, request: Some(Envelope { id, request }) });
    }

    /// Asks, and lets the worker work until nothing waits.
    fn ask(&self, id: RequestId, request: Request) {
        self.ask_with(id, request, Vec::new());
    }

    fn ask_with(&self, id: RequestId, request: Request, beside: Vec<Beside<Vec<u8>>>) {
        let worker = self.worker();
        worker.accept(Envelope { id, request }, beside);
        pollster::block_on(worker.work());
        let left = self.0.script.borrow().iter().any(|line| line.request.is_some());
        assert!(!left, "an event that the script waits for never came");
    }

    /// Everything told of a request.
    fn of(&self, id: RequestId) -> Vec<Event> {
        let heard = self.0.heard.borrow();
        heard.iter().filter(|(of, _)| *of == id).map(|(_, event)| event.clone()).collect()
    }

    fn last(&self, id: RequestId) -> Event {
        self.of(id).pop().expect("it was answered")
    }

    /// Where in the conversation an event of a request stands.
    fn place(&self, id: RequestId, which: fn(&Event) -> bool) -> usize {
        let heard = self.0.heard.borrow();
        heard.iter().position(|(of, event)| *of == id && which(event)).expect("it was told")
    }

    fn indexed(&self, id: RequestId) -> IndexInfo {
        match self.last(id) {
            Event::Indexed(info) => info,
            other => panic!("not indexed: {other:?}"),
        }
    }
}

fn bundle_folder() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../public/bundle").display().to_string()
}

fn load(folder: &str) -> Request {
    Request::Load { bundle: BundleSource::Url { url: folder.into() }, device: DeviceChoice::Auto }
}

fn index(workspace: &str, files: Vec<SourceFile>) -> Request {
    Request::Index { workspace: workspace.into(), files }
}

fn update(workspace: &str, file: SourceFile) -> Request {
    Request::UpdateFile { workspace: workspace.into(), file }
}

/// A file of a chunk, which no other file has.
fn file(name: &str) -> SourceFile {
    let text = format!("class {name}:\n    def area_of_{name}(self):\n        return 3 * self.radius\n");
    SourceFile { path: format!("{name}.py"), text }
}

/// More chunks than are embedded at once.
fn many() -> Vec<SourceFile> {
    (0..20).map(|number| file(&format!("Circle{number}"))).collect()
}

fn complete(lanes: &[Lane]) -> Request {
    let cursor = CompletionRequest {
        path: "main.py".into(),
        prefix: "circle = Circle3()\nprint(circle.".into(),
        suffix: "\n".into(),
        multi_line: false,
        same_file: false,
        cold: false,
    };
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
    assert_eq!(desk.indexed(2).chunks, 20);
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
    desk.ask_with(1, Request::Load { bundle: BundleSource::Files, device: DeviceChoice::Cpu }, files);
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
    assert_eq!((info.files, info.chunks), (22, 22));
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
    assert!(info.embedded > 0 && info.embedded < 20, "of twenty {} were embedded anew", info.embedded);
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
    };
    desk.ask(3, Request::Measure { tasks: vec![task] });
    let Event::Measured(measurement) = desk.last(3) else { panic!("{:?}", desk.last(3)) };
    assert_eq!((measurement.backend.as_str(), measurement.report.tasks), ("cpu", 1));
    assert!(measurement.report.lanes.contains_key(Lane::Compressed.key()));
    assert!(measurement.load_ms > 0.0 && !measurement.model.is_empty());
}
