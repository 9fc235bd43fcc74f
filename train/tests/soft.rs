//! Soft tokens for a reader out of a GGUF file: gradients, features of chunks, and runs that resume.

use std::{fs, num::NonZeroUsize, path::Path, sync::Arc};

use llavacode_core::{
    config::{EncoderInput, PromptConfig, PromptStyle},
    engine::Lane,
    index::chunker::parts,
    model::{encoder::Encoder, projector::ProjectorConfig},
};
use llavacode_train::{
    asking::{
        Asking, Terms,
        task::{Task, Tasks},
    },
    gguf::GgufReader,
    model::Model,
    nn::adapter::Adapter,
    projector::TrainedProjector,
    prompts::Sequence,
    random::SplitMix64,
    samples::Sample,
    soft::{
        Learning, SoftOptions, ValidationSet,
        features::ChunkReader,
        form::SoftForm,
        free::{FreeOptions, find, mean_input_vectors, moved_on, told},
        teacher::{Kept, Teacher},
        train,
    },
};

mod common;

use common::samples;

const SOFT_TOKENS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn reader() -> GgufReader {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/llama_cpp/tiny_llama/model.gguf");
    GgufReader::load(&path).expect("a reader")
}

fn tasks(reader: &GgufReader) -> Tasks {
    let config = PromptConfig {
        style: Some(PromptStyle::Causal),
        context_header: "# Others:".into(),
        prefix_tokens: 40,
        top_k: 1,
        soft_tokens: SOFT_TOKENS,
        token_healing: true,
        draft_tokens: 0,
        ..PromptConfig::default()
    };
    Tasks::new(Arc::clone(&reader.tokenizer), config).expect("prompts")
}

fn chunk_reader(reader: &GgufReader, model: &Model, room: usize) -> ChunkReader {
    let end = reader.tokenizer.encode("\n")[0];
    let tokenizer = (Arc::clone(&reader.tokenizer), end);
    ChunkReader::new(model, vec![0, 1], SOFT_TOKENS.get(), tokenizer, (2, 64), room)
}

#[test]
fn gradients_of_soft_vectors_agree_with_finite_differences() {
    let reader = reader();
    let model = Model::of_reader(&reader.reader).expect("a tied head");
    let tasks = tasks(&reader);
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = SplitMix64::new(81);
    let samples = samples(folder.path());
    let line = tasks.compressed(&samples.get(3).expect("a sample"));
    assert!(!line.held.is_empty() && line.sequence.soft.len() == 2 && line.sequence.soft[0].0 > 0);
    let (_, restated) = tasks.restated(&samples.get(5).expect("a sample"), &mut random);
    let asked = [line.weighing(0.7), restated.behind(2).weighing(0.3)];
    let mut asking = Asking::new(model, Arc::clone(&reader.tokenizer), 2, 64);
    let (hidden, scale) = (asking.hidden(), asking.embedding_scale());
    let vectors: Vec<f32> = (0..4 * hidden).map(|_| (scale * random.normal()) as f32).collect();
    let gradient = asking.ask(&asked, &vectors, Some(Terms::default())).d_vectors;
    let mut value = |vectors: &[f32]| {
        let nats = asking.ask(&asked, vectors, None).nats;
        0.7 * nats[0] + 0.3 * nats[1]
    };
    let largest = gradient.iter().fold(0f32, |most, g| most.max(g.abs()));
    for vector in 0..4 {
        // Along the gradient: the differences are large enough for 32-bit floats.
        let range = vector * hidden..(vector + 1) * hidden;
        let length = gradient[range.clone()].iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(length > 0.01 * largest, "vector {vector} has no gradient");
        let step = 0.02 * scale as f32;
        let moved = |sign: f32| {
            let mut moved = vectors.clone();
            moved[range.clone()]
                .iter_mut()
                .zip(&gradient[range.clone()])
                .for_each(|(x, g)| *x += sign * step * g / length);
            moved
        };
        let difference = (value(&moved(1.0)) - value(&moved(-1.0))) / f64::from(2.0 * step);
        let error = (difference - f64::from(length)).abs() / f64::from(length);
        assert!(error < 0.02, "vector {vector}: {length} but finite differences {difference}");
    }
}

