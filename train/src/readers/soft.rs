//! What makes a reader's soft tokens: a bundle's own, and those of runs that are measured beside them.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use half::f16;
use llavacode_core::{
    bundle::Embedder,
    config::{EncoderInput, PromptConfig},
    index::{chunker::parts, vectors::Row},
    model::{
        encoder::Encoder,
        projector::{Projector, ProjectorConfig},
        reader::Reader,
    },
    prompt::PromptBuilder,
    tokenize::Tokenizer,
    weights::sha256_hex,
};

use crate::{
    projector::TrainedProjector,
    samples::Sample,
    soft::form::{self, SoftForm},
};

/// What makes soft tokens.
#[derive(Debug)]
pub(super) struct SoftTokens {
    /// Of those that were added: what their lanes are called, and what tells them from others.
    pub(super) added: Option<(SoftNames, String)>,
    /// How many a chunk has.
    pub(super) count: usize,
    /// Lays out prompts with as many.
    pub(super) prompts: PromptBuilder,
    pub(super) embedder: Embedder,
    pub(super) projector: Projector,
    /// xRAG's, where the bundle has that lane.
    pub(super) xrag: Option<Projector>,
    pub(super) input: EncoderInput,
    /// The mean of some vectors, for the control.
    pub(super) mean: Vec<f32>,
}

/// What a lane of soft tokens and its two controls are called.
pub(super) type SoftNames = [&'static str; 3];

/// Of the bundle's own.
const OWN: SoftNames = ["compressed", "control_mean", "control_other"];

/// Of those that are added, by how many a chunk has.
const ADDED: [(usize, SoftNames); 4] = [
    (1, ["compressed_1", "control_mean_1", "control_other_1"]),
    (2, ["compressed_2", "control_mean_2", "control_other_2"]),
    (4, ["compressed_4", "control_mean_4", "control_other_4"]),
    (8, ["compressed_8", "control_mean_8", "control_other_8"]),
];

impl SoftTokens {
    /// Those that a run of the step `soft` made for this reader, the projector in 16 bits a number as in a bundle.
    ///
    /// # Errors
    /// If the run has made none, none of this width, or of a number that has no lanes.
    pub(super) fn of_run(
        run: &Path,
        reader: &Reader,
        tokenizer: &Arc<Tokenizer>,
        config: &PromptConfig,
    ) -> Result<Self> {
        let SoftForm { soft_tokens, encoder: input } = SoftForm::read(run)?;
        let count = soft_tokens.get();
        let Some((_, names)) = ADDED.into_iter().find(|(known, _)| *known == count) else {
            bail!("{} has {count} soft tokens a chunk: lanes are named for 1, 2, 4 and 8", run.display());
        };
        let path = run.join(form::PROJECTOR);
        let encoder = Encoder::of_reader(reader, input.reader_layers.clone());
        let widths = ProjectorConfig::three_layer(encoder.width(), reader.config().hidden_size);
        let mut projector = TrainedProjector::load(&path, widths)
            .with_context(|| format!("{} is no projector of this reader's width", path.display()))?;
        projector.parameters.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());
        let mark = sha256_hex(&fs::read(&path)?)[..16].to_owned();
        let config = PromptConfig { soft_tokens, ..config.clone() };
        Ok(Self {
            added: Some((names, mark)),
            count,
            prompts: PromptBuilder::new(Arc::clone(tokenizer), config)?,
            embedder: Embedder { encoder, tokenizer: tokenizer.as_ref().clone() },
            projector: projector.module(&reader.device()),
            xrag: None,
            input,
            mean: Vec::new(),
        })
    }

    /// Takes the mean of these samples' vectors for the control.
    pub(super) fn learn_mean<'a>(&mut self, samples: impl Iterator<Item = &'a Sample>) -> Result<()> {
        let (mut mean, mut count) = (vec![0f64; self.projector.output_width()], 0usize);
        for chunk in samples.flat_map(|sample| &sample.chunks) {
            for vector in self.vectors(&self.projector, &chunk.text)? {
                mean.iter_mut().zip(&vector).for_each(|(sum, &x)| *sum += f64::from(x));
                count += 1;
            }
        }
        self.mean = mean.into_iter().map(|sum| (sum / count.max(1) as f64) as f32).collect();
        Ok(())
    }

    /// What its lane and the two controls are called.
    pub(super) fn names(&self) -> SoftNames {
        self.added.as_ref().map_or(OWN, |(names, _)| *names)
    }

    /// A chunk's vectors, in 8 bits as the index keeps them.
    pub(super) fn vectors(&self, projector: &Projector, text: &str) -> Result<Vec<Vec<f32>>> {
        let inputs = parts(text, self.count).map(|part| self.embedder.input(&self.input, &part));
        let encoded = self.embedder.encoder.encode(&inputs.collect::<llavacode_core::Result<Vec<_>>>()?);
        let numbers: Vec<f32> = projector.forward(encoded).into_data().iter::<f32>().collect();
        let rows = numbers.chunks_exact(projector.output_width());
        Ok(rows.map(|row| Row::quantize(row).numbers().collect()).collect())
    }
}
