//! Every lane is measured on the same tasks, and says what it is.

mod common;

use std::{num::NonZeroUsize, sync::Arc};

use llavacode_core::{
    config::{ContextPlacement, ModelType, WeightFormat},
    model::projector::ProjectorConfig,
};
use llavacode_train::{
    corpus::Split,
    embed::{EncoderInput, TrainedEncoder},
    evaluate::{Evaluation, LaneReport, Report, TaskCounts, evaluate},
    frozen::EngineReader,
    projector::TrainedProjector,
    prompts::{ChunkLayout, pico_prompt},
    random::SplitMix64,
    reader::Placements,
    release::{Release, release},
    report,
};

use common::{model, samples, tokenizer};

const BEFORE: &str = "before_prefix";

/// An evaluation of a random trio on twelve tasks, three of them again as tasks that need context.
fn measured(soft_tokens: usize) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let (samples, tokenizer) = (samples(folder.path()), tokenizer());
    let soft_tokens = NonZeroUsize::new(soft_tokens).expect("not none");
    let placements =
        Placements::new(Arc::clone(&tokenizer), ChunkLayout { top_k: 10, soft_tokens }).expect("prompts");
    let mut reader = EngineReader::new(model(ModelType::Qwen2, &tokenizer), 64);
    let mut encoder = TrainedEncoder::new(model(ModelType::Qwen3, &tokenizer), 64);
    let random = &mut SplitMix64::new(6);
    let form = ProjectorConfig::two_layer(96, 96);
    let projector = TrainedProjector::init(form.clone(), 0.02, random);
    let ablations = [("another".to_owned(), TrainedProjector::init(form, 0.02, random))];
    let mut parts = Evaluation {
        reader: &mut reader,
        encoder: &mut encoder,
        projector: Some(&projector),
        xrag: None,
        ablations: &ablations,
        placements: &placements,
        measured: &[ContextPlacement::BeforePrefix],
        input: EncoderInput { tokenizer: &tokenizer, max_tokens: 32, end: None },
        formats: (WeightFormat::Q4, WeightFormat::Q8),
    };
    let counts = TaskCounts { lines: 12, needing_context: 3 };
    evaluate(&mut parts, &samples, counts, (Split::Test, "twelve")).expect("evaluated")
}

fn lane<'a>(report: &'a Report, name: &str) -> &'a LaneReport {
    &report.lanes[&format!("{name}.{BEFORE}")]
}

#[test]
fn lanes_differ_in_their_context_alone() {
    let found = measured(1);
    assert_eq!((found.tasks, found.needing_context, found.inside_a_line), (12, 3, 12));
    let names: Vec<&str> = found.lanes.keys().map(String::as_str).collect();
    let with_context = ["another", "bags", "compressed", "control", "full_rag"];
    let expected: Vec<String> = with_context.iter().map(|name| format!("{name}.{BEFORE}")).collect();
    assert!(names.contains(&"base") && expected.iter().all(|name| names.contains(&name.as_str())));
    assert_eq!(names.len(), 6, "no lane for a projector that is not there: {names:?}");

    let base = &found.lanes["base"];
    assert!(base.against_base.is_none() && base.soft_tokens == 0.0);
    for name in ["another", "bags", "compressed", "control"] {
        let lane = lane(&found, name);
        assert_eq!(lane.soft_tokens, 1.0, "{name}");
        assert_eq!(lane.prompt_tokens, base.prompt_tokens + 1.0, "{name}");
        assert!(lane.cross_entropy != base.cross_entropy, "{name} reads its soft token");
    }
    assert!(lane(&found, "full_rag").prompt_tokens > base.prompt_tokens + 5.0);
    // Every pair of lanes has other vectors.
    let entropies = with_context.map(|name| lane(&found, name).cross_entropy);
    for (i, a) in entropies.iter().enumerate() {
        assert!(entropies[..i].iter().all(|b| a != b), "{entropies:?}");
    }
    let difference = lane(&found, "bags").against_base.as_ref().expect("paired").cross_entropy;
    assert!(difference.low <= difference.difference && difference.difference <= difference.high);

    for (name, paired) in [("compressed", true), ("bags", true), ("full_rag", false), ("control", false)] {
        assert_eq!(lane(&found, name).against_control.is_some(), paired, "{name}");
    }
    let against = lane(&found, "bags").against_control.as_ref().expect("paired").cross_entropy.difference;
    let gap = |to: &str| lane(&found, to).against_base.as_ref().expect("paired").cross_entropy.difference;
    assert!((against - (gap("bags") - gap("control"))).abs() < 1e-9, "tasks are the same");

    let table = report::markdown(&found);
    assert!(table.contains("compressed, before the prefix against the control: "), "{table}");
    assert!(table.contains("On 3 tasks") && table.contains("bags: no encoder"), "{table}");
    assert_eq!(found.quantized.len(), 3);
    assert_eq!(found.quantized_needing_context.len(), 3);
}

#[test]
fn a_chunk_of_two_soft_tokens_is_read_in_two_parts() {
    let (one, two) = (measured(1), measured(2));
    for name in ["another", "bags", "compressed", "control"] {
        assert_eq!(lane(&two, name).soft_tokens, 2.0, "{name}");
        assert_eq!(lane(&two, name).prompt_tokens, lane(&one, name).prompt_tokens + 1.0, "{name}");
        assert!(lane(&two, name).cross_entropy != lane(&one, name).cross_entropy, "{name}");
    }
    for name in ["base", "full_rag.before_prefix"] {
        assert_eq!(two.lanes[name].cross_entropy, one.lanes[name].cross_entropy, "{name} has none");
    }
}

#[test]
fn what_was_chosen_by_is_not_released() {
    let folder = tempfile::tempdir().expect("a folder");
    let parts = Release {
        reader: folder.path().join("reader"),
        encoder: folder.path().join("encoder"),
        projector: folder.path().join("projector"),
        xrag_projector: None,
        tokenizer: folder.path().join("tokenizer.json"),
        bundle: folder.path().join("bundle"),
        version: "1".into(),
        description: String::new(),
        prompt: pico_prompt(
            ContextPlacement::BeforePrefix,
            ChunkLayout { top_k: 8, soft_tokens: NonZeroUsize::MIN },
        ),
    };
    let mut found = measured(1);
    found.split = Split::Validation;
    let refused = release(&parts, &found).expect_err("of the validation packages");
    assert!(refused.to_string().contains("validation packages"), "{refused}");
    assert!(!parts.bundle.exists());
}
