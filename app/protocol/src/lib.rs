//! What page and worker say to each other. Every request has an id; the events it causes carry it.
//!
//! Messages are small and travel as JSON-like values. Files travel as text, one a message; model
//! files chosen by the user, and those of a shared index, travel as `File` handles beside the message
//! and are read in the worker.

use llavacode_api::completion::{CompletionEvent, CompletionRequest, Lane};
pub use llavacode_api::{
    completion::Task,
    report::{Options, Report, TaskResult},
};
use serde::{Deserialize, Serialize};

/// Names a request.
pub type RequestId = u32;

/// What the page posts. Files that a user chose for a bundle or a shared index stand beside it in the
/// same object, as `files: [{ path, file }]`: a `File` forgets its path in its folder when it is posted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope {
    /// Names the request; every reply carries it.
    pub id: RequestId,
    /// The request.
    pub request: Request,
}

/// From the page to the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Load a bundle and get ready. Answers: `Loading`…, then `Ready` or `Failed`.
    Load {
        /// Where the bundle's folder is.
        bundle: BundleSource,
        /// Which device to compute on.
        device: DeviceChoice,
        /// How many threads, where that is the CPU; without a number as many as suit the machine.
        #[serde(default)]
        threads: Option<usize>,
    },
    /// Bring the index to exactly these files. Files whose text is unchanged keep their vectors.
    /// Answers: `Indexing`…, then `Indexed` or `Failed`; `Skipped` for each file left out.
    Index {
        /// Name of the workspace: the key under which its index is kept.
        workspace: String,
        /// Every file of the workspace.
        files: Vec<SourceFile>,
        /// Where a shared index is: vectors that are kept there are not computed.
        #[serde(default)]
        shared: Option<SharedPlace>,
    },
    /// One file changed. Answers as `Index` does.
    UpdateFile {
        /// Name of the workspace.
        workspace: String,
        /// The file.
        file: SourceFile,
    },
    /// Complete at a cursor in these lanes, one after the other; what they share is done once. A
    /// completion still under way is cancelled. Answers: `Completion`… of each lane, the last its `Done`
    /// or `Failed`, then `Completed`; or `Cancelled`, or `Failed` if nothing can be completed.
    Complete {
        /// The text around it, and how to complete.
        cursor: CompletionRequest,
        /// In the order in which they are wanted.
        lanes: Vec<Lane>,
    },
    /// Say that the worker lives; it answers between any two passes. Answer: `Alive`.
    Ping,
    /// Stop what the request `target` started.
    Cancel {
        /// The request to stop.
        target: RequestId,
    },
    /// Fetch files into the store, one after the other; what is there already is passed over.
    /// Answers: `Fetching`…, then `Fetched`, or `Cancelled` or `Failed`. What came stays in any case.
    Fetch {
        /// The files.
        files: Vec<ModelFile>,
    },
    /// Measure on lines of the workspace that is indexed. Answers: `Measuring` and `TaskMeasured`…, then
    /// `Measured`, `Cancelled` or `Failed`.
    Measure {
        /// On which.
        tasks: Tasks,
        /// What.
        options: Options,
    },
}

/// Which lines are completed to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Tasks {
    /// These; a task's own file is left out of its retrieval.
    Given {
        /// The lines.
        tasks: Vec<Task>,
    },
    /// Some that are cut from these files.
    Cut {
        /// The workspace's files.
        files: Vec<SourceFile>,
        /// How many.
        count: usize,
    },
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Where it is; absolute.
    pub url: String,
    /// Lower-case hex digest, where it is known.
    pub sha256: Option<String>,
}

/// Where a bundle's folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum BundleSource {
    /// A URL that ends in `/`, in which `bundle.json` lies. Files of it that are in the store are taken
    /// from there.
    Url {
        /// Absolute.
        url: String,
    },
    /// GGUF files that need no manifest, by their addresses; from the store if they are there.
    Gguf {
        /// The reader's, absolute.
        reader: String,
        /// The encoder's, absolute.
        encoder: Option<String>,
    },
    /// Files the user chose, sent beside the message.
    Files,
}

/// Where a shared index is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum SharedPlace {
    /// In a folder on a server.
    Url {
        /// The folder's address, absolute and ending in `/`.
        url: String,
    },
    /// Among files the user chose, sent beside the message.
    Files {
        /// Names the choice: the same number stands for the same files.
        choice: u32,
    },
}

/// Which device to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// WebGPU on a GPU; the CPU where there is none, or only one that is computed by the processor,
    /// which is slower than the processor itself.
    Auto,
    /// WebGPU whatever computes it, or the CPU where it is missing or refuses.
    Webgpu,
    /// The CPU.
    Cpu,
}

