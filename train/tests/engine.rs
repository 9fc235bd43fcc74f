//! The engine against `llavacode_core`'s own models: what was trained is what the page runs.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use llavacode_core::{
    config::{DecoderConfig, FileEntry, ModelType},
    kernel::Span,
    model::{
        decoder::{DecoderFormats, name_prefix},
        encoder::Encoder,
        reader::Reader,
        token_ids,
    },
    weights::{BundleFiles, FolderFiles, Header, Plan, Weights, load_weights, sha256_hex},
};
use llavacode_train::{
    burn_reader::BurnReader,
    embed::{ChunkEncoder, TrainedEncoder},
    frozen::{EngineReader, FrozenReader, Rollout, SoftBatch, Teacher},
    gguf::GgufReader,
    model::{Model, pico_config},
    nn::decoder::{Input, Tape},
    pretrained::Pretrained,
    projector::values,
    prompts::{Sequence, Target},
    random::SplitMix64,
};

/// Weights away from ones and noughts.
fn model(model_type: ModelType, random: &mut SplitMix64) -> Model {
    let sizes = pico_config(model_type, 61, 96, 2);
    let config = DecoderConfig { head_dim: Some(16), num_key_value_heads: 1, ..sizes };
    let mut model = Model::init(&config, random).expect("a valid config");
    model.parameters.iter_mut().for_each(|p| *p += 0.1 * random.normal() as f32);
    model
}

fn load(folder: &Path, plan: impl FnOnce(&Header) -> Plan) -> Weights {
    let bytes = std::fs::read(folder.join("model.safetensors")).expect("saved");
    let entry = FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(&bytes)) };
    let files = FolderFiles { root: folder.into() };
    let device = Device::flex();
    pollster::block_on(async {
        let source = files.open("model.safetensors").await?;
        load_weights(&source, "model.safetensors", &entry, |h| Ok(plan(h)), &device, &mut |_| ()).await
    })
    .expect("core loads what was saved")
}

fn config(folder: &Path) -> DecoderConfig {
    let json = std::fs::read(folder.join("config.json")).expect("saved");
    DecoderConfig::from_json("config.json", &json).expect("core reads the config")
}

fn assert_near(name: &str, a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len(), "{name}");
    let scale = b.iter().fold(0f32, |m, x| m.max(x.abs()));
    let worst = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst <= tolerance * scale, "{name}: {worst} of {scale}");
}

#[test]
fn a_saved_reader_gives_the_same_logits_in_core() {
    let random = &mut SplitMix64::new(21);
    let model = model(ModelType::Qwen2, random);
    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("saved");
    let loaded = Model::load(folder.path()).expect("loaded");
    assert_eq!(loaded.parameters, model.parameters);

    let config = config(folder.path());
    let mut weights = load(folder.path(), |h| Reader::plan(&config, DecoderFormats::DENSE, name_prefix(h)));
    let reader = Reader::from_weights(&config, &mut weights).expect("a reader");
    let tokens: Vec<u32> = (0..70).map(|_| random.below(61) as u32).collect();
    let mut tape = Tape::default();
    let input = Input { tokens: &tokens, lengths: &[70], soft: &[], vectors: &[] };
    model.decoder.forward(&model.parameters, input, &mut tape);
    let rows: Vec<usize> = (0..70).collect();
    let ours = model.decoder.logits(&model.parameters, &rows, &tape);
    let mut cache = reader.cache(1, 70);
    let x = reader.embed(token_ids(&tokens, &Device::flex()));
    let hidden = reader.forward(x, &mut cache, Span { batch: 1, start: 0, len: 70 });
    assert_near("logits", &ours, &values(reader.logits(hidden)), 1e-4);
}

/// A small Llama of random weights, of blocks with a scale and a minimum, that llama.cpp reads too.
#[test]
fn a_gguf_file_gives_the_same_logits_in_the_engine_and_in_core() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/llama_cpp/tiny_llama/model.gguf");
    let GgufReader { reader, tokenizer } = GgufReader::load(&path).expect("a reader");
    assert_eq!(reader.config().model_type, ModelType::Llama);
    let model = Model::of_reader(&reader).expect("a tied head");
    let tokens = tokenizer.encode(&"def tide(level):\n    return level + 1\n".repeat(5));
    let len = tokens.len();
    let mut tape = Tape::default();
    let input = Input { tokens: &tokens, lengths: &[len], soft: &[], vectors: &[] };
    model.decoder.forward(&model.parameters, input, &mut tape);
    let rows: Vec<usize> = (0..len).collect();
    let ours = model.decoder.logits(&model.parameters, &rows, &tape);
    let mut cache = reader.cache(1, len);
    let x = reader.embed(token_ids(&tokens, &Device::flex()));
    let hidden = reader.forward(x, &mut cache, Span { batch: 1, start: 0, len });
    // Core keeps the blocks and rounds activations to 16 bits.
    assert_near("logits", &ours, &values(reader.logits(hidden)), 5e-4);
}

