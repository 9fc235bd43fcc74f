//! Carries the jobs out, one at a time.

use std::{cell::RefCell, collections::VecDeque, num::NonZeroUsize};

use llavacode_core::{
    Error,
    bench::{self, Progress, Task},
    engine::{CancelFlag, CompletionEvent, Engine, Lane, Place},
    kernel::threads,
    tasks::cut_project,
    workspace::{Embed, Pace, SharedIndex, VectorCache, Workspace},
};
use llavacode_protocol::{
    BundleSource, DeviceChoice, EngineInfo, Event, IndexInfo, Measurement, ModelFile, Options, RequestId,
    SharedPlace, SourceFile, Tasks,
};

use crate::{
    jobs::{Embedding, Job, Jobs, Work},
    platform::{Beside, OpenDevice, Platform},
    shared,
};

/// The engine and the files it completes in.
pub(crate) struct Runner<P: Platform> {
    platform: P,
    engine: Option<Engine<P>>,
    /// Opened once: a GPU runtime cannot be opened anew in the same worker.
    webgpu: Option<OpenDevice>,
    workspace: Option<Open<P::Cache>>,
    /// What the last load said, for the report of a measurement.
    info: Option<EngineInfo>,
    /// How much this device embeds in a moment.
    pace: Pace,
}

/// The workspace in use.
struct Open<C> {
    name: String,
    files: Workspace<C>,
    /// Vectors outlast the visit, as far as is known: a refusal is told once.
    persisted: bool,
    /// Where the shared index in use is.
    shared: Option<SharedPlace>,
}

impl<C: VectorCache> Open<C> {
    /// Takes a shared index into use, or none; `beside` are its files, if the user chose some. One that
    /// cannot be used is told, and done without.
    async fn use_shared<P: Platform>(
        &mut self,
        platform: &P,
        id: RequestId,
        (place, beside): (Option<SharedPlace>, Vec<Beside<P::Handle>>),
        widths: Vec<usize>,
    ) {
        if self.shared == place && self.files.shared().is_some() == place.is_some() {
            return;
        }
        let opened = match &place {
            Some(place) => {
                shared::open(platform, place, beside, self.files.model_key(), widths).await.map(Some)
            }
            None => Ok(None),
        };
        let shared = opened.unwrap_or_else(|error| {
            platform.send(id, Event::Notice { message: error.to_string() });
            None
        });
        self.files.set_shared(shared);
        self.shared = place;
    }
}

/// Whether a job is over or goes back into the queue.
enum Outcome<H> {
    Over(Event),
    Continue(Work<H>),
}

type Ran<P> = Result<Outcome<<P as Platform>::Handle>, Error>;

impl<P: Platform> Runner<P> {
    pub(crate) fn new(platform: P) -> Self {
        Self {
            platform,
            engine: None,
            webgpu: None,
            workspace: None,
            info: None,
            pace: Pace::of_parts(NonZeroUsize::MIN),
        }
    }

    /// Works until nothing waits.
    pub(crate) async fn run_all(&mut self, jobs: &RefCell<Jobs<P::Handle>>) {
        loop {
            let Some(Job { id, cancel, work }) = jobs.borrow_mut().next() else { return };
            match self.run(id, &cancel, work).await {
                Ok(Outcome::Continue(work)) => jobs.borrow_mut().push(Job { id, cancel, work }),
                Ok(Outcome::Over(event)) => self.answer(jobs, id, event),
                Err(Error::Cancelled) => self.answer(jobs, id, Event::Cancelled),
                Err(error) => self.answer(jobs, id, Event::Failed { message: error.to_string() }),
            }
            self.platform.yield_now().await;
        }
    }

    /// Tells the last of a request.
    fn answer(&self, jobs: &RefCell<Jobs<P::Handle>>, id: RequestId, event: Event) {
        jobs.borrow_mut().finish(id);
        self.platform.send(id, event);
    }

    async fn run(&mut self, id: RequestId, cancel: &CancelFlag, work: Work<P::Handle>) -> Ran<P> {
        if cancel.is_cancelled() {
            if let (Work::Embed(_), Some(open)) = (&work, &mut self.workspace) {
                // What was embedded stays.
                open.files.flush().await;
            }
            return Err(Error::Cancelled);
        }
        match work {
            Work::Load { bundle, files, device, threads } => {
                self.load(id, bundle, files, (device, threads)).await
            }
            Work::Index { workspace, files, shared, beside } => {
                self.index(id, workspace, files, (shared, beside)).await
            }
            Work::UpdateFile { workspace, file } => self.update(workspace, &file),
            Work::Embed(embedding) => self.embed(id, embedding).await,
            Work::Fetch { files } => self.fetch(id, cancel, files).await,
            Work::Complete { place, lanes } => self.complete(id, cancel, place, lanes).await,
            Work::Measure { tasks, options } => self.measure(id, cancel, tasks, options).await,
        }
    }

