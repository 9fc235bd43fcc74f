//! From a checkpoint's bytes to matrices on a device, without ever holding the file.
//!
//! [`ByteSource`] gives bytes, [`VerifiedReader`] reads them once from front to back and hashes
//! them on the way, [`Header`] says which tensor comes when, a model's [`Plan`] says which of them
//! it wants and how they are stacked, and [`load_weights`] hands them to it as [`Weights`]. A model asks
//! [`Tensors`] for them, once for both. An [`Adapter`] is added on the way.

mod adapter;
mod element;
mod gguf;
mod gguf_config;
mod header;
mod load;
mod loaded;
mod plan;
mod safetensors;
mod source;
mod stored;
mod tensors;
mod values;
mod verified;

pub use adapter::{Adapter, AdapterConfig};
pub use element::ElementType;
pub use gguf::{Metadata, Texts};
pub use header::Header;
pub use load::{load_adapted, load_weights};
pub use loaded::Weights;
pub use plan::Plan;
pub use source::*;
pub use tensors::Tensors;
pub use verified::{VerifiedReader, read_verified, sha256_hex};
