//! Carries the jobs out, one at a time.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use llavacode_core::{
    Error,
    bench::{self, Task},
    bundle::model_key,
    engine::{CancelFlag, CompletionEvent, EMBED_BATCH, Engine, Host, Lane, Place},
    workspace::{MemoryCache, Workspace},
};
use wasm_bindgen::JsCast;

use super::{
    device::{self, Chosen},
    fetch,
    files::BrowserFiles,
    host::WorkerHost,
    jobs::{Embedding, Job, Jobs, Work},
    send,
    storage::{BrowserCache, IndexedDb},
};
use llavacode_app::protocol::{
    BundleSource, DeviceChoice, EngineInfo, Event, IndexInfo, RequestId, SourceFile,
};

/// The engine and the files it completes in.
#[derive(Default)]
pub(super) struct Runner {
    engine: Option<Engine<WorkerHost>>,
    /// Opened once: a GPU runtime cannot be opened anew in the same worker.
    webgpu: Option<Chosen>,
    workspace: Option<Open>,
    /// What the last load said, for the report of a measurement.
    info: Option<EngineInfo>,
}

/// The workspace in use.
struct Open {
    name: String,
    files: Workspace<BrowserCache>,
    /// No cache has refused yet: the person is told once.
    kept: bool,
}

/// Whether a job is over or goes back into the queue.
enum Outcome {
    Over(Event),
    Continue(Work),
}

impl Runner {
    /// Works until nothing waits.
    pub(super) async fn run_all(&mut self, jobs: &Rc<RefCell<Jobs>>) {
        loop {
            let Some(job) = jobs.borrow_mut().next() else { return };
            let Job { id, cancel, work } = job;
            match self.run(id, &cancel, work).await {
                Ok(Outcome::Continue(work)) => jobs.borrow_mut().push(Job { id, cancel, work }),
                outcome => {
                    jobs.borrow_mut().finish(id);
                    send(
                        id,
                        match outcome {
                            Ok(Outcome::Over(event)) => event,
                            Err(Error::Cancelled) | Ok(Outcome::Continue(_)) => Event::Cancelled,
                            Err(error) => Event::Failed { message: error.to_string() },
                        },
                    );
                }
            }
            WorkerHost.yield_now().await;
        }
    }

    async fn run(&mut self, id: RequestId, cancel: &CancelFlag, work: Work) -> Result<Outcome, Error> {
        match work {
            Work::Load { bundle, files, device } => {
                let files = match bundle {
                    BundleSource::Url { url } => BrowserFiles::Url(url),
                    BundleSource::Gguf { reader, encoder } => {
                        BrowserFiles::gguf(&reader, encoder.as_deref()).await?
                    }
                    BundleSource::Files => BrowserFiles::chosen(files),
                };
                self.load(id, files, device).await.map(Outcome::Over)
            }
            Work::Index { workspace, files } => self.index(id, workspace, files).await,
            Work::UpdateFile { workspace, file } => self.update(workspace, &file),
            Work::Embed(embedding) => self.embed(id, cancel, embedding).await,
            Work::Fetch { files } => fetch::all(id, cancel, &files).await.map(Outcome::Over),
            Work::Complete { place, lanes } => self.complete(id, cancel, place, lanes).await,
            Work::Measure { tasks } => self.measure(id, cancel, tasks).await.map(Outcome::Over),
        }
    }

    /// Engine and workspace, once a bundle is loaded and files are there.
    fn both(&mut self) -> Result<(&mut Engine<WorkerHost>, &mut Workspace<BrowserCache>), Error> {
        let engine = self.engine.as_mut().ok_or(Error::NotLoaded)?;
        let open = self.workspace.as_mut().ok_or(Error::NotLoaded)?;
        Ok((engine, &mut open.files))
    }

    async fn load(
        &mut self,
        id: RequestId,
        files: BrowserFiles,
        choice: DeviceChoice,
    ) -> Result<Event, Error> {
        let started = WorkerHost.now_ms();
        // The old models leave the device before the new ones come.
        self.engine = None;
        self.workspace = None;
        let chosen = match (&self.webgpu, choice) {
            (Some(opened), DeviceChoice::Auto | DeviceChoice::Webgpu) => opened.clone(),
            _ => device::choose(choice).await,
        };
        if chosen.backend == "webgpu" {
            self.webgpu = Some(chosen.clone());
        }
        let manifest = files.manifest().await?;
        let engine = Engine::load_models(&files, manifest, &chosen.device, WorkerHost, |progress| {
            send(id, Event::Loading { file: progress.file, read: progress.read, total: progress.total });
        });
        let engine = engine.await?;
        if chosen.backend == "webgpu" {
            engine.self_test().await?;
        }
        let info = EngineInfo {
            model: format!("{} {}", engine.manifest.name, engine.manifest.version).trim_end().to_owned(),
            backend: chosen.backend.into(),
            adapter: chosen.adapter,
            fallback_reason: chosen.fallback_reason,
            webgpu_possible: chosen.webgpu_possible,
            software_gpu: chosen.software_gpu,
            memory_bytes: engine.memory_bytes(),
            worker_bytes: worker_bytes(),
            load_ms: WorkerHost.now_ms() - started,
            lanes: engine.lanes(),
            description: engine.manifest.description.clone(),
            license: engine.manifest.license.clone(),
            evaluation: engine.manifest.evaluation.to_string(),
        };
        self.engine = Some(engine);
        self.info = Some(info.clone());
        Ok(Event::Ready(info))
    }

