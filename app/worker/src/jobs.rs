//! What is waiting to be done, and what comes first ([`rank`]); of one rank, in the order of arrival.

use std::collections::{HashMap, VecDeque};

use llavacode_core::engine::{CancelFlag, Lane, Place};
use llavacode_protocol::{
    BundleSource, DeviceChoice, Envelope, ModelFile, Options, Request, RequestId, SharedPlace, SourceFile,
    Tasks,
};

use crate::platform::Beside;

/// A request on its way.
pub(crate) struct Job<H> {
    /// The request's id: its events carry it.
    pub(crate) id: RequestId,
    /// Set when the page no longer wants it.
    pub(crate) cancel: CancelFlag,
    /// What to do.
    pub(crate) work: Work<H>,
}

/// What to do. Long work is cut into jobs that queue again, so that completions come between.
pub(crate) enum Work<H> {
    /// Load a bundle.
    Load { bundle: BundleSource, files: Vec<Beside<H>>, device: DeviceChoice, threads: Option<usize> },
    /// Bring the index to these files; `beside` are those of the shared index, if the user chose some.
    Index { workspace: String, files: Vec<SourceFile>, shared: Option<SharedPlace>, beside: Vec<Beside<H>> },
    /// Put one file into the index.
    UpdateFile { workspace: String, file: SourceFile },
    /// Embed the next chunks that have no vectors.
    Embed(Embedding),
    /// Complete at a place in these lanes.
    Complete { place: Box<Place>, lanes: VecDeque<Lane> },
    /// Fetch files into the store.
    Fetch { files: VecDeque<ModelFile> },
    /// Measure.
    Measure { tasks: Tasks, options: Options },
}

/// An indexing under way.
pub(crate) struct Embedding {
    /// Name of the workspace.
    pub(crate) workspace: String,
    /// Chunks that wanted vectors at the start.
    pub(crate) total: usize,
    /// Chunks that have them since.
    pub(crate) done: usize,
    /// Those whose last part was embedded for that; the others' were kept.
    pub(crate) embedded: usize,
    /// When the request was begun, by the host's clock.
    pub(crate) started_ms: f64,
}

/// The queue. `H` is a file beside a request.
pub(crate) struct Jobs<H> {
    waiting: VecDeque<Job<H>>,
    /// Flags of everything waiting or under way.
    flags: HashMap<RequestId, (Kind, CancelFlag)>,
}

impl<H> Default for Jobs<H> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), flags: HashMap::new() }
    }
}

/// Smaller ones go first. A completion waits for the models and for the files as they are, which are
/// read in a moment; not for vectors: what it uses is embedded for it.
fn rank<H>(work: &Work<H>) -> u8 {
    match work {
        Work::Load { .. } => 0,
        Work::Index { .. } | Work::UpdateFile { .. } => 1,
        Work::Complete { .. } => 2,
        Work::Embed(_) | Work::Fetch { .. } | Work::Measure { .. } => 3,
    }
}

/// Requests of one kind replace each other.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Load,
    Index,
    Update,
    Complete,
    Fetch,
    Measure,
}

impl Kind {
    fn is_indexing(self) -> bool {
        matches!(self, Self::Index | Self::Update)
    }
}

impl<H> Jobs<H> {
    /// Takes a request in, with the files beside it. A cancellation is carried out at once.
    pub(crate) fn accept(&mut self, Envelope { id, request }: Envelope, beside: Vec<Beside<H>>) {
        let (kind, work) = match request {
            Request::Cancel { target } => {
                if let Some((kind, flag)) = self.flags.get(&target) {
                    flag.cancel();
                    if kind.is_indexing() {
                        // Edits add to an indexing under way: stopping one stops all of it.
                        self.cancel(Kind::is_indexing);
                    }
                }
                return;
            }
            // Answered before it comes here.
            Request::Ping => return,
            Request::Load { bundle, device, threads } => {
                (Kind::Load, Work::Load { bundle, files: beside, device, threads })
            }
            Request::Index { workspace, files, shared } => {
                (Kind::Index, Work::Index { workspace, files, shared, beside })
            }
            Request::UpdateFile { workspace, file } => (Kind::Update, Work::UpdateFile { workspace, file }),
            Request::Complete { cursor, lanes } => {
                (Kind::Complete, Work::Complete { place: Box::new(Place::new(cursor)), lanes: lanes.into() })
            }
            Request::Fetch { files } => (Kind::Fetch, Work::Fetch { files: files.into() }),
            Request::Measure { tasks, options } => (Kind::Measure, Work::Measure { tasks, options }),
        };
        match kind {
            // The files of a workspace hold every edit before them.
            Kind::Index => self.cancel(Kind::is_indexing),
            // An edit ends nothing: it adds.
            Kind::Update => {}
            kind => self.cancel(|other| other == kind),
        }
        let cancel = CancelFlag::default();
        self.flags.insert(id, (kind, cancel.clone()));
        self.push(Job { id, cancel, work });
    }

    fn cancel(&self, which: impl Fn(Kind) -> bool) {
        self.flags.values().filter(|(kind, _)| which(*kind)).for_each(|(_, flag)| flag.cancel());
    }

    /// Queues a job, or the rest of one.
    pub(crate) fn push(&mut self, job: Job<H>) {
        self.waiting.push_back(job);
    }

    /// The job to do next; one that is cancelled has only to be answered.
    pub(crate) fn next(&mut self) -> Option<Job<H>> {
        let first = self.waiting.iter().enumerate().min_by_key(|(place, job)| (rank(&job.work), *place));
        let place = first.map(|(place, _)| place)?;
        self.waiting.remove(place)
    }

    /// Forgets a request that was answered for the last time.
    pub(crate) fn finish(&mut self, id: RequestId) {
        self.flags.remove(&id);
    }
}