/// A source file of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path in the workspace, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// How far the fetching of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Bytes come.
    Fetching {
        /// Bytes on the disk.
        read: u64,
        /// The file's length, where it is known.
        total: Option<u64>,
    },
    /// The connection is lost; it is tried again in a while.
    Waiting {
        /// Bytes on the disk.
        read: u64,
        /// The file's length, where it is known.
        total: Option<u64>,
    },
    /// All bytes are there, and their hash is computed.
    Checking {
        /// Bytes of it done.
        read: u64,
        /// The file's length.
        total: u64,
    },
}

/// From the worker to the page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reply {
    /// The request this belongs to.
    pub id: RequestId,
    /// What happened.
    pub event: Event,
}

/// What happened in the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A model file is being read.
    Loading {
        /// Its path in the bundle.
        file: String,
        /// Bytes read so far, over all files.
        read: u64,
        /// Bytes altogether.
        total: u64,
    },
    /// The models can be used.
    Ready(Box<EngineInfo>),
    /// A file is being fetched into the store.
    Fetching {
        /// Its address.
        url: String,
        /// How far it is.
        step: Step,
    },
    /// The files are in the store.
    Fetched,
    /// Chunks are being embedded.
    Indexing {
        /// Chunks done.
        done: usize,
        /// Chunks to do.
        total: usize,
    },
    /// A file was left out of the index.
    Skipped {
        /// Its path.
        path: String,
        /// A sentence.
        reason: String,
    },
    /// The index is up to date.
    Indexed(IndexInfo),
    /// A lane's completion goes on.
    Completion {
        /// The lane.
        lane: Lane,
        /// What happened in it.
        event: CompletionEvent,
    },
    /// Every lane has answered.
    Completed,
    /// The worker lives.
    Alive,
    /// The GPU that it computes on is gone; nothing it says from here on can be used.
    DeviceLost {
        /// What the browser says of it; may be empty.
        reason: String,
    },
    /// The request was cancelled.
    Cancelled,
    /// A measurement goes on.
    Measuring {
        /// What is measured now.
        stage: String,
        /// Steps done.
        done: usize,
        /// Steps altogether.
        total: usize,
    },
    /// A task was completed in every lane.
    TaskMeasured {
        /// How.
        result: TaskResult,
    },
    /// A measurement is done.
    Measured(Box<Measurement>),
    /// Something worth saying that stops nothing, e.g. storage refused.
    Notice {
        /// A sentence.
        message: String,
    },
    /// The request failed.
    Failed {
        /// A sentence that says what to do.
        message: String,
    },
}

/// What the engine runs on, for the status line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// The bundle's name and version.
    pub model: String,
    /// `webgpu` or `cpu`.
    pub backend: String,
    /// The adapter's name as the browser gives it; empty on the CPU.
    pub adapter: String,
    /// Why the CPU is used, if it was not asked for.
    pub fallback_reason: Option<String>,
    /// Whether WebGPU could be had all the same, by asking for it.
    pub webgpu_possible: bool,
    /// Whether the processor plays the GPU.
    pub software_gpu: bool,
    /// Threads that compute on the CPU.
    pub threads: usize,
    /// Why it is only one, if there could be more.
    pub thread_reason: Option<String>,
    /// Bytes of weights and caches on the device.
    pub memory_bytes: u64,
    /// Bytes of the worker's own memory, which never shrinks: the most that loading took.
    pub worker_bytes: u32,
    /// Time from the request to ready, in milliseconds.
    pub load_ms: f64,
    /// The lanes the bundle has models for.
    pub lanes: Vec<Lane>,
    /// Whether it has an encoder: chunks can be ranked by embeddings.
    pub embeds: bool,
    /// Most chunks it retrieves: the manifest's `prompt.top_k`.
    pub top_k: usize,
    /// The manifest's `least_confidence`.
    pub least_confidence: f64,
    /// The bundle's own sentence about itself.
    pub description: String,
    /// Its licence, an SPDX expression.
    pub license: String,
    /// What its release measured: the manifest's `evaluation`, as JSON text.
    pub evaluation: String,
}

/// What the index holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexInfo {
    /// Files indexed.
    pub files: usize,
    /// Chunks held.
    pub chunks: usize,
    /// Chunks whose vectors came from storage or were unchanged.
    pub reused: usize,
    /// Chunks embedded now.
    pub embedded: usize,
    /// Time taken, in milliseconds.
    pub elapsed_ms: f64,
    /// Parts of chunks whose vectors came from a shared index; `None` if none is in use.
    #[serde(default)]
    pub shared: Option<usize>,
    /// Whether it is kept for the next visit.
    pub persisted: bool,
}

/// What was measured, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The bundle's name and version.
    pub model: String,
    /// `webgpu` or `cpu`.
    pub backend: String,
    /// The adapter's name; empty on the CPU.
    pub adapter: String,
    /// Time from the request for the models to ready, in milliseconds.
    pub load_ms: f64,
    /// What was measured.
    pub report: Report,
}
