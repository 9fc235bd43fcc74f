//! What a device can do, for those who choose a body or a layout by it.

use burn::backend::{CubeDevice, DispatchDevice};
pub use burn::tensor::Device;

/// Whether our WGSL kernels run on this device: a wgpu device outside autodiff.
pub fn has_kernels(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Cube(CubeDevice::Wgpu(_)))
}

/// Bytes that a kernel can bind as one buffer of this device; `None` where there are no kernels.
pub fn binding_bytes(device: &Device) -> Option<u64> {
    match device.as_dispatch() {
        DispatchDevice::Cube(device @ CubeDevice::Wgpu(_)) => {
            Some(device.client().properties().memory.max_page_size)
        }
        _ => None,
    }
}
