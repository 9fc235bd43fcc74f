//! One error type for the crate. A message names the operands and says what to do about it: it is
//! shown to a user as it is, in whichever program.

/// What can go wrong, grouped by concern.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    // === Reading a bundle ===
    /// The source of bytes failed: network, disk or storage.
    #[error("could not read {file}: {reason}. Check that the file is there and try again.")]
    Read {
        /// Path inside the bundle, or the name of the user's file.
        file: String,
        /// What the source said.
        reason: String,
    },
    /// A file has another length than the bundle's manifest says.
    #[error(
        "{file} is {found} bytes long where the bundle's manifest says {expected}: the download was cut short or the file was changed. Load the bundle again."
    )]
    Truncated {
        /// Path inside the bundle.
        file: String,
        /// Bytes the manifest promises.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A file's SHA-256 differs from the manifest's.
    #[error(
        "{file} is not the file the bundle was released with (SHA-256 {found}, expected {expected}). Load the bundle again from its source."
    )]
    HashMismatch {
        /// Path inside the bundle.
        file: String,
        /// Hex digest in the manifest.
        expected: String,
        /// Hex digest of the bytes.
        found: String,
    },
    /// A file's content cannot be understood.
    #[error("{file} cannot be read as {format}: {reason}.")]
    Format {
        /// Path inside the bundle.
        file: String,
        /// What it should be, e.g. "safetensors".
        format: &'static str,
        /// What the parser said.
        reason: String,
    },

    /// A file could not be fetched into the store of models.
    #[error("{sentence}")]
    Fetch {
        /// What happened and what to do.
        sentence: String,
    },

    // === Building a model ===
    /// The checkpoint lacks a tensor the architecture needs.
    #[error(
        "{file} has no tensor {tensor}: it is not a checkpoint of this architecture, or it is incomplete."
    )]
    MissingTensor {
        /// Path inside the bundle.
        file: String,
        /// Name in Hugging Face's convention.
        tensor: String,
    },
    /// A tensor has another shape than the config asks for.
    #[error(
        "{file}: tensor {tensor} has shape {found:?} where config.json asks for {expected:?}. The config and the weights belong to different models."
    )]
    ShapeMismatch {
        /// Path inside the bundle.
        file: String,
        /// Name in Hugging Face's convention.
        tensor: String,
        /// Shape that follows from the config.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A tensor's element type is none of those we read.
    #[error(
        "{file}: tensor {tensor} is of type {found}; F32, F16 and BF16 can be read, and in GGUF files Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K. Convert the checkpoint."
    )]
    UnsupportedDType {
        /// Path inside the bundle.
        file: String,
        /// Name in Hugging Face's convention.
        tensor: String,
        /// Type in the file.
        found: String,
    },
    /// A config asks for what this implementation does not do.
    #[error("{file}: {reason}.")]
    UnsupportedConfig {
        /// Path inside the bundle.
        file: String,
        /// Which field, its value, and what is possible.
        reason: String,
    },
    /// The tokenizer lacks a special token that the prompt needs.
    #[error(
        "the tokenizer has no token {token}: a fill-in-the-middle prompt cannot be built with this bundle."
    )]
    MissingToken {
        /// The token's text.
        token: String,
    },

    // === Running ===
    /// The bundle lacks what a lane needs.
    #[error(
        "this bundle has no {file}, which the lane {lane} needs. Choose another lane, or another bundle."
    )]
    LaneMissing {
        /// The lane's key.
        lane: &'static str,
        /// The file in the bundle.
        file: &'static str,
    },
    /// The prompt does not fit the reader's context window.
    #[error(
        "the prompt needs {needed} tokens and the reader's context holds {capacity}. Lower the token budgets in the bundle's manifest."
    )]
    ContextOverflow {
        /// Tokens in the prompt and to be generated.
        needed: usize,
        /// The KV cache's capacity.
        capacity: usize,
    },
    /// The GPU failed or gave up.
    #[error("the GPU stopped: {reason}. Start again, or go on with the CPU.")]
    Device {
        /// What the driver said.
        reason: String,
    },
    /// A request came before a bundle was loaded.
    #[error("no model is loaded yet. Load a bundle first.")]
    NotLoaded,
    /// A measurement could not be made or written down.
    #[error("the measurement failed: {reason}.")]
    Measurement {
        /// What was wrong, and what would do.
        reason: String,
    },
    /// A newer request took this one's place.
    #[error("cancelled: a newer request took its place.")]
    Cancelled,

    // === Indexing and keeping ===
    /// A file that is not source text.
    #[error("{path} was left out: {reason}.")]
    SkippedFile {
        /// The file's path in the workspace.
        path: String,
        /// Why, and what would be accepted.
        reason: String,
    },
    /// A shared index cannot be used.
    #[error("the shared index is not used: {reason}. What it would have brought is computed here.")]
    SharedIndex {
        /// Why, and what to do.
        reason: String,
    },
    /// The storage refused.
    #[error(
        "the index could not be kept in storage: {reason}. It works until the program ends; free some space to keep it."
    )]
    Storage {
        /// What the storage said.
        reason: String,
    },
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
