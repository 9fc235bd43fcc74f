//! The operations' bodies on a wgpu device: one launch of a WGSL file each, where one suffices.

mod attention;
pub(super) mod ceilings;
mod check;
mod launch;
mod linear;
mod rows;

use burn_wgpu::KernelSource;

pub(super) use self::{
    attention::{attention, rope_and_append},
    linear::{gather_rows, linear, norm_gate_up},
    rows::{argmax, rms_norm, swiglu},
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
    [linear::kernels(), attention::kernels(), rows::kernels(), ceilings::kernels()]
        .into_iter()
        .flatten()
        .map(|kernel| Shader { name: kernel.label(), source: kernel.source().complete() })
        .collect()
}
