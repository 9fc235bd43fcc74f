//! What a chunk's vectors depend on.

use sha2::{Digest, Sha256};

use super::layout::makes_vectors;
use crate::config::BundleManifest;

/// Names what a chunk's vectors depend on: the files of the models that make them, what goes
/// into the encoder, the formats it is computed in, and how files and chunks are cut.
pub fn model_key(bundle: &BundleManifest) -> String {
    let mut hash = Sha256::new();
    let with_reader = !bundle.encoder.reader_layers.is_empty();
    for (path, entry) in bundle.files.iter().filter(|(path, _)| makes_vectors(path, with_reader)) {
        // A file without a hash is told by its length.
        hash.update(match &entry.sha256 {
            Some(sha256) => format!("{path} {sha256}\n"),
            None => format!("{path} {} bytes\n", entry.bytes),
        });
    }
    let BundleManifest { encoder, quantization, chunking, prompt, .. } = bundle;
    hash.update(format!("{encoder:?}\n{:?}\n{chunking:?}\n{}\n", quantization.encoder, prompt.soft_tokens));
    hex::encode(hash.finalize())
}
