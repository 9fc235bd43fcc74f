//! Whether the device computes rightly: some drivers and browsers give wrong numbers without a word.

use super::{Engine, Host};
use crate::{
    Error, Result,
    config::SelfTest,
    device,
    model::{reader::Reader, token_ids},
};

/// Largest difference allowed, of the largest logit's size: what other orders of summation leave is a
/// hundred times less.
const TOLERANCE: f32 = 1e-2;
/// Logits that are kept of a test.
const KEPT: usize = 8;

impl<H: Host> Engine<H> {
    /// Compares a few logits with those of the manifest's [`SelfTest`]. Without one nothing is compared.
    ///
    /// # Errors
    /// [`Error::Device`] if they differ, or the device fails.
    pub async fn self_test(&self) -> Result<()> {
        let Some(test) = &self.manifest.self_test else { return Ok(()) };
        let logits = last_logits(&self.reader, &test.tokens).await?;
        let size = test.logits.values().fold(1f32, |size, logit| size.max(logit.abs()));
        for (&id, expected) in &test.logits {
            let found = logits.get(id as usize).copied().unwrap_or(f32::NAN);
            let apart = (found - expected).abs();
            if apart > TOLERANCE * size || apart.is_nan() {
                return Err(Error::Device {
                    reason: format!(
                        "it computes wrongly (token {id} got {found:.3} where {expected:.3} is right)"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Makes the test for this engine's reader: on a device that is known to compute rightly.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn make_self_test(&self, text: &str) -> Result<SelfTest> {
        let tokens = self.tokenizer.encode(text);
        let logits = last_logits(&self.reader, &tokens).await?;
        let mut best: Vec<(u32, f32)> = (0..).zip(logits).collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        best.truncate(KEPT);
        Ok(SelfTest { tokens, logits: best.into_iter().collect() })
    }
}

/// Logits behind some tokens. All but the last are read in one pass and the last in another, so that
/// the kernels of many rows and those of one are tried.
async fn last_logits(reader: &Reader, tokens: &[u32]) -> Result<Vec<f32>> {
    let nothing = || Error::Device { reason: "there was nothing to read".into() };
    let (last, first) = tokens.split_last().ok_or_else(nothing)?;
    let mut cache = reader.cache(1, tokens.len());
    let mut read = |ids: &[u32]| {
        let span = cache.next(1, ids.len());
        reader.forward(reader.embed(token_ids(ids, &reader.device())), &mut cache, span)
    };
    if !first.is_empty() {
        read(first);
    }
    let logits = reader.logits(read(&[*last]));
    device::read(logits).await
}
