//! Checks of the models against the reference implementation, for any device: natively on the CPU
//! and through the kernels, and in a browser. Each panics with the operands if it fails.
//!
//! What the reference computed lies in `tests/fixtures`, made by `make.py` there.

mod fixtures;

use burn::tensor::{Device, Tensor};
use llavacode_core::{
    Result,
    bundle::Models,
    config::{DecoderConfig, FileEntry, FormatChoice, WeightFormat},
    kernel,
    model::{
        decoder::{Decoder, DecoderFormats, name_prefix},
        encoder::Encoder,
        projector::{Projector, ProjectorConfig},
        reader::{Cache, Reader},
        token_ids,
    },
    weights::{Header, MemorySource, Plan, Weights, load_weights, sha256_hex},
};

pub use fixtures::{ENCODERS, Expected, Fixture, GGUF_BLOCKS, PICO, PROJECTORS, READERS};

/// What the embedded bundle is loaded as.
pub const QUANTIZED: DecoderFormats = DecoderFormats {
    linear: FormatChoice::Fixed(WeightFormat::Q4),
    embedding: FormatChoice::Fixed(WeightFormat::Q8),
};

/// Relative error allowed against the reference: f32 gives about 1e-6, any mistake far more.
pub const TOLERANCE: f64 = 1e-3;

/// Values of a tensor, read without blocking.
pub async fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data_async().await.expect("a readable tensor").iter::<f32>().collect()
}

/// `‖a − b‖ / ‖b‖`.
pub fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = square(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
    difference / square(&mut b.iter().map(|&b| f64::from(b)))
}

/// Panics unless `found` is `expected` within [`TOLERANCE`]; prints how near it is.
#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    let error = relative_error(found, expected);
    println!("{what}: relative error {error:.1e}");
    assert!(error < TOLERANCE, "{what}: relative error {error:.2e}");
}

async fn load(
    fixture: &Fixture,
    device: &Device,
    plan: impl FnOnce(&Header) -> Result<Plan>,
) -> Result<Weights> {
    let entry = FileEntry { bytes: fixture.weights.len() as u64, sha256: Some(sha256_hex(fixture.weights)) };
    let source = MemorySource::new(fixture.name, fixture.weights);
    load_weights(&source, fixture.name, &entry, plan, device, &mut |_| ()).await
}

fn config(fixture: &Fixture) -> DecoderConfig {
    DecoderConfig::from_json(fixture.name, fixture.config).expect("a fixture's config")
}

/// The fixture's reader.
pub async fn load_reader(fixture: &Fixture, formats: DecoderFormats, device: &Device) -> Reader {
    let config = config(fixture);
    let plan = |header: &Header| Ok(Reader::plan(&config, formats, name_prefix(header)));
    let mut weights = load(fixture, device, plan).await.expect("a fixture's weights");
    Reader::from_weights(&config, &mut weights).expect("a fixture's reader")
}

/// The fixture's encoder.
pub async fn load_encoder(fixture: &Fixture, device: &Device) -> Encoder {
    let config = config(fixture);
    let plan = |header: &Header| Ok(Encoder::plan(&config, DecoderFormats::DENSE, name_prefix(header)));
    let mut weights = load(fixture, device, plan).await.expect("a fixture's weights");
    Encoder::from_weights(&config, &mut weights).expect("a fixture's encoder")
}

/// Hidden states before the final norm of `ids`, read after what the cache holds.
fn read(decoder: &Decoder, cache: &mut Cache, ids: &[u32]) -> Tensor<2> {
    let span = cache.next(1, ids.len());
    decoder.forward(decoder.embed(token_ids(ids, &decoder.device())), cache, span)
}

/// Hidden states and logits are the reference's.
pub async fn reader_matches_reference(fixture: &Fixture, device: &Device) {
    let reader = load_reader(fixture, DecoderFormats::DENSE, device).await;
    let expected = fixture.expected();
    let ids = expected.ids("input_ids");
    let mut cache = reader.cache(1, ids.len());
    let hidden = read(&reader.decoder, &mut cache, &ids);
    let normed = kernel::rms_norm(hidden.clone(), &reader.decoder.norm);
    assert_close("hidden", &values(normed).await, &expected.floats("hidden"));
    assert_close("logits", &values(reader.logits(hidden)).await, &expected.floats("logits"));
}

/// A quantized reader computes on the device what it computes on the CPU with its blocks unpacked,
/// both in one pass and for the single row of a decode step.
pub async fn quantized_reader_matches_cpu(fixture: &Fixture, formats: DecoderFormats, device: &Device) {
    let ids = fixture.expected().ids("input_ids");
    let mut logits = Vec::new();
    for device in [device, &Device::flex()] {
        let reader = load_reader(fixture, formats, device).await;
        let mut cache = reader.cache(1, ids.len() + 1);
        let prefill = reader.logits(read(&reader.decoder, &mut cache, &ids));
        let step = reader.logits(read(&reader.decoder, &mut cache, &ids[..1]));
        logits.push((values(prefill).await, values(step).await));
    }
    assert_close("prefill", &logits[0].0, &logits[1].0);
    assert_close("decode step", &logits[0].1, &logits[1].1);
}