/// A pupil that reads what its teacher read says the same: neither term pulls it anywhere, and what the
/// teacher kept is what was measured.
#[test]
fn a_pupil_that_says_what_its_teacher_says_is_left_alone() {
    let reader = reader();
    let model = Model::of_reader(&reader.reader).expect("a tied head");
    let tasks = tasks(&reader);
    let folder = tempfile::tempdir().expect("a folder");
    let sample = samples(folder.path()).get(3).expect("a sample");
    let mut asking = Asking::new(model, Arc::clone(&reader.tokenizer), 2, 64);
    let hidden = asking.hidden();
    let task = tasks.compressed(&sample);
    let vectors = vec![0.05; 2 * hidden];
    // The teacher's prompt with tokens where the pupil has vectors.
    let text = Task { sequence: Sequence { soft: Vec::new(), ..task.sequence.clone() }, ..task.clone() };
    let taught = asking.teach(std::slice::from_ref(&text)).remove(0);
    let nats = asking.ask(std::slice::from_ref(&text), &[], None).nats[0];
    assert!((f64::from(taught.nats) - nats).abs() < 1e-3, "{} {nats}", taught.nats);
    assert_eq!(taught.hidden.len(), task.sequence.targets.len() * hidden);

    // Soft vectors that are those tokens' own.
    let row = |token: u32| asking.embedding()[token as usize * hidden..][..hidden].to_vec();
    let own = [row(0), row(0)].concat();
    let pull = |asking: &mut Asking, task: Task, vectors: &[f32], terms| {
        let plain = asking.ask(&[task.clone().weighing(1.0)], vectors, Some(Terms::default())).d_vectors;
        let with =
            asking.ask(&[task.taught_by(taught.clone()).weighing(1.0)], vectors, Some(terms)).d_vectors;
        plain.iter().zip(&with).fold(0f32, |most, (a, b)| most.max((a - b).abs()))
    };
    for terms in [Terms { kl: 1.0, hidden: 0.0 }, Terms { kl: 0.0, hidden: 1.0 }] {
        let (same, other) =
            (pull(&mut asking, task.clone(), &own, terms), pull(&mut asking, task.clone(), &vectors, terms));
        assert!(same < 1e-2 * other, "{terms:?}: {same} where it says the same, {other} elsewhere");
    }
}

/// What a line costs without soft tokens is what the page's own evaluation says of it.
#[test]
fn a_line_costs_what_the_evaluation_of_readers_says() {
    let reader = reader();
    let model = Model::of_reader(&reader.reader).expect("a tied head");
    let folder = tempfile::tempdir().expect("a folder");
    let sample = samples(folder.path()).get(7).expect("a sample");
    let config = PromptConfig { style: Some(PromptStyle::Causal), ..PromptConfig::default() };
    let tasks = Tasks::new(Arc::clone(&reader.tokenizer), config.clone()).expect("prompts");
    let mut asking = Asking::new(model, Arc::clone(&reader.tokenizer), 1, 64);
    let tokenizer = Arc::clone(&reader.tokenizer);
    let bundle = llavacode_train::readers::BundleReader::new(
        "tiny".into(),
        "a".into(),
        reader.reader,
        tokenizer,
        config,
    )
    .expect("a reader");
    for (lane, name) in [(Lane::Base, "base"), (Lane::FullRag, "full_rag")] {
        let asked = bundle.lanes().into_iter().find(|asked| asked.name == name).expect("a lane");
        let theirs = bundle.judge(&mut bundle.session(), asked, &sample, &[]).expect("judged");
        let task = tasks.task(lane, &sample);
        let ours = asking.ask(std::slice::from_ref(&task), &[], None).nats[0];
        assert!((ours - theirs.nats).abs() < 1e-2 * theirs.nats, "{name}: {ours} {}", theirs.nats);
        assert_eq!(task.sequence.prompt, theirs.positions);
    }
}

#[test]
fn a_chunk_is_read_once_and_every_part_has_features() {
    let reader = reader();
    let model = Model::of_reader(&reader.reader).expect("a tied head");
    let mut chunks = chunk_reader(&reader, &model, usize::MAX);
    let width = chunks.width();
    assert_eq!(width, 2 * model.decoder.shape.hidden);
    let texts = ["def tide():\n    return 1", "one_line", "def tide():\n    return 1"].map(String::from);
    let features = chunks.features(&texts);
    assert_eq!(features.len(), 3 * 2 * width);
    let of = |chunk: usize, part: usize| &features[(2 * chunk + part) * width..][..width];
    assert!(of(0, 0) != of(0, 1), "two lines, two parts");
    // The first part of one line has no line: its features are those of the token before it.
    assert!(of(1, 0) != of(1, 1) && of(1, 0).iter().all(|x| x.is_finite()));
    assert_eq!((of(0, 0), of(0, 1)), (of(2, 0), of(2, 1)));
    // Each state was divided by its root mean square, so no mean is larger than 1.
    let square = of(0, 0).iter().map(|x| x * x).sum::<f32>() / width as f32;
    assert!(square > 0.01 && square <= 1.0, "{square}");
    assert_eq!(chunks.features(&texts), features, "from memory");
    let mut forgetful = chunk_reader(&reader, &model, 0);
    forgetful.features(&texts[1..2]);
    assert_eq!(forgetful.features(&texts), features, "read again");
}

