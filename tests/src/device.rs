//! What the page computes on, for the commands that drive it.

use clap::ValueEnum;

/// What the page computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// WebGPU, even where the processor plays the GPU
    Webgpu,
    /// The CPU
    Cpu,
}

impl Device {
    /// As in the page's address and in the marks of documents.
    pub fn key(self) -> &'static str {
        match self {
            Self::Webgpu => "webgpu",
            Self::Cpu => "cpu",
        }
    }
}
