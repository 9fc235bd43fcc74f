//! What a worker needs from where it runs.

use llavacode_core::{
    Device, Result,
    config::BundleManifest,
    engine::{CancelFlag, Host},
    weights::BundleFiles,
    workspace::{SharedSource, VectorCache},
};
use llavacode_protocol::{BundleSource, DeviceChoice, Event, ModelFile, RequestId, Step};

/// Where a worker runs: what it computes on, where files come from and vectors are kept, and who hears
/// what happens.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
pub trait Platform: Host + Clone + 'static {
    /// A file that can stand beside a request.
    type Handle;
    /// A bundle's files.
    type Files: BundleFiles;
    /// Where vectors are kept.
    type Cache: VectorCache;

    /// Tells the page what happened.
    fn send(&self, id: RequestId, event: Event);

    /// Opens a bundle: its files and its manifest, or one made for checkpoints that have none.
    ///
    /// # Errors
    /// [`Error::Read`](llavacode_core::Error::Read) for a file that is not there, and what
    /// [`read_manifest`](llavacode_core::bundle::read_manifest) refuses.
    async fn open(
        &self,
        bundle: BundleSource,
        beside: Vec<Beside<Self::Handle>>,
    ) -> Result<(Self::Files, BundleManifest)>;

    /// Opens the device asked for, or the CPU where it cannot be had.
    ///
    /// `threads`: how many compute on the CPU; without a number as many as suit the machine.
    async fn device(&self, choice: DeviceChoice, threads: Option<usize>) -> OpenDevice;

    /// Opens the place where vectors are kept between visits. Where there is none, one in memory and
    /// why.
    async fn cache(&self) -> (Self::Cache, Result<()>);

    /// The folder of a shared index, by its address.
    fn shared(&self, url: &str) -> Box<dyn SharedSource>;

    /// The length of a file beside a request, in bytes.
    fn length(&self, file: &Self::Handle) -> u64;

    /// All bytes of a file beside a request.
    ///
    /// # Errors
    /// Why it cannot be read, in the words of who refuses and without a full stop.
    async fn read(&self, file: &Self::Handle) -> Result<Vec<u8>, String>;

    /// Fetches a file into the store, unless it is there whole.
    ///
    /// # Errors
    /// [`Error::Cancelled`](llavacode_core::Error::Cancelled) if it was told to stop,
    /// [`Error::Fetch`](llavacode_core::Error::Fetch) with a sentence otherwise. What came stays.
    async fn fetch(&self, file: &ModelFile, cancel: &CancelFlag, tell: impl FnMut(Step)) -> Result<()>;

    /// Bytes of the worker's own memory.
    fn memory_bytes(&self) -> u32;
}

/// A file that stands beside a request, and its path in the folder it was chosen from.
#[derive(Debug, Clone)]
pub struct Beside<H> {
    /// With `/`.
    pub path: String,
    /// The file.
    pub file: H,
}

/// A device and what the status line says of it.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// Where tensors live.
    pub device: Device,
    /// `webgpu` or `cpu`.
    pub backend: &'static str,
    /// The adapter as the browser names it; empty on the CPU.
    pub adapter: String,
    /// Why it is the CPU although WebGPU was wanted.
    pub fallback_reason: Option<String>,
    /// Whether WebGPU would have run: it was only thought slower.
    pub webgpu_possible: bool,
    /// Whether the processor plays the GPU.
    pub software_gpu: bool,
    /// Threads that compute on the CPU.
    pub threads: usize,
    /// Why it is only one, if there could be more.
    pub thread_reason: Option<String>,
}

impl OpenDevice {
    /// The CPU, and why, where WebGPU was wanted.
    pub fn cpu(fallback_reason: Option<String>, webgpu_possible: bool) -> Self {
        Self {
            device: Device::flex(),
            backend: "cpu",
            adapter: String::new(),
            fallback_reason,
            webgpu_possible,
            software_gpu: false,
            threads: 1,
            thread_reason: None,
        }
    }
}
