//! An adapter's factors as they are learned.

use anyhow::Result;

use crate::{
    asking::Asking,
    checkpoint::Checkpoint,
    nn::{
        adapter::Adapter,
        optimizer::{Optimizer, OptimizerConfig},
    },
};

/// What moves the factors of a reader's adapter.
#[derive(Debug)]
pub struct Factors {
    adapter: Adapter,
    optimizer: Optimizer,
}

impl Factors {
    /// Those of this reader; `None` where it has no adapter.
    pub fn of(asking: &Asking, config: OptimizerConfig) -> Option<Self> {
        let adapter = asking.model().decoder.adapter()?.clone();
        let optimizer = Optimizer::new(adapter.len, config);
        Some(Self { adapter, optimizer })
    }

    /// What tells them from factors of another form: rank, scale and how many numbers they are.
    pub fn form(&self) -> (usize, f64, usize) {
        (self.adapter.rank, self.adapter.scale, self.adapter.len)
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.optimizer.step
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// If it holds no factors of this form.
    pub fn restore(&mut self, asking: &mut Asking, checkpoint: &mut Checkpoint) -> Result<()> {
        let len = self.adapter.len;
        asking.factors_mut().copy_from_slice(&checkpoint.take("factors", len)?);
        self.optimizer.momentum = checkpoint.take("momentum", len)?;
        self.optimizer.variance = checkpoint.take("variance", len)?;
        self.optimizer.step = checkpoint.step;
        Ok(())
    }

    /// Takes a step against the gradients, and gives their length.
    pub fn update(&mut self, asking: &mut Asking, gradients: &[f32], rate: f64) -> f64 {
        self.optimizer.update(&self.adapter.tensors, asking.factors_mut(), gradients, rate)
    }

    /// What a checkpoint keeps of them.
    pub fn vectors(&self, asking: &mut Asking) -> [(String, Vec<f32>); 3] {
        let Optimizer { momentum, variance, .. } = &self.optimizer;
        [
            ("factors".into(), asking.factors_mut().to_vec()),
            ("momentum".into(), momentum.clone()),
            ("variance".into(), variance.clone()),
        ]
    }
}
