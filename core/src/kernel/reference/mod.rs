//! What each kernel means, in burn's own operations. A file a family, named as its WGSL.

mod append_turned;
mod argmax;
mod attention;
mod dot_rows;
mod feed_forward;
mod gather_rows;
mod linear;
mod rms_norm;
mod rope_and_append;
mod weights;

pub use self::{
    append_turned::append_turned,
    argmax::argmax,
    attention::attention,
    dot_rows::dot_rows,
    feed_forward::{norm_gate_up, swiglu},
    gather_rows::gather_rows,
    linear::{linear, norm_linear},
    rms_norm::rms_norm,
    rope_and_append::rope_and_append,
    weights::dense,
};
