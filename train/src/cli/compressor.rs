//! `encoder`, `projector`, `xrag`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args;
use llavacode_core::model::projector::ProjectorConfig;
use llavacode_train::{
    compressor::{self, CompressorOptions, Recipe, Trio, start},
    corpus::Split,
    embed::{EncoderInput, TrainedEncoder},
    frozen::EngineReader,
    model::Model,
    projector::TrainedProjector,
    prompts::Prompts,
    random::SplitMix64,
    reader::Placements,
};

use super::{
    CHUNK_TOKENS, ChunkArguments, MICRO_BATCH, Placement, load_tokenizer, open_samples, tokenizer_path,
};

/// Arguments of the three steps.
#[derive(Args)]
pub(super) struct CompressorArguments {
    #[arg(long)]
    steps: u64,
    /// Samples of a step
    #[arg(long, default_value_t = 24)]
    batch: usize,
    /// Share of samples whose target needs a name that only a chunk has
    #[arg(long, default_value_t = 0.3)]
    needing: f64,
    #[command(flatten)]
    chunks: ChunkArguments,
    /// 3- or 2-layer form of the paper
    #[arg(long, default_value_t = 3)]
    layers: usize,
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    #[arg(long, default_value_t = 1e-3)]
    encoder_rate: f64,
    /// Of the encoder's steps, the share that only fits its vectors to bags
    #[arg(long, default_value_t = 0.5)]
    bags: f64,
    /// Ablation: cross-entropy alone
    #[arg(long)]
    cross_entropy_only: bool,
    /// Ablation: REINFORCE alone
    #[arg(long)]
    reinforce_only: bool,
    /// Ablation: no alignment
    #[arg(long)]
    no_alignment: bool,
    /// A sampled rollout against the greedy one, in place of plain REINFORCE
    #[arg(long)]
    scst: bool,
    /// Weight of xRAG's term in the projector's loss: KL from the reader with the chunks as text
    #[arg(long, default_value_t = 0.0)]
    kl: f64,
    /// Begin with a fresh projector, not with the encoder step's
    #[arg(long)]
    fresh: bool,
    /// Folder in the work folder of an encoder and its projector that the encoder's step goes on from
    #[arg(long)]
    init: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Placement::AfterSuffix)]
    placement: Placement,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 100)]
    checkpoint_every: u64,
    /// Folder in the work folder; the step's name if it is left out
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Which of the three.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Encoder,
    Projector,
    Xrag,
}

