//! What a model needs of this device, and whether it has that, as far as a page can tell.

use llavacode_api::completion::KEPT_CHUNK_BYTES;

use super::known::Shape;

/// WebAssembly addresses 4 GB; the engine and what it computes with take their part.
const MOST_ON_CPU: u64 = 3_500_000_000;
/// KV caches: of base, full RAG, cached RAG and excerpt.
const CACHES: u64 = 4;
/// Positions of a prompt and its completion by the default budgets.
const POSITIONS: u64 = 1_200;

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// WebGPU, or the CPU.
    pub webgpu: bool,
    /// The device's memory in bytes as the browser tells it, which is coarse; `None` where it does not.
    pub memory: Option<u64>,
}

/// What a model needs and whether that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Bytes of weights on the device.
    pub weights: u64,
    /// Bytes of KV caches.
    pub caches: u64,
    /// The verdict.
    pub verdict: Verdict,
}

/// Whether a model fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As far as can be told.
    Fits,
    /// On the CPU a page has no more than this.
    BeyondPage(u64),
    /// The device has no more than this.
    BeyondDevice(u64),
}

/// Bytes of a reader's weights on a device, of its files' bytes: every device keeps blocks as they are stored,
/// unless the bundle has matrices kept in 8 bits, which are blocks of 32 with a scale of 16.
pub fn weight_bytes(shape: &Shape, file_bytes: u64, reader_linear: Option<&str>) -> u64 {
    match reader_linear {
        Some("q8") => file_bytes.max(shape.weights() * 17 / 16),
        _ => file_bytes,
    }
}

/// What a reader of this shape and so many bytes of weights needs on a device.
pub fn fit(shape: &Shape, weights: u64, device: Device) -> Fit {
    let caches = CACHES * POSITIONS * shape.cache_bytes_a_position() + KEPT_CHUNK_BYTES as u64;
    let needs = weights + caches;
    let verdict = match device.memory {
        _ if !device.webgpu && needs > MOST_ON_CPU => Verdict::BeyondPage(MOST_ON_CPU),
        Some(memory) if needs > memory => Verdict::BeyondDevice(memory),
        _ => Verdict::Fits,
    };
    Fit { weights, caches, verdict }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::known::{self, KNOWN, Place, SMOLLM2};

    fn verdicts(device: Device) -> Vec<bool> {
        let bytes = |place| if let Place::Elsewhere(file) = place { file.bytes } else { 100_000_000 };
        KNOWN.iter().map(|k| fit(&k.shape, bytes(k.place), device).verdict == Verdict::Fits).collect()
    }

    #[test]
    fn a_page_carries_its_4_gb_on_the_cpu_and_a_gpu_what_its_device_has() {
        let cpu = Device { webgpu: false, memory: None };
        assert_eq!(verdicts(cpu), [true, true, true, true, false]);
        let beyond = fit(&KNOWN[4].shape, 4_000_000_000, cpu).verdict;
        assert_eq!(beyond, Verdict::BeyondPage(MOST_ON_CPU));
        let gpu = Device { webgpu: true, memory: None };
        assert_eq!(verdicts(gpu), [true; 5]);
        let small = Device { webgpu: true, memory: Some(2 << 30) };
        assert_eq!(verdicts(small), [true, true, true, false, false]);
    }

    #[test]
    fn a_reader_with_an_adapter_is_larger_than_its_files() {
        let shape = known::find(SMOLLM2).unwrap().shape;
        assert_eq!(weight_bytes(&shape, 98_000_000, None), 98_000_000);
        assert_eq!(weight_bytes(&shape, 108_000_000, Some("q8")), shape.weights() * 17 / 16);
        assert!((140_000_000..145_000_000).contains(&weight_bytes(&shape, 108_000_000, Some("q8"))));
    }

    #[test]
    fn caches_are_counted() {
        let half_billion = KNOWN[2];
        let fit = fit(&half_billion.shape, 531_068_128, Device { webgpu: true, memory: None });
        assert_eq!(fit.caches, 4 * 1_200 * 24 * 2 * 128 * 4 + (256 << 20));
    }
}
