//! Which terms a loss has.

use serde::Serialize;

/// Weights of the loss's terms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recipe {
    /// Cross-entropy of the target.
    pub cross_entropy: f64,
    /// What a token of the prompt's text weighs in it, against one of the target: what stands after
    /// soft tokens can be told from them, the target or not. The paper has none of it.
    pub prompt: f64,
    /// REINFORCE over a rollout.
    pub reinforce: f64,
    /// SCST instead of plain REINFORCE.
    pub scst: bool,
    /// Cosine alignment.
    pub alignment: f64,
    /// Restating a chunk.
    pub restate: f64,
    /// The vector against the chunk's bag.
    pub bag: f64,
    /// KL against full RAG's reader.
    pub kl: f64,
    /// Contrastive, which only the encoder learns from.
    pub contrastive: f64,
}

impl Recipe {
    const NONE: Self = Self {
        cross_entropy: 0.0,
        prompt: 0.0,
        reinforce: 0.0,
        scst: false,
        alignment: 0.0,
        restate: 0.0,
        bag: 0.0,
        kl: 0.0,
        contrastive: 0.0,
    };
    /// Encoder and projector together, first without the reader: which words a chunk holds.
    pub const ENCODER_BAGS: Self = Self { bag: 1.0, contrastive: 0.1, ..Self::NONE };
    /// Encoder and projector together, through the reader.
    pub const ENCODER: Self = Self {
        cross_entropy: 1.0,
        prompt: 0.25,
        restate: 0.5,
        bag: 0.25,
        alignment: 0.1,
        contrastive: 0.1,
        ..Self::NONE
    };
    /// The paper's loss.
    pub const PAPER: Self = Self { cross_entropy: 0.9, reinforce: 0.1, alignment: 0.1, ..Self::NONE };
    /// xRAG's first stage.
    pub const XRAG_RESTATE: Self = Self { restate: 1.0, ..Self::NONE };
    /// xRAG's second stage.
    pub const XRAG_TASK: Self = Self { cross_entropy: 1.0, kl: 2.0, ..Self::NONE };
}
