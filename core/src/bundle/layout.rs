//! Where a bundle keeps what: the one place that knows its files' names.

use std::collections::BTreeMap;

use crate::config::FileEntry;

/// The manifest's path.
pub const MANIFEST: &str = "bundle.json";
/// The projector's path.
pub const PROJECTOR: &str = "projector.safetensors";
/// The path of the projector trained by xRAG's recipe.
pub const XRAG_PROJECTOR: &str = "projector_xrag.safetensors";

/// Products that are added to a model's matrices, in its folder: PEFT's name.
pub(super) const ADAPTER: &str = "adapter_model.safetensors";
/// How they are added, beside them: PEFT's name.
pub(super) const ADAPTER_CONFIG: &str = "adapter_config.json";

/// The reader's folder.
pub(super) const READER: &str = "reader";
/// The encoder's folder.
pub(super) const ENCODER: &str = "encoder";

/// Whether there is an encoder among these files.
pub(super) fn has_encoder(files: &BTreeMap<String, FileEntry>) -> bool {
    files.keys().any(|path| path.strip_prefix(ENCODER).is_some_and(|below| below.starts_with('/')))
}

/// Whether a chunk's vectors depend on this file: the encoder's and every projector's; the reader's too
/// where its layers are the encoder.
pub(super) fn makes_vectors(path: &str, with_reader: bool) -> bool {
    let folder = if with_reader { READER } else { ENCODER };
    path.starts_with(folder) || path.starts_with("projector")
}
