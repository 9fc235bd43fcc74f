//! How a WGSL file of `shaders/` becomes a launch on burn's own device and queue.
//!
//! Conventions of the files: entry point `main`, group 0, buffers bound in the order they are
//! passed. A weight matrix comes first; its scales, where it has some, come last (`{{ scales }}`).
//! The parameters are the binding after the last buffer (`{{ params }}`), a uniform: as a storage
//! buffer a browser would take them for non-uniform and refuse barriers behind them.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::{
    backend::Wgpu,
    tensor::{DType, Int, Shape, Tensor},
};
use burn_wgpu::{CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous};
use cubecl::{
    prelude::{BufferIOAttr, CubeCount, CubeDim, KernelId},
    server::{KernelArguments, MetadataBindingInfo},
};
use llavacode_shaders::Source;

/// WebGPU's guaranteed limit of workgroups in one dimension.
const MAX_WORKGROUPS: u32 = 65_535;

static LAUNCHES: AtomicU64 = AtomicU64::new(0);

/// Kernels of ours launched by this process so far.
pub fn launches() -> u64 {
    LAUNCHES.load(Ordering::Relaxed)
}

/// A kernel: WGSL text and the constants put into it.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    pub(super) source: Source,
    /// Files of `shaders/parts/`, such as a weight format's loader.
    pub(super) parts: Vec<Source>,
    /// Values of the text's placeholders.
    pub(super) constants: Vec<(&'static str, u32)>,
    /// Buffers bound, the parameters not counted.
    pub(super) buffers: u32,
}

impl Kernel {
    /// A kernel of one file without placeholders of its own.
    pub(super) fn new(source: Source, buffers: u32) -> Self {
        Self { source, parts: Vec::new(), constants: Vec::new(), buffers }
    }

    /// With these parts too.
    pub(super) fn with_parts(mut self, parts: impl IntoIterator<Item = Source>) -> Self {
        self.parts.extend(parts);
        self
    }

    /// What tells this kernel from every other, for a user.
    pub(super) fn label(&self) -> String {
        let parts = self.parts.iter().map(|part| format!(" + {}", part.name));
        let constants = self.constants.iter().map(|(name, value)| format!(" {name}={value}"));
        parts.chain(constants).fold(self.source.name.to_owned(), |label, more| label + &more)
    }
}

impl KernelSource for Kernel {
    fn source(&self) -> SourceTemplate {
        let template = SourceTemplate::new(self.source.text)
            .register("scales", self.buffers.saturating_sub(1).to_string())
            .register("params", self.buffers.to_string());
        let template = self.parts.iter().fold(template, |t, part| t.add_template(format!("\n{}", part.text)));
        self.constants.iter().fold(template, |t, (name, value)| t.register(*name, value.to_string()))
    }

    fn id(&self) -> KernelId {
        let parts: Vec<_> = self.parts.iter().map(|part| part.name).collect();
        KernelId::new::<Self>().info((self.source.name, parts, self.constants.clone()))
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// A buffer and what a launch does with it.
pub(super) enum Buffer<'a> {
    Read(&'a CubeTensor),
    /// Written everywhere.
    Write(&'a CubeTensor),
    /// Written in places.
    Update(&'a CubeTensor),
}

/// Queues a launch. `params` are the words of the kernel's own `Params`.
pub(super) fn launch(kernel: Kernel, workgroups: CubeCount, buffers: &[Buffer<'_>], params: &[u32]) {
    debug_assert_eq!(kernel.buffers as usize, buffers.len(), "buffers of {}", kernel.source.name);
    let mut arguments = KernelArguments::new();
    let mut client = None;
    for buffer in buffers {
        let (tensor, io) = match buffer {
            Buffer::Read(tensor) => (tensor, BufferIOAttr::ReadOnly),
            Buffer::Write(tensor) => (tensor, BufferIOAttr::WriteOnly),
            Buffer::Update(tensor) => (tensor, BufferIOAttr::ReadWrite),
        };
        client.get_or_insert(&tensor.client);
        arguments = arguments.with_buffer_io(tensor.handle.clone().binding(), io);
    }
    let Some(client) = client else { return };
    // The device takes 64-bit words; the shader reads two of ours in each.
    let words = params
        .chunks(2)
        .map(|pair| u64::from(pair[0]) | u64::from(*pair.get(1).unwrap_or(&0)) << 32)
        .collect();
    let arguments = arguments.with_info(MetadataBindingInfo::custom(words));
    LAUNCHES.fetch_add(1, Ordering::Relaxed);
    // The workgroup's size stands in the WGSL; this one is not looked at.
    client.launch(Box::new(SourceKernel::new(kernel, CubeDim::new_single())), workgroups, arguments);
}

/// At least `count` workgroups, folded into two dimensions where one does not hold them.
pub(super) fn workgroups(count: usize) -> CubeCount {
    let count = count as u32;
    let y = count.div_ceil(MAX_WORKGROUPS).max(1);
    CubeCount::Static(count.div_ceil(y), y, 1)
}

/// The buffer of a float tensor, its rows one after the other.
///
/// # Panics
/// If the tensor is not on a wgpu device or not of 32-bit floats.
pub(super) fn float<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    let tensor = tensor.try_into_primitive::<Wgpu>().expect("kernels run on wgpu tensors");
    assert_eq!(tensor.dtype, DType::F32, "kernels take 32-bit floats");
    into_contiguous(tensor)
}

/// The buffer of an integer tensor.
///
/// # Panics
/// If the tensor is not on a wgpu device or not of 32-bit integers.
pub(super) fn int(tensor: Tensor<1, Int>) -> CubeTensor {
    let tensor = tensor.try_into_primitive::<Wgpu>().expect("kernels run on wgpu tensors");
    assert!(matches!(tensor.dtype, DType::I32 | DType::U32), "kernels take 32-bit integers");
    into_contiguous(tensor)
}

/// An uninitialised buffer next to another: of 32-bit elements, for a kernel to fill.
pub(super) fn empty<const D: usize>(beside: &CubeTensor, shape: [usize; D], dtype: DType) -> CubeTensor {
    let handle = beside.client.empty(shape.iter().product::<usize>() * size_of::<u32>());
    let (client, device) = (beside.client.clone(), beside.device.clone());
    CubeTensor::new_contiguous(client, device, Shape::from(shape), handle, dtype)
}

/// An uninitialised buffer of floats.
pub(super) fn empty_float<const D: usize>(beside: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty(beside, shape, DType::F32)
}

/// Back to a tensor.
pub(super) fn tensor<const D: usize>(buffer: CubeTensor) -> Tensor<D> {
    Tensor::from_primitive::<Wgpu>(buffer)
}