/// What the projector learns from is what the page's encoder gives.
#[test]
fn features_are_what_the_engine_gives_of_the_same_parts() {
    let reader = reader();
    let model = Model::of_reader(&reader.reader).expect("a tied head");
    let end = reader.tokenizer.encode("\n")[0];
    let texts = ["def tide():\n    return level + 1\n\n", "x"].map(String::from);
    let ours = chunk_reader(&reader, &model, usize::MAX).features(&texts);
    let encoder = Encoder::of_reader(&reader.reader, vec![0, 1]);
    let parts = texts.iter().flat_map(|text| parts(text, SOFT_TOKENS.get()));
    let sequences: Vec<Vec<u32>> =
        parts.map(|part| [&[end][..], &reader.tokenizer.encode(&part)].concat()).collect();
    assert_eq!(encoder.width() * sequences.len(), ours.len());
    let theirs: Vec<f32> = encoder.encode(&sequences).into_data().iter::<f32>().collect();
    let off = ours.iter().zip(&theirs).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(off < 2e-2, "{off}");
    let mean = ours.iter().map(|x| x.abs()).sum::<f32>() / ours.len() as f32;
    assert!(off < 0.05 * mean, "{off} of {mean}");
}

/// Trains for so many steps, the reader with an adapter that learns along if one is wanted; gives the
/// projector's parameters and the adapter's factors.
fn trained(folder: &Path, name: &str, steps: u64, along: bool) -> [Vec<f32>; 2] {
    let samples = samples(folder);
    let reader = reader();
    let mut model = Model::of_reader(&reader.reader).expect("a tied head");
    let [tasks, held_out, lines, text] = [0; 4].map(|_| tasks(&reader));
    let kept = Kept::open(&folder.join("teacher.bin")).expect("a file");
    let teacher = (!along).then(|| Teacher { text, mark: "tiny".into(), kept });
    let base = vec![("none".to_owned(), Lane::Base, lines)];
    let chunks = chunk_reader(&reader, &model, usize::MAX);
    if along {
        adapt(&mut model);
    }
    let mut asking = Asking::new(model, Arc::clone(&reader.tokenizer), 2, 64);
    let form = ProjectorConfig::two_layer(chunks.width(), asking.hidden());
    let projector = TrainedProjector::init(form, asking.embedding_scale(), &mut SplitMix64::new(3));
    let before = [projector.parameters.clone(), asking.factors_mut().to_vec()];
    let options = SoftOptions {
        out: folder.join(name),
        samples: "test".into(),
        reader: "tiny".into(),
        form: SoftForm {
            soft_tokens: SOFT_TOKENS,
            encoder: EncoderInput { reader_layers: vec![0, 1], ..EncoderInput::default() },
        },
        seed: 5,
        steps,
        lines: 2,
        needing: 0.5,
        restated: 1,
        restating: 0.5,
        terms: if along { Terms::default() } else { Terms { kl: 0.5, hidden: 0.2 } },
        by_gain: !along,
        pass_on: true,
        rate: 1e-2,
        // No fall: its place depends on the run's length.
        decay: 0.0,
        checkpoint_every: 2,
        validate_every: 3,
    };
    let kept_lanes = folder.join("validation.json");
    let validation = ValidationSet::new(&samples, 2, held_out, base, (&kept_lanes, "tiny")).expect("a set");
    let mut learning = Learning { asking, chunks, projector, tasks: &tasks, teacher, validation };
    train(&mut learning, &samples, &options).expect("trained");
    let after = [learning.projector.parameters, learning.asking.factors_mut().to_vec()];
    assert!(after[0] != before[0]);
    assert_eq!(after[1] != before[1], along);
    after
}

/// Thin products that change nothing yet.
fn adapt(model: &mut Model) {
    let adapter = Adapter::new(&model.decoder.shape, &model.decoder.layout, 2, 2.0);
    model.parameters.extend(adapter.init::<f32>(&mut SplitMix64::new(6)));
    model.decoder.adapt(adapter);
}

