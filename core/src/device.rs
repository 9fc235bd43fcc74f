//! What a device can do, for those who choose a body or a layout by it.

use std::sync::{PoisonError, RwLock};

use burn::backend::{CubeDevice, DispatchDevice};
pub use burn::tensor::Device;
use burn::tensor::Tensor;

use crate::{Error, Result};

/// The devices that the processor plays.
static SOFTWARE: RwLock<Vec<Device>> = RwLock::new(Vec::new());

/// Who computes the fused operations on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// The WGSL kernels: a wgpu device.
    Gpu,
    /// The vectors of the processor: burn's CPU backend.
    Cpu,
    /// burn's own operations, on 32-bit floats: any other device, and every one under autodiff.
    Reference,
}

/// Who computes the fused operations on this device.
pub fn bodies(device: &Device) -> Bodies {
    match device.as_dispatch() {
        DispatchDevice::Cube(CubeDevice::Wgpu(_)) => Bodies::Gpu,
        DispatchDevice::Flex(_) => Bodies::Cpu,
        _ => Bodies::Reference,
    }
}

/// Whether our WGSL kernels run on this device: a wgpu device outside autodiff.
pub fn has_kernels(device: &Device) -> bool {
    bodies(device) == Bodies::Gpu
}

/// Whether weights stay in blocks on this device, and are not unpacked to 32-bit floats.
pub fn has_blocks(device: &Device) -> bool {
    bodies(device) != Bodies::Reference
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

/// The numbers of a tensor, read from its device.
///
/// # Errors
/// [`Error::Device`] if the device fails.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let failed = |reason| Error::Device { reason };
    let data = tensor.into_data_async().await.map_err(|error| failed(error.to_string()))?;
    data.try_into_vec().map_err(|error| failed(format!("{error:?}")))
}

/// Says whether the processor plays a GPU (SwiftShader, llvmpipe). Matrix products of many rows then do
/// without workgroup memory, which such a device emulates. They give the same numbers.
pub fn set_software(device: &Device, software: bool) {
    let mut devices = SOFTWARE.write().unwrap_or_else(PoisonError::into_inner);
    devices.retain(|known| known != device);
    if software {
        devices.push(device.clone());
    }
}

/// Whether the processor plays this GPU, as far as [`set_software`] was told.
pub fn is_software(device: &Device) -> bool {
    SOFTWARE.read().unwrap_or_else(PoisonError::into_inner).contains(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autodiff_has_the_reference_alone() {
        assert_eq!(bodies(&Device::flex()), Bodies::Cpu);
        let training = Device::flex().autodiff();
        assert_eq!((bodies(&training), has_blocks(&training)), (Bodies::Reference, false));
    }

    #[test]
    fn what_is_said_of_a_device_can_be_taken_back() {
        let device = Device::flex();
        for software in [true, true, false, false, true, false] {
            set_software(&device, software);
            assert_eq!(is_software(&device), software);
        }
    }
}
