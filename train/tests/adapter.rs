//! LoRA for a reader out of a GGUF file: runs that resume, and the files that come of them.

use std::{fs, path::Path, sync::Arc};

use burn::tensor::Device;
use half::f16;
use llavacode_core::{
    Error,
    bundle::{load_models, manifest_of},
    config::{FormatChoice, PromptConfig, PromptStyle, WeightFormat},
    engine::Lane,
    weights::FolderFiles,
};
use llavacode_train::{
    adapter::{AdapterOptions, Adapting, Shares, export, train},
    asking::{Asking, cost::cost, task::Tasks},
    gguf::GgufReader,
    model::Model,
    nn::adapter::Adapter,
    random::SplitMix64,
    samples::Sample,
};
use safetensors::SafeTensors;

mod common;

use common::samples;

const READER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/llama_cpp/tiny_llama/model.gguf");
const RANK: usize = 3;

fn reader() -> GgufReader {
    GgufReader::load(Path::new(READER)).expect("a reader")
}

fn tasks(reader: &GgufReader) -> Tasks {
    let config = PromptConfig {
        style: Some(PromptStyle::Causal),
        suffix_as_context: true,
        prefix_tokens: 40,
        suffix_tokens: 20,
        excerpt_tokens: 30,
        top_k: 1,
        ..PromptConfig::default()
    };
    Tasks::new(Arc::clone(&reader.tokenizer), config).expect("prompts")
}

fn adapted(reader: &GgufReader) -> Asking {
    let mut model = Model::of_reader(&reader.reader).expect("a tied head");
    let adapter = Adapter::new(&model.decoder.shape, &model.decoder.layout, RANK, 2.0);
    model.parameters.extend(adapter.init::<f32>(&mut SplitMix64::new(3)));
    model.decoder.adapt(adapter);
    Asking::new(model, Arc::clone(&reader.tokenizer), 2, 128)
}

#[test]
fn what_stands_before_the_cursor_is_learned_from_and_what_is_context_is_not() {
    let reader = reader();
    let tasks = tasks(&reader);
    let folder = tempfile::tempdir().expect("a folder");
    let sample = samples(folder.path()).get(3).expect("a sample");
    let (base, text) =
        (tasks.with_text(Lane::Base, &sample, 0.25), tasks.with_text(Lane::FullRag, &sample, 0.25));
    let weighs = |weight: f32| base.targets.iter().filter(|target| target.weight == weight).count();
    let without = Sample { suffix: String::new(), ..sample.clone() };
    let alone = tasks.with_text(Lane::Base, &without, 0.25).prompt;
    assert!(base.prompt > alone, "what stands after the cursor is read");
    assert_eq!(weighs(0.25), alone - 1, "and what stands before it is told, but for its first token");
    assert_eq!(weighs(1.0), base.tokens.len() - base.prompt);
    assert!(text.prompt > base.prompt);
    let tokens = |of: &[llavacode_train::prompts::Target]| of.iter().map(|t| t.token).collect::<Vec<_>>();
    assert_eq!(tokens(&text.targets), tokens(&base.targets), "the chunk is read and not told");
    let said = reader.tokenizer.decode(&tokens(&base.targets));
    assert!(said.ends_with("other.value_3()\n"), "{said}");
    assert!(text.targets.iter().all(|t| text.tokens[t.row + 1] == t.token));
}