#[test]
fn a_resumed_run_is_the_unbroken_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, steps: u64| trained(folder.path(), name, steps, false);
    let unbroken = run("unbroken", 6);
    run("broken", 4);
    assert_eq!(run("broken", 6), unbroken);

    let log = fs::read_to_string(folder.path().join("broken/log.jsonl")).expect("a log");
    let entries: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    let steps: Vec<u64> =
        entries.iter().filter(|e| e.get("lines").is_some()).filter_map(|e| e["step"].as_u64()).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    let first = &entries[0]["validation"]["needing"];
    for lane in ["none", "compressed", "control_mean"] {
        assert!(first[lane]["per_character"].as_f64().is_some_and(|nats| nats > 0.0), "{lane}: {first}");
    }
    assert!(folder.path().join("broken/projector.safetensors").exists());
}

#[test]
fn an_adapter_learns_along_and_its_run_resumes_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, steps: u64| trained(folder.path(), name, steps, true);
    let unbroken = run("unbroken", 6);
    run("broken", 4);
    assert_eq!(run("broken", 6), unbroken);
    assert!(folder.path().join("broken/adapter_model.safetensors").exists());
}

#[test]
fn gradients_of_factors_agree_with_finite_differences_where_vectors_are_read() {
    let reader = reader();
    let mut model = Model::of_reader(&reader.reader).expect("a tied head");
    adapt(&mut model);
    let tasks = tasks(&reader);
    let folder = tempfile::tempdir().expect("a folder");
    let line = tasks.compressed(&samples(folder.path()).get(3).expect("a sample")).weighing(0.7);
    let mut asking = Asking::new(model, Arc::clone(&reader.tokenizer), 2, 64);
    let mut random = SplitMix64::new(82);
    let scale = asking.embedding_scale();
    let vectors: Vec<f32> = (0..2 * asking.hidden()).map(|_| (scale * random.normal()) as f32).collect();
    asking.factors_mut().iter_mut().for_each(|factor| *factor += 0.1 * random.normal() as f32);
    let asked = [line];
    let gradient = asking.ask(&asked, &vectors, Some(Terms::default())).d_factors;
    let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    assert!(length > 0.0);
    let mut value = |step: f32| {
        asking.factors_mut().iter_mut().zip(&gradient).for_each(|(x, g)| *x += step * g / length);
        let nats = asking.ask(&asked, &vectors, None).nats[0];
        asking.factors_mut().iter_mut().zip(&gradient).for_each(|(x, g)| *x -= step * g / length);
        0.7 * nats
    };
    let difference = (value(0.01) - value(-0.01)) / 0.02;
    let error = (difference - f64::from(length)).abs() / f64::from(length);
    assert!(error < 0.02, "{length} but finite differences {difference}");
}

/// Found vectors tell their own chunk better than another's; a run that was stopped finds the same.
#[test]
fn free_vectors_retell_the_chunk_they_were_found_for() {
    let reader = reader();
    let folder = tempfile::tempdir().expect("a folder");
    let with_one = |mut sample: Sample| {
        sample.chunks.truncate(1);
        sample
    };
    let samples: Vec<Sample> =
        samples(folder.path()).first(6).expect("samples").into_iter().map(with_one).collect();
    let tasks = tasks(&reader);
    let asking = || {
        let model = Model::of_reader(&reader.reader).expect("a tied head");
        Asking::new(model, Arc::clone(&reader.tokenizer), 2, 64)
    };
    let mut whole = asking();
    let start = mean_input_vectors(&whole, &reader.tokenizer, &samples, 2);
    assert_eq!(start.len(), samples.len() * 2 * whole.hidden());
    let run = |asking: &mut Asking, out: &str, steps| {
        let out = folder.path().join(out);
        let options = FreeOptions { mark: "a test".into(), steps, rate: 0.3, seed: 5 };
        find(asking, &tasks, &samples, start.clone(), (&options, &out)).expect("a run")
    };
    let found = run(&mut whole, "whole", 40);
    let mut cost = |vectors: &[f32]| {
        told(&mut whole, (&tasks, Lane::Compressed), &samples, (vectors, 5)).chunk.per_token
    };
    let [before, own, other] = [cost(&start), cost(&found), cost(&moved_on(&found, samples.len()))];
    assert!(own < 0.8 * before && own < 0.9 * other, "{before} {own} {other}");

    // Its checkpoint is what a run that was killed after it leaves.
    let first = run(&mut asking(), "killed", 20);
    assert_ne!(first, found);
    assert_eq!(run(&mut asking(), "killed", 40), found);
}