    /// Engine and workspace, once a bundle is loaded and files are there.
    fn both(&mut self) -> Result<(&mut Engine<P>, &mut Workspace<P::Cache>), Error> {
        let engine = self.engine.as_mut().ok_or(Error::NotLoaded)?;
        let open = self.workspace.as_mut().ok_or(Error::NotLoaded)?;
        Ok((engine, &mut open.files))
    }

    async fn load(
        &mut self,
        id: RequestId,
        bundle: BundleSource,
        beside: Vec<Beside<P::Handle>>,
        (choice, threads): (DeviceChoice, Option<usize>),
    ) -> Ran<P> {
        let platform = self.platform.clone();
        let started = platform.now_ms();
        let (files, manifest) = platform.open(bundle, beside).await?;
        // The old models leave the device before the new ones come.
        self.engine = None;
        self.workspace = None;
        self.pace = Pace::of_parts(manifest.prompt.soft_tokens);
        let opened = match (&self.webgpu, choice) {
            (Some(opened), DeviceChoice::Auto | DeviceChoice::Webgpu) => opened.clone(),
            _ => platform.device(choice, threads).await,
        };
        if opened.backend == "webgpu" {
            // What helped on the CPU holds weights of models that are gone.
            threads::engage(Vec::new());
            self.webgpu = Some(opened.clone());
        }
        let engine = Engine::load_models(&files, manifest, &opened.device, platform.clone(), |progress| {
            let event = Event::Loading { file: progress.file, read: progress.read, total: progress.total };
            platform.send(id, event);
        })
        .await?;
        if opened.backend == "webgpu" {
            engine.self_test().await?;
        }
        let info = EngineInfo {
            model: format!("{} {}", engine.manifest.name, engine.manifest.version).trim_end().to_owned(),
            backend: opened.backend.into(),
            adapter: opened.adapter,
            fallback_reason: opened.fallback_reason,
            webgpu_possible: opened.webgpu_possible,
            software_gpu: opened.software_gpu,
            threads: opened.threads,
            thread_reason: opened.thread_reason,
            memory_bytes: engine.memory_bytes(),
            worker_bytes: platform.memory_bytes(),
            load_ms: platform.now_ms() - started,
            lanes: engine.lanes(),
            embeds: engine.embeds(),
            top_k: engine.manifest.prompt.top_k,
            least_confidence: engine.manifest.least_confidence,
            description: engine.manifest.description.clone(),
            license: engine.manifest.license.clone(),
            evaluation: engine.manifest.evaluation.to_string(),
        };
        self.engine = Some(engine);
        self.info = Some(info.clone());
        Ok(Outcome::Over(Event::Ready(Box::new(info))))
    }

    /// The workspace of this name, with the models in use; the one before goes.
    async fn open(&mut self, id: RequestId, name: &str) -> Result<&mut Open<P::Cache>, Error> {
        let manifest = &self.engine.as_ref().ok_or(Error::NotLoaded)?.manifest;
        let open = match self.workspace.take() {
            Some(open) if open.name == name => open,
            before => {
                let (cache, persisted) = match before {
                    Some(mut open) => {
                        open.files.flush().await;
                        (open.files.into_cache(), open.persisted)
                    }
                    None => {
                        let (cache, opened) = self.platform.cache().await;
                        if let Err(error) = &opened {
                            self.platform.send(id, Event::Notice { message: error.to_string() });
                        }
                        (cache, opened.is_ok())
                    }
                };
                let files = Workspace::of_bundle(manifest, cache);
                Open { name: name.to_owned(), files, persisted, shared: None }
            }
        };
        Ok(self.workspace.insert(open))
    }

    /// The workspace in use, if it is the one that is meant: work for another came too late.
    fn open_as(&mut self, name: &str) -> Result<&mut Open<P::Cache>, Error> {
        self.workspace.as_mut().filter(|open| open.name == name).ok_or(Error::Cancelled)
    }

    async fn index(
        &mut self,
        id: RequestId,
        workspace: String,
        files: Vec<SourceFile>,
        (shared, beside): (Option<SharedPlace>, Vec<Beside<P::Handle>>),
    ) -> Ran<P> {
        let started_ms = self.platform.now_ms();
        let platform = self.platform.clone();
        let embeds = self.engine.as_ref().is_some_and(Engine::embeds);
        let widths = self.engine.as_ref().map(Engine::vector_widths).unwrap_or_default();
        let open = self.open(id, &workspace).await?;
        open.use_shared(&platform, id, (shared.filter(|_| embeds), beside), widths).await;
        open.files.set_files(files.iter().map(|file| (file.path.as_str(), file.text.as_str())));
        let total = open.files.waiting();
        Ok(Outcome::Continue(Work::Embed(Embedding { workspace, total, done: 0, embedded: 0, started_ms })))
    }