#[test]
fn a_resumed_run_is_the_unbroken_one_and_its_files_add_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = samples(folder.path());
    let run = |name: &str, steps: u64| {
        let reader = reader();
        let [tasks, as_the_page] = [0; 2].map(|_| tasks(&reader));
        let options = AdapterOptions {
            out: folder.path().join(name),
            samples: "test".into(),
            reader: "tiny".into(),
            seed: 5,
            steps,
            lines: 3,
            needing: 0.5,
            lanes: Shares { base: 0.2, excerpt: 0.4, full_rag: 0.4 },
            text: 0.25,
            rate: 1e-2,
            // No fall: its place depends on the run's length.
            decay: 0.0,
            checkpoint_every: 2,
            validate_every: 100,
        };
        let held_out = vec![("needing", samples.first(4).expect("samples"))];
        let mut adapting =
            Adapting { asking: adapted(&reader), tasks: &tasks, as_the_page: &as_the_page, held_out };
        train(&mut adapting, &samples, &options).expect("trained");
        adapting.asking
    };
    let mut unbroken = run("unbroken", 6);
    run("broken", 4);
    assert_eq!(run("broken", 6).factors_mut(), unbroken.factors_mut());

    let log = fs::read_to_string(folder.path().join("unbroken/log.jsonl")).expect("a log");
    let found: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("json"))
        .filter(|entry: &serde_json::Value| entry.get("validation").is_some())
        .collect();
    let nats = |at: usize, lane: &str| found[at]["validation"]["needing"][lane]["per_character"].as_f64();
    for lane in ["base", "excerpt", "full_rag"] {
        assert!(nats(1, lane) < nats(0, lane), "{lane}: {:?} {:?}", nats(0, lane), nats(1, lane));
    }

    // The model with the products added says the same, and so do PEFT's files.
    let merged = export::merged(unbroken.model()).expect("an adapter");
    let reader = reader();
    let task = [tasks(&reader).task(Lane::Excerpt, &samples.get(7).expect("a sample"))];
    let mut other = Asking::new(merged.clone(), Arc::clone(&reader.tokenizer), 1, 128);
    let (ours, theirs) = (cost(&mut unbroken, &task, &[]), cost(&mut other, &task, &[]));
    assert!((ours.per_token - theirs.per_token).abs() < 1e-3 * ours.per_token, "{ours:?} {theirs:?}");

    export::save(unbroken.model(), folder.path()).expect("saved");
    let bytes = fs::read(folder.path().join("adapter_model.safetensors")).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let tensor = |name: &str| {
        let view = file.tensor(&format!("base_model.model.model.layers.0.{name}.weight")).expect("a tensor");
        let bytes = view.data().chunks_exact(2);
        let values = bytes.map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect::<Vec<f32>>();
        (view.shape().to_vec(), values)
    };
    let model = unbroken.model();
    for name in ["self_attn.k_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"] {
        let ((a_shape, a), (b_shape, b)) =
            (tensor(&format!("{name}.lora_A")), tensor(&format!("{name}.lora_B")));
        let whole = format!("layers.0.{name}.weight");
        let place =
            model.decoder.layout.tensors.iter().find(|tensor| tensor.name == whole).expect("a matrix");
        assert_eq!((a_shape, b_shape), (vec![RANK, place.cols], vec![place.rows, RANK]), "{name}");
        for (at, (with, without)) in
            merged.parameters[place.range()].iter().zip(&model.parameters[place.range()]).enumerate()
        {
            let (row, col) = (at / place.cols, at % place.cols);
            let product: f32 = (0..RANK).map(|r| b[row * RANK + r] * a[r * place.cols + col]).sum();
            assert!((with - without - 2.0 * product).abs() < 2e-3, "{name} {at}");
        }
    }
    // So does the page's loader, from a GGUF file, whose q and k lie in another order.
    let bundle = folder.path().join("bundle");
    export::save(unbroken.model(), &bundle.join("reader")).expect("saved");
    fs::copy(READER, bundle.join("reader/model.gguf")).expect("copied");
    let (files, device) = (FolderFiles { root: bundle.clone() }, Device::flex());
    let loaded = |names: &[&str]| {
        let sizes = names.iter().map(|name| {
            let path = format!("reader/{name}");
            let bytes = fs::metadata(bundle.join(&path)).expect("a file").len();
            (path, bytes)
        });
        let mut manifest = manifest_of(sizes.collect());
        manifest.quantization.reader_linear = FormatChoice::Fixed(WeightFormat::F32);
        manifest.quantization.reader_head = FormatChoice::Fixed(WeightFormat::F32);
        let models = pollster::block_on(async { load_models(&files, manifest, &device, |_| ()).await })?;
        Ok::<_, Error>(Model::of_reader(&models.reader).expect("a tied head").parameters)
    };
    let with = loaded(&["model.gguf", "adapter_model.safetensors", "adapter_config.json"]).expect("a bundle");
    let without = loaded(&["model.gguf"]).expect("a bundle");
    let half = loaded(&["model.gguf", "adapter_model.safetensors"]).expect_err("how it is added is not said");
    assert!(half.to_string().contains("adapter_config.json, which says how"), "{half}");
    let added = with.iter().zip(&without).map(|(with, without)| with - without);
    let theirs = merged.parameters.iter().zip(&model.parameters).map(|(with, without)| with - without);
    let (mut apart, mut largest) = (0f32, 0f32);
    for (ours, theirs) in added.zip(theirs) {
        apart = apart.max((ours - theirs).abs());
        largest = largest.max(theirs.abs());
    }
    assert!(largest > 0.005 && apart < 0.02 * largest, "{apart} of {largest}");

    let config = fs::read(folder.path().join("adapter_config.json")).expect("a file");
    let config: serde_json::Value = serde_json::from_slice(&config).expect("json");
    assert_eq!((config["r"].as_u64(), config["lora_alpha"].as_f64()), (Some(3), Some(6.0)));
}
