//! The page's part: a script that posts a request when it hears an event, and everything that was told.

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
    bundle::read_manifest,
    config::BundleManifest,
    engine::{CancelFlag, Host},
    index::{TextHash, Vectors},
    weights::{BundleFiles, FolderFiles, MemoryFiles, MemorySource},
    workspace::{MemoryCache, SharedFolder, SharedSource, VectorCache},
};
use llavacode_protocol::{
    BundleSource, DeviceChoice, Envelope, Event, IndexInfo, ModelFile, Request, RequestId, SourceFile, Step,
};
use llavacode_worker::{Beside, OpenDevice, Platform, Worker};

/// A page that plays its part by a script: at an event, a request.
#[derive(Clone)]
pub(crate) struct Desk(pub(crate) Rc<Inner>);

pub(crate) struct Inner {
    start: Instant,
    pub(crate) heard: RefCell<Vec<(RequestId, Event)>>,
    script: RefCell<Vec<Line>>,
    /// Requests of the script that the worker takes in when it yields.
    posted: RefCell<Vec<Envelope>>,
    worker: RefCell<Option<Worker<Desk>>>,
    pub(crate) cache_refuses: Cell<bool>,
    /// Files beside a request cannot be read.
    pub(crate) unreadable: Cell<bool>,
    /// How many of them were read.
    pub(crate) read: Cell<usize>,
    /// Every file that was to be fetched.
    pub(crate) fetched: RefCell<Vec<String>>,
}

/// At the first event that is meant, this request is posted.
struct Line {
    at: fn(&Event) -> bool,
    request: Option<Envelope>,
}

/// A cache that may refuse.
pub(crate) struct Cache {
    kept: MemoryCache,
    refuses: bool,
}

impl VectorCache for Cache {
    async fn get_many(&self, model: &str, texts: &[TextHash]) -> Result<Vec<Option<Vectors>>> {
        self.kept.get_many(model, texts).await
    }

    async fn put_many(&mut self, model: &str, vectors: &[(TextHash, &Vectors)]) -> Result<()> {
        match self.refuses {
            true => Err(Error::Storage { reason: "the disk is full".into() }),
            false => self.kept.put_many(model, vectors).await,
        }
    }
}

/// A bundle's files, on the disk or chosen by the user.
pub(crate) enum Files {
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

    async fn device(&self, _: DeviceChoice, _: Option<usize>) -> OpenDevice {
        OpenDevice::cpu(None, false)
    }

    async fn cache(&self) -> (Cache, Result<()>) {
        (Cache { kept: MemoryCache::default(), refuses: self.0.cache_refuses.get() }, Ok(()))
    }

    /// The address is a folder's path.
    fn shared(&self, url: &str) -> Box<dyn SharedSource> {
        Box::new(SharedFolder { folder: url.into() })
    }

    fn length(&self, file: &Vec<u8>) -> u64 {
        file.len() as u64
    }

    async fn read(&self, file: &Vec<u8>) -> Result<Vec<u8>, String> {
        if self.0.unreadable.get() {
            return Err("it has changed".into());
        }
        self.0.read.set(self.0.read.get() + 1);
        Ok(file.clone())
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
    pub(crate) fn new() -> Self {
        let desk = Self(Rc::new(Inner {
            start: Instant::now(),
            heard: RefCell::default(),
            script: RefCell::default(),
            posted: RefCell::default(),
            worker: RefCell::default(),
            cache_refuses: Cell::default(),
            unreadable: Cell::default(),
            read: Cell::default(),
            fetched: RefCell::default(),
        }));
        desk.0.worker.replace(Some(Worker::new(desk.clone())));
        desk
    }

    /// One whose worker has loaded the page's own bundle.
    pub(crate) fn ready() -> Self {
        let desk = Self::new();
        desk.ask(1, load(&bundle_folder()));
        assert!(matches!(desk.last(1), Event::Ready(_)), "{:?}", desk.last(1));
        desk
    }

    /// One that has taken these files in too.
    pub(crate) fn with_files(files: Vec<SourceFile>) -> Self {
        let desk = Self::ready();
        desk.ask(2, index("shapes", files));
        assert!(matches!(desk.last(2), Event::Indexed(_)), "{:?}", desk.last(2));
        desk
    }

    fn worker(&self) -> Worker<Self> {
        self.0.worker.borrow().clone().expect("there is one")
    }

    /// Posts a request once an event is told.
    pub(crate) fn when(&self, at: fn(&Event) -> bool, id: RequestId, request: Request) {
        self.0.script.borrow_mut().push(Line { at, request: Some(Envelope { id, request }) });
    }

    /// Asks, and lets the worker work until nothing waits.
    pub(crate) fn ask(&self, id: RequestId, request: Request) {
        self.ask_with(id, request, Vec::new());
    }

    pub(crate) fn ask_with(&self, id: RequestId, request: Request, beside: Vec<Beside<Vec<u8>>>) {
        let worker = self.worker();
        worker.accept(Envelope { id, request }, beside);
        pollster::block_on(worker.work());
        let left = self.0.script.borrow().iter().any(|line| line.request.is_some());
        assert!(!left, "an event that the script waits for never came");
    }

    /// Everything told of a request.
    pub(crate) fn of(&self, id: RequestId) -> Vec<Event> {
        let heard = self.0.heard.borrow();
        heard.iter().filter(|(of, _)| *of == id).map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn last(&self, id: RequestId) -> Event {
        self.of(id).pop().expect("it was answered")
    }

    /// Where in the conversation an event of a request stands.
    pub(crate) fn place(&self, id: RequestId, which: fn(&Event) -> bool) -> usize {
        let heard = self.0.heard.borrow();
        heard.iter().position(|(of, event)| *of == id && which(event)).expect("it was told")
    }

    pub(crate) fn indexed(&self, id: RequestId) -> IndexInfo {
        match self.last(id) {
            Event::Indexed(info) => info,
            other => panic!("not indexed: {other:?}"),
        }
    }
}

pub(crate) fn bundle_folder() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../public/bundle").display().to_string()
}

pub(crate) fn load(folder: &str) -> Request {
    Request::Load {
        bundle: BundleSource::Url { url: folder.into() },
        device: DeviceChoice::Auto,
        threads: None,
    }
}

pub(crate) fn index(workspace: &str, files: Vec<SourceFile>) -> Request {
    Request::Index { workspace: workspace.into(), files, shared: None }
}

pub(crate) fn update(workspace: &str, file: SourceFile) -> Request {
    Request::UpdateFile { workspace: workspace.into(), file }
}
