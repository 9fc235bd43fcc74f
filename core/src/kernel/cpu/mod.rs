//! The fused operations on the processor, in vectors of 128 bits: what WebAssembly has, and what every
//! x86-64 and ARM processor has too.
//!
//! Weights stay in the blocks they were loaded in, 4 or 8 bits each. A product rounds its activations
//! to 16 bits a block of 32 ([`rows`]) and multiplies integers: a vector instruction takes eight such
//! products where it would take four of floats, and rounding to 16 bits costs no more than another order
//! of summation would.
//!
//! What these bodies work on are slices; [`tensors`] gets them from burn's tensors and back. [`threads`]
//! has the long ones computed on several cores.

mod append_turned;
mod argmax;
mod attend;
mod attention;
pub(super) mod ceilings;
mod feed_forward;
mod format;
mod gather_rows;
mod linear;
mod product;
mod rms_norm;
mod rope_and_append;
mod rows;
mod tensors;
#[cfg(test)]
mod tests;
pub mod threads;

pub(super) use self::{
    append_turned::append_turned,
    argmax::argmax,
    attention::attention,
    feed_forward::{norm_gate_up, swiglu},
    gather_rows::gather_rows,
    linear::{linear, norm_linear},
    rms_norm::rms_norm,
    rope_and_append::rope_and_append,
};