    fn update(&mut self, workspace: String, file: &SourceFile) -> Ran<P> {
        let started_ms = self.platform.now_ms();
        let open = self.open_as(&workspace)?;
        open.files.update(&file.path, &file.text);
        open.files.focus(&file.path);
        let total = open.files.waiting();
        Ok(Outcome::Continue(Work::Embed(Embedding { workspace, total, done: 0, embedded: 0, started_ms })))
    }

    /// Gives the next chunks their vectors.
    async fn embed(&mut self, id: RequestId, mut job: Embedding) -> Ran<P> {
        let platform = self.platform.clone();
        let open =
            self.workspace.as_mut().filter(|open| open.name == job.workspace).ok_or(Error::Cancelled)?;
        let engine = self.engine.as_ref().ok_or(Error::NotLoaded)?;
        let started = platform.now_ms();
        let step = open.files.embed_next(engine, self.pace.batch()).await?;
        self.pace.took(step.embedded, platform.now_ms() - started);
        if let Some(refusal) = open.files.take_refusal() {
            // A shared index that fails keeps nothing from being kept.
            let is_shared = matches!(refusal, Error::SharedIndex { .. });
            if is_shared || std::mem::take(&mut open.persisted) {
                platform.send(id, Event::Notice { message: refusal.to_string() });
            }
        }
        if !step.is_over() {
            job.done += step.chunks;
            job.embedded += if step.embedded > 0 { step.chunks } else { 0 };
            platform.send(id, Event::Indexing { done: job.done, total: job.total.max(job.done) });
            return Ok(Outcome::Continue(Work::Embed(job)));
        }
        let stats = open.files.index().stats();
        Ok(Outcome::Over(Event::Indexed(IndexInfo {
            files: stats.files,
            chunks: stats.chunks,
            reused: stats.chunks.saturating_sub(job.embedded),
            embedded: job.embedded,
            elapsed_ms: platform.now_ms() - job.started_ms,
            shared: open.files.shared().map(SharedIndex::given),
            persisted: open.persisted,
        })))
    }

    /// Completes in the next lane. A lane that fails leaves the others theirs.
    async fn complete(
        &mut self,
        id: RequestId,
        cancel: &CancelFlag,
        mut place: Box<Place>,
        mut lanes: VecDeque<Lane>,
    ) -> Ran<P> {
        let Some(lane) = lanes.pop_front() else { return Ok(Outcome::Over(Event::Completed)) };
        let platform = self.platform.clone();
        let tell = |event| platform.send(id, Event::Completion { lane, event });
        let (engine, files) = self.both()?;
        files.focus(&place.request().path);
        match engine.complete(files, &mut place, lane, cancel, tell).await {
            Ok(_) => {}
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => tell(CompletionEvent::Failed { message: error.to_string() }),
        }
        Ok(Outcome::Continue(Work::Complete { place, lanes }))
    }

    /// Fetches the next file.
    async fn fetch(&self, id: RequestId, cancel: &CancelFlag, mut files: VecDeque<ModelFile>) -> Ran<P> {
        let Some(file) = files.pop_front() else { return Ok(Outcome::Over(Event::Fetched)) };
        let tell = |step| self.platform.send(id, Event::Fetching { url: file.url.clone(), step });
        self.platform.fetch(&file, cancel, tell).await?;
        Ok(Outcome::Continue(Work::Fetch { files }))
    }

    async fn measure(
        &mut self,
        id: RequestId,
        cancel: &CancelFlag,
        tasks: Tasks,
        options: Options,
    ) -> Ran<P> {
        let info = self.info.clone().ok_or(Error::NotLoaded)?;
        let platform = self.platform.clone();
        let tasks = match tasks {
            Tasks::Given { tasks } => tasks,
            Tasks::Cut { files, count } => tasks_of(&files, count)?,
        };
        let progress = |progress: Progress<'_>| {
            let event = match progress {
                Progress::Stage { name, done, total } => Event::Measuring { stage: name.into(), done, total },
                Progress::Task(result) => Event::TaskMeasured { result: result.clone() },
            };
            platform.send(id, event);
        };
        let (engine, files) = self.both()?;
        let report = bench::run(engine, files, &tasks, options, cancel, progress).await?;
        let measurement = Measurement {
            model: info.model,
            backend: info.backend,
            adapter: info.adapter,
            load_ms: info.load_ms,
            report,
        };
        Ok(Outcome::Over(Event::Measured(Box::new(measurement))))
    }
}

/// The seed of tasks cut from a workspace: the same files give the same lines.
const TASKS_SEED: u64 = 20_251_019;

fn tasks_of(files: &[SourceFile], count: usize) -> Result<Vec<Task>, Error> {
    let files: Vec<(&str, &str)> =
        files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let tasks = cut_project(&files, count, TASKS_SEED);
    match tasks.is_empty() {
        false => Ok(tasks),
        true => Err(Error::Measurement {
            reason: "this workspace has no lines to complete: open one with Python files".into(),
        }),
    }
}
