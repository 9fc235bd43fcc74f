//! The operations' bodies on a wgpu device: one launch of a WGSL file each, where one suffices.
//!
//! A file a family, named as its WGSL. Beside them `weights` has a weight matrix's buffers,
//! `vector_shape` how the matrix-vector kernels share its rows, `launch` what all launches have in
//! common, and `check` asks the device's compiler about every kernel.

mod append_turned;
mod argmax;
mod attention;
pub(super) mod ceilings;
mod check;
mod dot_rows;
mod feed_forward;
mod gather_rows;
mod launch;
mod linear;
mod rms_norm;
mod rope_and_append;
mod vector_shape;
mod weights;

use burn_wgpu::KernelSource;

use self::launch::Kernel;
pub(super) use self::{
    append_turned::append_turned,
    argmax::argmax,
    attention::attention,
    dot_rows::dot_rows,
    feed_forward::{norm_gate_up, swiglu},
    gather_rows::gather_rows,
    linear::{linear, norm_linear},
    rms_norm::rms_norm,
    rope_and_append::rope_and_append,
};
pub use self::{check::check_shaders, launch::launches};

/// A complete WGSL text, as a device gets it.
#[derive(Debug, Clone)]
pub struct Shader {
    /// File, parts and constants it is made of.
    pub name: String,
    /// The WGSL.
    pub source: String,
}

/// Every kernel with every choice made for it, to be checked by a browser's compiler: there a
/// refused shader is skipped without a word.
pub fn shaders() -> Vec<Shader> {
    let families = [
        append_turned::kernels(),
        argmax::kernels(),
        attention::kernels(),
        ceilings::kernels(),
        dot_rows::kernels(),
        feed_forward::kernels(),
        gather_rows::kernels(),
        linear::kernels(),
        rms_norm::kernels(),
        rope_and_append::kernels(),
    ];
    let shader = |kernel: Kernel| Shader { name: kernel.label(), source: kernel.source().complete() };
    families.into_iter().flatten().map(shader).collect()
}
