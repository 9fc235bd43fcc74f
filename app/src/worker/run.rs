//! Carries the jobs out, one at a time.

use std::{cell::RefCell, rc::Rc};

use llavacode_core::{
    Error,
    bench::{self, Task},
    engine::{CancelFlag, CompletionRequest, Engine, Host},
    index::{
        Index,
        store::{Storage, model_key},
    },
};
use wasm_bindgen::JsCast;

use super::{
    device::{self, Chosen},
    fetch,
    files::BrowserFiles,
    host::WorkerHost,
    jobs::{Embedding, Job, Jobs, Work},
    send,
    storage::IndexedDb,
};
use llavacode_app::protocol::{
    BundleSource, DeviceChoice, EngineInfo, Event, IndexInfo, RequestId, SourceFile,
};

/// The engine and where its index is kept.
#[derive(Default)]
pub(super) struct Runner {
    engine: Option<Engine<WorkerHost>>,
    /// Opened once: a GPU runtime cannot be opened anew in the same worker.
    webgpu: Option<Chosen>,
    storage: Option<IndexedDb>,
    /// The workspace the index in memory belongs to.
    workspace: Option<String>,
    /// What the last load said, for the report of a measurement.
    info: Option<EngineInfo>,
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
            Work::UpdateFile { workspace, file } => self.update(workspace, file).await,
            Work::Embed(embedding) => self.embed(id, cancel, embedding).await,
            Work::Fetch { files } => fetch::all(id, cancel, &files).await.map(Outcome::Over),
            Work::Complete(request) => self.complete(id, cancel, &request).await.map(Outcome::Over),
            Work::Measure { tasks } => self.measure(id, cancel, tasks).await.map(Outcome::Over),
        }
    }

    /// The engine, once a bundle is loaded.
    fn engine(&mut self) -> Result<&mut Engine<WorkerHost>, Error> {
        self.engine.as_mut().ok_or(Error::NotLoaded)
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

    async fn index(
        &mut self,
        id: RequestId,
        workspace: String,
        files: Vec<SourceFile>,
    ) -> Result<Outcome, Error> {
        let started_ms = WorkerHost.now_ms();
        if self.workspace.as_ref() != Some(&workspace) {
            self.recall(id, &workspace).await?;
        }
        let engine = self.engine()?;
        engine.index.retain(files.iter().map(|file| file.path.as_str()));
        for file in &files {
            engine.index.update_file(&file.path, &file.text);
        }
        let total = engine.pending().len();
        self.workspace = Some(workspace.clone());
        Ok(Outcome::Continue(Work::Embed(Embedding { workspace, total, done: 0, started_ms })))
    }

    /// Takes the workspace's stored index up, where there is one and it fits the models.
    async fn recall(&mut self, id: RequestId, workspace: &str) -> Result<(), Error> {
        let manifest = &self.engine()?.manifest;
        let (chunking, key) = (manifest.chunking, model_key(manifest));
        let stored = match self.storage().await {
            Ok(storage) => storage.get(&storage_key(workspace, &key)).await,
            Err(error) => Err(error),
        };
        let engine = self.engine()?;
        let recalled = match stored {
            Ok(Some(bytes)) => Index::from_bytes(&bytes, chunking, &key),
            Ok(None) => Ok(Index::new(chunking, key.clone())),
            Err(error) => Err(error),
        };
        engine.index = recalled.unwrap_or_else(|error| {
            send(id, Event::Notice { message: error.to_string() });
            Index::new(chunking, key)
        });
        Ok(())
    }

    async fn update(&mut self, workspace: String, file: SourceFile) -> Result<Outcome, Error> {
        let started_ms = WorkerHost.now_ms();
        let engine = self.engine()?;
        engine.index.update_file(&file.path, &file.text);
        let total = engine.pending().len();
        Ok(Outcome::Continue(Work::Embed(Embedding { workspace, total, done: 0, started_ms })))
    }

    async fn embed(
        &mut self,
        id: RequestId,
        cancel: &CancelFlag,
        mut job: Embedding,
    ) -> Result<Outcome, Error> {
        cancel.check()?;
        let embedded = self.engine()?.embed_pending().await?;
        job.done += embedded;
        if embedded > 0 {
            send(id, Event::Indexing { done: job.done, total: job.total.max(job.done) });
            return Ok(Outcome::Continue(Work::Embed(job)));
        }
        let persisted = match self.keep(&job.workspace).await {
            Ok(()) => true,
            Err(error) => {
                send(id, Event::Notice { message: error.to_string() });
                false
            }
        };
        let stats = self.engine()?.index.stats();
        Ok(Outcome::Over(Event::Indexed(IndexInfo {
            files: stats.files,
            chunks: stats.chunks,
            reused: stats.chunks.saturating_sub(job.done),
            embedded: job.done,
            elapsed_ms: WorkerHost.now_ms() - job.started_ms,
            persisted,
        })))
    }

    async fn keep(&mut self, workspace: &str) -> Result<(), Error> {
        let engine = self.engine()?;
        let (bytes, key) = (engine.index.to_bytes(), model_key(&engine.manifest));
        self.storage().await?.put(&storage_key(workspace, &key), bytes).await
    }

    async fn storage(&mut self) -> Result<&IndexedDb, Error> {
        match &mut self.storage {
            Some(storage) => Ok(storage),
            none => Ok(none.insert(IndexedDb::open().await?)),
        }
    }

    async fn complete(
        &mut self,
        id: RequestId,
        cancel: &CancelFlag,
        request: &CompletionRequest,
    ) -> Result<Event, Error> {
        let tell = |event| send(id, Event::Completion(event));
        let completion = self.engine()?.complete(request, cancel, tell).await?;
        Ok(Event::Completion(llavacode_core::engine::CompletionEvent::Done(completion)))
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
        let report = bench::run(self.engine()?, &tasks, cancel, progress).await?;
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

/// Where a workspace's index is kept: models that make other vectors have an index of their own.
fn storage_key(workspace: &str, model_key: &str) -> String {
    format!("{workspace}\n{model_key}")
}
