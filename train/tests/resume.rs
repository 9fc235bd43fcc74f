//! A run that was interrupted continues the same curve.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use llavacode_core::config::ModelType;
use llavacode_train::{
    compressor::{CompressorOptions, Recipe, Trio, train},
    embed::{EncoderInput, TrainedEncoder},
    frozen::EngineReader,
    projector::TrainedProjector,
    prompts::ChunkLayout,
    random::SplitMix64,
    reader::{self, Placements, ReaderOptions},
};

mod common;

use common::{model, samples, tokenizer};

const CHUNKS: ChunkLayout = ChunkLayout { top_k: 1, soft_tokens: NonZeroUsize::new(2).unwrap() };

fn reader_options(out: &Path, steps: u64) -> ReaderOptions {
    ReaderOptions {
        out: out.into(),
        samples: "test".into(),
        seed: 5,
        steps,
        tokens: 120,
        micro_batch: 64,
        rate: 3e-3,
        warm_up: 2,
        // No fall: its place depends on the run's length.
        decay: 0.0,
        muon: true,
        completion_weight: 2.0,
        with_chunks: 0.7,
        needing: 0.3,
        renamed: 0.5,
        after_suffix: 0.5,
        bags: 0.5,
        renamed_bags: 0.5,
        restated: 0.5,
        chunk_tokens: 32,
        checkpoint_every: 2,
        validate_every: 100,
    }
}

#[test]
fn a_reader_resumed_from_its_checkpoint_is_the_reader_of_an_unbroken_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (samples, tokenizer) = (samples(folder.path()), tokenizer());
    let placements = Placements::new(Arc::clone(&tokenizer), CHUNKS).expect("prompts");
    let run = |name: &str, steps| {
        let options = reader_options(&folder.path().join(name), steps);
        reader::train(model(ModelType::Qwen2, &tokenizer), &placements, &samples, &samples, &options)
    };
    let unbroken = run("unbroken", 6).expect("trained");
    run("broken", 4).expect("trained");
    let resumed = run("broken", 6).expect("resumed");
    assert_eq!(resumed.parameters, unbroken.parameters);
    let fresh = model(ModelType::Qwen2, &tokenizer);
    assert_ne!(fresh.parameters, unbroken.parameters, "nothing was learned");

    let mut other = reader_options(&folder.path().join("broken"), 8);
    other.seed = 6;
    let fresh = model(ModelType::Qwen2, &tokenizer);
    let refused = reader::train(fresh, &placements, &samples, &samples, &other).expect_err("other settings");
    assert!(refused.to_string().contains("other settings"), "{refused}");
}

#[test]
fn a_projector_resumed_from_its_checkpoint_is_the_projector_of_an_unbroken_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (samples, tokenizer) = (samples(folder.path()), tokenizer());
    let placements = Placements::new(Arc::clone(&tokenizer), CHUNKS).expect("prompts");
    let run = |name: &str, steps, recipe: Recipe| {
        let mut reader = EngineReader::new(model(ModelType::Qwen2, &tokenizer), 64);
        let mut encoder = TrainedEncoder::new(model(ModelType::Qwen3, &tokenizer), 64);
        let form = llavacode_core::model::projector::ProjectorConfig::two_layer(96, 96);
        let mut projector = TrainedProjector::init(form, 0.02, &mut SplitMix64::new(6));
        let options = CompressorOptions {
            out: folder.path().join(name),
            samples: "test".into(),
            recipe,
            train_encoder: recipe.contrastive > 0.0,
            seed: 7,
            // The rate depends on the run's length: an interruption is a checkpoint copied away.
            steps,
            batch: 3,
            needing: 0.5,
            rate: 1e-3,
            encoder_rate: 1e-3,
            checkpoint_every: 2,
            rollout: 6,
        };
        let mut trio = Trio {
            reader: &mut reader,
            encoder: &mut encoder,
            projector: &mut projector,
            prompts: &placements.after,
            input: EncoderInput { tokenizer: &tokenizer, max_tokens: 32, end: None },
            device: burn::tensor::Device::flex().autodiff(),
        };
        train(&mut trio, &samples, &options).expect("trained");
        (projector.parameters, encoder.model.parameters)
    };
    let everything = Recipe { bag: 1.0, kl: 1.0, reinforce: 0.1, scst: true, ..Recipe::ENCODER };
    let start = run("start", 0, everything);
    let unbroken = run("unbroken", 4, everything);
    assert_ne!(start.0, unbroken.0, "the projector learned nothing");
    assert_ne!(start.1, unbroken.1, "the encoder learned nothing");
    // A finished run that is started again does nothing more, from its checkpoint.
    assert_eq!(run("unbroken", 4, everything), unbroken);
    assert_eq!(run("again", 4, everything), unbroken);
    let frozen = run("frozen", 4, Recipe::PAPER);
    assert_eq!(frozen.1, start.1, "a frozen encoder stays");
}