    /// The workspace of this name, with the models in use; the one before goes.
    async fn open(&mut self, id: RequestId, name: &str) -> Result<(), Error> {
        if self.workspace.as_ref().is_some_and(|open| open.name == name) {
            return Ok(());
        }
        let manifest = &self.engine.as_ref().ok_or(Error::NotLoaded)?.manifest;
        let (chunking, key) = (manifest.chunking, model_key(manifest));
        let cache = match self.workspace.take() {
            Some(mut open) => {
                open.files.flush().await;
                open.files.into_cache()
            }
            None => match IndexedDb::open().await {
                Ok(database) => BrowserCache::Kept(database),
                Err(error) => {
                    send(id, Event::Notice { message: error.to_string() });
                    BrowserCache::Forgotten(MemoryCache::default())
                }
            },
        };
        let files = Workspace::new(chunking, key, cache);
        self.workspace = Some(Open { name: name.to_owned(), files, kept: true });
        Ok(())
    }

    async fn index(
        &mut self,
        id: RequestId,
        workspace: String,
        files: Vec<SourceFile>,
    ) -> Result<Outcome, Error> {
        let started_ms = WorkerHost.now_ms();
        self.open(id, &workspace).await?;
        let open = self.open_as(&workspace)?;
        open.files.set_files(files.iter().map(|file| (file.path.as_str(), file.text.as_str())));
        let total = open.files.waiting();
        Ok(Outcome::Continue(Work::Embed(Embedding { workspace, total, done: 0, embedded: 0, started_ms })))
    }

    fn update(&mut self, workspace: String, file: &SourceFile) -> Result<Outcome, Error> {
        let started_ms = WorkerHost.now_ms();
        let open = self.open_as(&workspace)?;
        open.files.update(&file.path, &file.text);
        let total = open.files.waiting();
        Ok(Outcome::Continue(Work::Embed(Embedding { workspace, total, done: 0, embedded: 0, started_ms })))
    }

    /// The workspace in use, if it is the one that is meant: work for another came too late.
    fn open_as(&mut self, name: &str) -> Result<&mut Open, Error> {
        self.workspace.as_mut().filter(|open| open.name == name).ok_or(Error::Cancelled)
    }

    async fn embed(
        &mut self,
        id: RequestId,
        cancel: &CancelFlag,
        mut job: Embedding,
    ) -> Result<Outcome, Error> {
        let open =
            self.workspace.as_mut().filter(|open| open.name == job.workspace).ok_or(Error::Cancelled)?;
        if cancel.is_cancelled() {
            // What was embedded stays.
            open.files.flush().await;
            return Err(Error::Cancelled);
        }
        let engine = self.engine.as_ref().ok_or(Error::NotLoaded)?;
        let step = open.files.embed_next(engine, EMBED_BATCH).await?;
        if let Some(refusal) = open.files.take_refusal()
            && std::mem::take(&mut open.kept)
        {
            send(id, Event::Notice { message: refusal.to_string() });
        }
        if !step.is_over() {
            job.done += step.recalled + step.embedded;
            job.embedded += step.embedded;
            send(id, Event::Indexing { done: job.done, total: job.total.max(job.done) });
            return Ok(Outcome::Continue(Work::Embed(job)));
        }
        let stats = open.files.index().stats();
        let kept = open.kept && matches!(open.files.cache(), BrowserCache::Kept(_));
        Ok(Outcome::Over(Event::Indexed(IndexInfo {
            files: stats.files,
            chunks: stats.chunks,
            reused: stats.chunks.saturating_sub(job.embedded),
            embedded: job.embedded,
            elapsed_ms: WorkerHost.now_ms() - job.started_ms,
            persisted: kept,
        })))
    }

    /// Completes in the next lane. A lane that fails leaves the others theirs.
    async fn complete(
        &mut self,
        id: RequestId,
        cancel: &CancelFlag,
        mut place: Place,
        mut lanes: VecDeque<Lane>,
    ) -> Result<Outcome, Error> {
        let Some(lane) = lanes.pop_front() else { return Ok(Outcome::Over(Event::Completed)) };
        let tell = |event| send(id, Event::Completion { lane, event });
        let (engine, files) = self.both()?;
        match engine.complete(files, &mut place, lane, cancel, tell).await {
            Ok(_) => {}
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => tell(CompletionEvent::Failed { message: error.to_string() }),
        }
        Ok(Outcome::Continue(Work::Complete { place, lanes }))
    }

    async fn measure(
        &mut self,
        id: RequestId,
        cancel: &CancelFlag,
        tasks: Vec<Task>,
    ) -> Result<Event, Error> {
        let info = self.info.clone().ok_or(Error::NotLoaded)?;
        let progress =
            |stage: &str, done, total| send(id, Event::Measuring { stage: stage.into(), done, total });
        let (engine, files) = self.both()?;
        let report = bench::run(engine, files, &tasks, cancel, progress).await?;
        let mut report =
            serde_json::to_value(report).map_err(|e| Error::Measurement { reason: e.to_string() })?;
        report["model"] = info.model.into();
        report["backend"] = info.backend.into();
        report["adapter"] = info.adapter.into();
        report["load"] = serde_json::json!({ "ms": info.load_ms });
        Ok(Event::Measured { report: report.to_string() })
    }
}

/// The size of this WebAssembly's memory.
fn worker_bytes() -> u32 {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    memory.buffer().unchecked_into::<js_sys::ArrayBuffer>().byte_length()
}
