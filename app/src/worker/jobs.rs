//! What is waiting to be done, and what comes first ([`rank`]); of one rank, in the order of arrival.

use std::collections::{HashMap, VecDeque};

use llavacode_core::{
    bench::Task,
    engine::{CancelFlag, Lane, Place},
};

use super::{files::ChosenFile, send};
use llavacode_app::protocol::{
    BundleSource, DeviceChoice, Envelope, Event, ModelFile, Request, RequestId, SourceFile,
};

/// A request on its way.
pub(super) struct Job {
    /// The request's id: its events carry it.
    pub(super) id: RequestId,
    /// Set when the page no longer wants it.
    pub(super) cancel: CancelFlag,
    /// What to do.
    pub(super) work: Work,
}

/// What to do. Long work is cut into jobs that queue again, so that completions come between.
pub(super) enum Work {
    /// Load a bundle.
    Load { bundle: BundleSource, files: Vec<ChosenFile>, device: DeviceChoice },
    /// Bring the index to these files.
    Index { workspace: String, files: Vec<SourceFile> },
    /// Put one file into the index.
    UpdateFile { workspace: String, file: SourceFile },
    /// Embed the next chunks that have no vectors.
    Embed(Embedding),
    /// Complete at a place in these lanes.
    Complete { place: Place, lanes: VecDeque<Lane> },
    /// Fetch files into the store.
    Fetch { files: Vec<ModelFile> },
    /// Measure.
    Measure { tasks: Vec<Task> },
}

/// An indexing under way.
pub(super) struct Embedding {
    /// Name of the workspace.
    pub(super) workspace: String,
    /// Chunks that wanted vectors at the start.
    pub(super) total: usize,
    /// Chunks that have them since.
    pub(super) done: usize,
    /// Chunks embedded for that; the others' were kept.
    pub(super) embedded: usize,
    /// When the request was begun, by the host's clock.
    pub(super) started_ms: f64,
}

/// The queue.
#[derive(Default)]
pub(super) struct Jobs {
    waiting: VecDeque<Job>,
    /// Flags of everything waiting or under way.
    flags: HashMap<RequestId, (Kind, CancelFlag)>,
}

/// Smaller ones go first. A completion waits for the models and for the files as they are, which are
/// read in a moment; not for vectors: what it uses is embedded for it.
fn rank(work: &Work) -> u8 {
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

impl Jobs {
    /// Takes a message in, with the files beside it. A cancellation is carried out at once.
    pub(super) fn accept(&mut self, Envelope { id, request }: Envelope, files: Vec<ChosenFile>) {
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
            Request::Load { bundle, device } => (Kind::Load, Work::Load { bundle, files, device }),
            Request::Index { workspace, files } => (Kind::Index, Work::Index { workspace, files }),
            Request::UpdateFile { workspace, file } => (Kind::Update, Work::UpdateFile { workspace, file }),
            Request::Complete { cursor, lanes } => {
                (Kind::Complete, Work::Complete { place: Place::new(cursor), lanes: lanes.into() })
            }
            Request::Fetch { files } => (Kind::Fetch, Work::Fetch { files }),
            Request::Measure { tasks } => (Kind::Measure, Work::Measure { tasks }),
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
    pub(super) fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// The job to do next. Cancelled ones are answered and left out.
    pub(super) fn next(&mut self) -> Option<Job> {
        loop {
            let first = self.waiting.iter().enumerate().min_by_key(|(place, job)| (rank(&job.work), *place));
            let job = self.waiting.remove(first.map_or(0, |(place, _)| place))?;
            if !job.cancel.is_cancelled() {
                return Some(job);
            }
            self.finish(job.id);
            send(job.id, Event::Cancelled);
        }
    }

    /// Forgets a request that was answered for the last time.
    pub(super) fn finish(&mut self, id: RequestId) {
        self.flags.remove(&id);
    }
}
