//! What a run's soft tokens are, beside its projector.

use std::{fs, num::NonZeroUsize, path::Path};

use anyhow::{Context, Result};
use llavacode_core::config::EncoderInput;
use serde::{Deserialize, Serialize};

use crate::checkpoint::write_whole;

const FILE: &str = "soft.json";
/// The projector's file, beside it.
pub const PROJECTOR: &str = "projector.safetensors";

/// What a bundle's manifest says of soft tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftForm {
    /// Soft tokens of a chunk.
    pub soft_tokens: NonZeroUsize,
    /// What the projector reads of a chunk.
    pub encoder: EncoderInput,
}

impl SoftForm {
    /// Of a run's folder.
    ///
    /// # Errors
    /// If the step `soft` has made no projector there for a reader that stays as it is.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let none = || format!("{} cannot be read: the step `soft` writes it", path.display());
        let json = fs::read(&path).with_context(none)?;
        serde_json::from_slice(&json).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes it into a run's folder.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_whole(&folder.join(FILE), &serde_json::to_vec_pretty(self)?)
    }
}