/// Reading token by token gives what reading in one pass gives, in a cache with room to spare.
pub async fn decode_matches_prefill(fixture: &Fixture, device: &Device) {
    let reader = load_reader(fixture, DecoderFormats::DENSE, device).await;
    let ids = fixture.expected().ids("input_ids");
    let at_once = values(read(&reader.decoder, &mut reader.cache(1, ids.len()), &ids)).await;
    let mut cache = reader.cache(1, ids.len() + 7);
    let mut one_by_one = Vec::new();
    for id in &ids {
        one_by_one.extend(values(read(&reader.decoder, &mut cache, &[*id])).await);
    }
    assert_eq!(cache.len, ids.len());
    assert_close("token by token", &one_by_one, &at_once);
}

/// After truncation a cache goes on as if what was cut had never been read.
pub async fn truncated_cache_goes_on(fixture: &Fixture, device: &Device) {
    let reader = load_reader(fixture, DecoderFormats::DENSE, device).await;
    let ids = fixture.expected().ids("input_ids");
    let kept = ids.len() / 2;
    let other: Vec<u32> = ids[kept..].iter().rev().copied().collect();
    let mut cache = reader.cache(1, ids.len());
    read(&reader.decoder, &mut cache, &ids);
    cache.truncate(kept);
    let resumed = values(read(&reader.decoder, &mut cache, &other)).await;

    let whole = [&ids[..kept], &other].concat();
    let fresh = values(read(&reader.decoder, &mut reader.cache(1, whole.len()), &whole)).await;
    assert_close("after truncation", &resumed, &fresh[fresh.len() - resumed.len()..]);
}

/// Hidden states and embeddings are the reference's, in a padded batch and one by one.
pub async fn encoder_matches_reference(fixture: &Fixture, device: &Device) {
    let encoder = load_encoder(fixture, device).await;
    let expected = fixture.expected();
    let sequences = expected.sequences("");
    let first = &sequences[0];
    let hidden = read(&encoder.decoder, &mut encoder.decoder.cache(1, first.len()), first);
    let normed = kernel::rms_norm(hidden, &encoder.decoder.norm);
    assert_close("hidden", &values(normed).await, &expected.floats("hidden"));

    let embeddings = expected.floats("embeddings");
    assert_close("batch", &values(encoder.encode(&sequences)).await, &embeddings);
    let mut one_by_one = Vec::new();
    for sequence in sequences {
        one_by_one.extend(values(encoder.encode(&[sequence])).await);
    }
    assert_close("one by one", &one_by_one, &embeddings);
}

/// Soft vectors are the reference's; the checkpoint's form is recognised.
pub async fn projector_matches_reference(fixture: &Fixture, device: &Device) {
    let plan = |header: &Header| Ok(ProjectorConfig::of_checkpoint(header)?.plan());
    let mut weights = load(fixture, device, plan).await.expect("a fixture's weights");
    let projector = Projector::from_weights(&mut weights).expect("a fixture's projector");
    let expected = fixture.expected();
    let (inputs, width) = (expected.floats("inputs"), projector.input_width());
    let shape = [inputs.len() / width, width];
    let inputs = Tensor::from_data(burn::tensor::TensorData::new(inputs, shape), device);
    assert_close("vectors", &values(projector.forward(inputs)).await, &expected.floats("vectors"));
}

/// The embedded bundle computes what `transformers` makes of the same files.
pub async fn pico_matches_reference(models: &Models) {
    let expected = Expected::parse(PICO);
    let reader = &models.reader;
    let ids = expected.ids("reader.input_ids");
    let hidden = read(&reader.decoder, &mut reader.cache(1, ids.len()), &ids);
    let normed = kernel::rms_norm(hidden.clone(), &reader.decoder.norm);
    assert_close("reader, hidden", &values(normed).await, &expected.floats("reader.hidden"));
    let last = hidden.narrow(0, ids.len() - 1, 1);
    assert_close("reader, logits", &values(reader.logits(last)).await, &expected.floats("reader.logits"));

    let embedder = models.embedder.as_ref().expect("pico has an encoder");
    let embeddings = embedder.encoder.encode(&expected.sequences("encoder."));
    let found = values(embeddings.clone()).await;
    assert_close("encoder", &found, &expected.floats("encoder.embeddings"));
    let projector = models.projector.as_ref().expect("pico has a projector");
    let vectors = values(projector.forward(embeddings)).await;
    assert_close("projector", &vectors, &expected.floats("projector.vectors"));
}