#[test]
fn more_key_value_heads_are_the_same_function() {
    let random = &mut SplitMix64::new(24);
    let model = model(ModelType::Qwen2, random);
    let more = model.with_key_value_heads(3).expect("one head becomes three");
    let tokens: Vec<u32> = (0..40).map(|_| random.below(61) as u32).collect();
    let logits = |model: &Model| {
        let mut tape = Tape::default();
        let input = Input { tokens: &tokens, lengths: &[40], soft: &[], vectors: &[] };
        model.decoder.forward(&model.parameters, input, &mut tape);
        model.decoder.logits(&model.parameters, &[7, 39], &tape)
    };
    assert!(more.parameters.len() > model.parameters.len());
    assert_near("logits", &logits(&more), &logits(&model), 1e-5);
    let error = model.with_key_value_heads(2).expect_err("two cannot serve three").to_string();
    assert!(error.contains("1 key-value heads under 3 query heads cannot become 2"), "{error}");
}

#[test]
fn a_saved_encoder_gives_the_same_embeddings_in_core() {
    let random = &mut SplitMix64::new(22);
    let model = model(ModelType::Qwen3, random);
    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("saved");
    let config = config(folder.path());
    let mut weights = load(folder.path(), |h| Encoder::plan(&config, DecoderFormats::DENSE, name_prefix(h)));
    let encoder = Encoder::from_weights(&config, &mut weights).expect("an encoder");
    let texts: Vec<Vec<u32>> =
        [5, 17, 9].map(|len| (0..len).map(|_| random.below(61) as u32).collect()).into();
    let raw = TrainedEncoder::new(model, 24).raw(&texts);
    let raw = Tensor::<2>::from_data(TensorData::new(raw, [3, 96]), &Device::flex());
    let ours = values(llavacode_core::model::encoder::l2_normalise(raw));
    assert_near("embeddings", &ours, &values(encoder.encode(&texts)), 1e-4);
}

/// Sequences with soft tokens, of different lengths.
fn sequences(random: &mut SplitMix64) -> Vec<Sequence> {
    [23, 9, 40]
        .iter()
        .map(|&prompt| {
            let tokens = (0..prompt).map(|_| random.below(61) as u32).collect();
            let prompt = Sequence { tokens, soft: vec![(2, 1), (5, 0)], targets: Vec::new(), prompt };
            let completion: Vec<u32> = (0..6).map(|_| random.below(61) as u32).collect();
            prompt.with_completion(&completion, 0.25)
        })
        .collect()
}

/// The engine's frozen reader and burn's, which is made for any device: the same losses,
/// gradients of soft vectors and rollouts, with and without a teacher.
#[test]
fn the_engine_and_burn_agree_on_a_frozen_reader() {
    let random = &mut SplitMix64::new(23);
    let model = model(ModelType::Qwen2, random);
    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("saved");
    let saved = Pretrained::open(folder.path()).expect("a model");
    let mut burn = BurnReader::load(&saved, &Device::flex().autodiff()).expect("loaded");
    let mut engine = EngineReader::new(model, 32);

    let sequences = sequences(random);
    let vectors: Vec<f32> = (0..6 * 96).map(|_| random.normal() as f32).collect();
    let batch = SoftBatch { sequences: &sequences, first_vectors: &[0, 2, 4], vectors: &vectors };
    let taught: Vec<Sequence> = sequences
        .iter()
        .map(|sequence| {
            let mut longer = Sequence { soft: Vec::new(), ..sequence.clone() };
            longer.tokens.insert(0, 7);
            longer.targets = longer.targets.iter().map(|t| Target { row: t.row + 1, ..*t }).collect();
            longer
        })
        .collect();
    for teacher in [None, Some(Teacher { sequences: &taught, weight: 0.4 })] {
        let (ours, our_gradient) = engine.loss(batch, teacher).expect("the engine");
        let (theirs, their_gradient) = burn.loss(batch, teacher).expect("burn");
        assert!((ours - theirs).abs() < 1e-4 * theirs.abs(), "{ours} {theirs}");
        assert_near("gradient", &our_gradient, &their_gradient, 1e-3);
        assert!(our_gradient.chunks_exact(96).all(|vector| vector.iter().any(|g| g.abs() > 1e-6)));
    }
    let stop = |token: u32| token == 0;
    let ours = engine.rollout(batch, 8, Rollout::Greedy, &stop).expect("the engine");
    let judged = engine.judge(batch, 8, &stop);
    assert_eq!(judged.iter().map(|j| j.completion.clone()).collect::<Vec<_>>(), ours);
    let weighted: f64 = judged.iter().map(|j| j.cross_entropy * 6.0 * 0.25).sum();
    let (loss, _) = engine.loss(batch, None).expect("the engine");
    assert!((weighted - loss).abs() < 1e-4 * loss, "{weighted} {loss}");
    assert_eq!(ours, burn.rollout(batch, 8, Rollout::Greedy, &stop).expect("burn"));
    let sampled = engine.rollout(batch, 8, Rollout::Sampled(3), &stop).expect("the engine");
    assert_eq!(sampled, engine.rollout(batch, 8, Rollout::Sampled(3), &stop).expect("the engine"));
}