/// Trains what the step trains.
pub(super) fn train_compressor(work: &Path, arguments: CompressorArguments, kind: Kind) -> Result<()> {
    let tokenizer = load_tokenizer(&tokenizer_path(work))?;
    let placements = Placements::new(Arc::clone(&tokenizer), arguments.chunks.into())?;
    let (samples, mark) = open_samples(work, Split::Train)?;
    let reader = Model::load(&work.join("reader"))?;
    let hidden = reader.decoder.shape.hidden;
    let mut encoder = match kind {
        Kind::Encoder => match &arguments.init {
            Some(folder) => Model::load(&work.join(folder))?,
            None => start::encoder(&reader, arguments.seed)?,
        },
        Kind::Projector | Kind::Xrag => Model::load(&work.join("encoder"))?,
    };
    let width = encoder.decoder.shape.hidden;
    let form = match (kind, arguments.layers) {
        (Kind::Xrag, _) => ProjectorConfig::xrag(width, hidden),
        (_, 3) => ProjectorConfig::three_layer(width, hidden),
        (_, 2) => ProjectorConfig::two_layer(width, hidden),
        (_, layers) => bail!("{layers} layers: the paper has a form of 3 and one of 2"),
    };
    let mut random = SplitMix64::new(arguments.seed);
    let first = match kind {
        Kind::Encoder => arguments.init.clone(),
        Kind::Projector => (!arguments.fresh).then(|| PathBuf::from("encoder")),
        Kind::Xrag => None,
    };
    let mut projector = match first {
        Some(folder) => TrainedProjector::load(&work.join(folder).join("projector.safetensors"), form)?,
        None => start::projector(form, embedding_scale(&reader), &mut random),
    };
    let name = match kind {
        Kind::Encoder => "encoder",
        Kind::Projector => "projector",
        Kind::Xrag => "xrag",
    };
    let out = work.join(arguments.out.clone().unwrap_or_else(|| name.into()));
    let end = Some(tokenizer.special("<|endoftext|>")?);
    let mut engine = EngineReader::new(reader, MICRO_BATCH);
    let mut trained = TrainedEncoder::new(encoder, MICRO_BATCH);
    let stages: Vec<(Recipe, u64)> = match kind {
        Kind::Encoder => {
            let bags = (arguments.steps as f64 * arguments.bags).round() as u64;
            vec![(Recipe::ENCODER_BAGS, bags), (encoder_recipe(&arguments), arguments.steps - bags)]
        }
        Kind::Projector => vec![(paper_recipe(&arguments), arguments.steps)],
        Kind::Xrag => {
            let restating = arguments.steps / 3;
            vec![(Recipe::XRAG_RESTATE, restating), (Recipe::XRAG_TASK, arguments.steps - restating)]
        }
    };
    for (number, (recipe, steps)) in stages.into_iter().enumerate() {
        let options = CompressorOptions {
            out: if number == 0 { out.clone() } else { out.join(format!("stage-{}", number + 1)) },
            samples: mark.clone(),
            recipe,
            train_encoder: kind == Kind::Encoder,
            seed: arguments.seed + number as u64,
            steps,
            batch: arguments.batch,
            needing: arguments.needing,
            rate: arguments.rate,
            encoder_rate: arguments.encoder_rate,
            checkpoint_every: arguments.checkpoint_every,
            rollout: 50,
        };
        let prompts = prompts_of(&placements, arguments.placement);
        let mut trio = Trio {
            reader: &mut engine,
            encoder: &mut trained,
            projector: &mut projector,
            prompts,
            input: EncoderInput { tokenizer: &tokenizer, max_tokens: CHUNK_TOKENS, end },
            device: Device::flex().autodiff(),
        };
        compressor::train(&mut trio, &samples, &options)?;
    }
    encoder = trained.model;
    if kind == Kind::Encoder {
        encoder.save(&out)?;
    }
    projector.save(&out.join("projector.safetensors"))?;
    println!("The projector is in {}.", out.display());
    Ok(())
}

fn prompts_of(placements: &Placements, placement: Placement) -> &Prompts {
    match placement {
        Placement::BeforePrefix => &placements.before,
        Placement::AfterSuffix => &placements.after,
    }
}

fn encoder_recipe(arguments: &CompressorArguments) -> Recipe {
    match arguments.cross_entropy_only {
        true => Recipe { prompt: 0.0, restate: 0.0, bag: 0.0, alignment: 0.0, ..Recipe::ENCODER },
        false => Recipe::ENCODER,
    }
}

fn paper_recipe(arguments: &CompressorArguments) -> Recipe {
    let mut recipe = Recipe { scst: arguments.scst, kl: arguments.kl, ..Recipe::PAPER };
    if arguments.cross_entropy_only {
        recipe = Recipe { cross_entropy: 1.0, reinforce: 0.0, ..recipe };
    }
    if arguments.reinforce_only {
        recipe = Recipe { cross_entropy: 0.0, reinforce: 1.0, ..recipe };
    }
    if arguments.no_alignment || arguments.cross_entropy_only {
        recipe.alignment = 0.0;
    }
    recipe
}

/// Root mean square of the reader's input vectors.
fn embedding_scale(reader: &Model) -> f64 {
    let embedding = &reader.parameters[reader.decoder.layout.embedding.clone()];
    let squares: f64 = embedding.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (squares / embedding.len() as f64).sqrt()
}
