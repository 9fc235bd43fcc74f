//! Where the steps begin: an encoder and a projector that pass a text's words on.
//!
//! A fresh encoder would have to learn first that a text is made of words. This one begins with the
//! reader's input vectors and says their mean: the layers add nothing to them yet, and in the last one
//! every position looks at all before it nearly alike, its values are what stands there, and they
//! outweigh what stood at the last position itself. The projector begins as the identity. What is left
//! to learn is which words count, what the order of words adds, and what the reader makes of it all.

use anyhow::Result;
use burn::tensor::Device;
use llavacode_core::{config::ModelType, model::projector::ProjectorConfig};

use crate::{
    model::{Model, pico_config},
    nn::layout::Kind,
    projector::{TrainedProjector, values},
    random::SplitMix64,
};

/// How much louder the mean is than the last token's own vector.
const LOUDNESS: f32 = 8.0;
/// Weight of the norm of queries and keys in the last layer: how far from alike positions are
/// looked at. Not nought, from which nothing would be learned.
const ATTENTION: f32 = 0.3;
/// Layers of pico's encoder, if the reader has as many.
const LAYERS: usize = 4;

/// An encoder as wide as the reader, of its first layers.
///
/// # Errors
/// None: the sizes are the reader's.
pub fn encoder(reader: &Model, seed: u64) -> Result<Model> {
    let shape = &reader.decoder.shape;
    let layers = shape.layers.min(LAYERS);
    let config = pico_config(ModelType::Qwen3, shape.vocabulary, shape.hidden, layers);
    let mut encoder = Model::init(&config, &mut SplitMix64::new(seed))?;
    encoder.take_from(reader);

    let (shape, layout) = (&encoder.decoder.shape, &encoder.decoder.layout);
    let (hidden, heads, parameters) = (shape.hidden, shape.heads, &mut encoder.parameters);
    for layer in &layout.layers {
        parameters[layer.output.clone()].fill(0.0);
        parameters[layer.down.clone()].fill(0.0);
    }
    if let Some(last) = layout.layers.last() {
        parameters[last.input_norm.clone()].fill(1.0);
        parameters[last.q_norm.clone()].fill(ATTENTION);
        parameters[last.k_norm.clone()].fill(ATTENTION);
        let values =
            &mut parameters[last.qkv.clone()][(heads.query + heads.key_value) * heads.dim * hidden..];
        values.fill(0.0);
        for at in 0..hidden.min(heads.key_value * heads.dim) {
            values[at * hidden + at] = 1.0;
        }
        // Several query heads read the same values.
        let group = heads.query / heads.key_value;
        let output = &mut parameters[last.output.clone()];
        for (at, row) in output.chunks_exact_mut(heads.query * heads.dim).enumerate() {
            let (head, number) = (at / heads.dim, at % heads.dim);
            for query in (head * group..(head + 1) * group).filter(|&query| query < heads.query) {
                row[query * heads.dim + number] = LOUDNESS / group as f32;
            }
        }
    }
    parameters[layout.norm.clone()].fill(1.0);
    Ok(encoder)
}

/// A projector that gives back the direction of what it is given; its numbers' root mean square is
/// `scale`. In every hidden layer a number stands beside its opposite, and GELU's values of the two
/// differ by the number itself. A form that has no room for that begins as
/// [`TrainedProjector::init`].
pub fn projector(config: ProjectorConfig, scale: f64, random: &mut SplitMix64) -> TrainedProjector {
    let mut projector = TrainedProjector::init(config, scale, random);
    let (input, hidden) = match projector.config.widths.as_slice() {
        [input, hidden @ .., output] if input == output => (*input, hidden),
        _ => return projector,
    };
    if hidden.is_empty() || hidden.iter().any(|&width| width < 2 * input) {
        return projector;
    }
    for index in 1..projector.config.widths.len() {
        let name = format!("linear_{index}.weight");
        let Some(tensor) = projector.tensors.iter().find(|tensor| tensor.name == name) else { continue };
        // An embedding has length one: its numbers are brought to about one.
        let size = if index == 1 { (input as f64).sqrt() } else { 1.0 } as f32;
        let place = &mut projector.parameters[tensor.range()];
        place.fill(0.0);
        for (out, row) in place.chunks_exact_mut(tensor.cols).take(2 * input).enumerate() {
            let sign = if out < input { size } else { -size };
            row[out % input] = sign;
            if index > 1 {
                row[out % input + input] = -sign;
            }
        }
    }
    // What the norms between make of the scale is simplest found out.
    let (device, rows) = (Device::flex().autodiff(), 64);
    let probe = (0..rows * input).map(|_| random.normal() as f32).collect();
    let found = values(projector.differentiate(probe, &device).output);
    let squares: f64 = found.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let factor = (scale / (squares / found.len() as f64).sqrt()) as f32;
    let last = projector.tensors.iter().rfind(|tensor| matches!(tensor.kind, Kind::Matrix { .. }));
    if let Some(last) = last {
        projector.parameters[last.range()].iter_mut().for_each(|value| *value *= factor);
    }
    projector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{ChunkEncoder, TrainedEncoder};

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn the_encoder_begins_with_the_mean_of_a_texts_vectors() {
        let config = pico_config(ModelType::Qwen2, 300, 96, 5);
        let reader = Model::init(&config, &mut SplitMix64::new(3)).expect("a valid config");
        let started = encoder(&reader, 4).expect("an encoder");
        assert_eq!(started.decoder.shape.layers, LAYERS);
        let mut started = TrainedEncoder::new(started, 64);
        let mut random = SplitMix64::new(5);
        let texts: Vec<Vec<u32>> =
            [6, 20].map(|len| (0..len).map(|_| random.below(300) as u32).collect()).into();
        let found = started.raw(&texts);
        let embedding = &reader.parameters[reader.decoder.layout.embedding.clone()];
        let mut means = Vec::new();
        for (text, found) in texts.iter().zip(found.chunks_exact(96)) {
            let mut mean = vec![0.0; 96];
            for &token in text {
                let vector = &embedding[token as usize * 96..][..96];
                let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                mean.iter_mut().zip(vector).for_each(|(mean, x)| *mean += x / length);
            }
            assert!(cosine(found, &mean) > 0.9, "{} of {} tokens", cosine(found, &mean), text.len());
            means.push(mean);
        }
        assert!(cosine(&found[..96], &means[1]) < 0.6, "another text's is another");
    }

    #[test]
    fn the_identity_keeps_directions() {
        let (mut random, device) = (SplitMix64::new(9), Device::flex().autodiff());
        let raw: Vec<f32> = (0..3 * 32).map(|_| random.normal() as f32).collect();
        let config = ProjectorConfig::three_layer(32, 32);
        let started = projector(config, 0.5, &mut random);
        let pass = started.differentiate(raw.clone(), &device);
        for (out, raw) in values(pass.output).chunks_exact(32).zip(raw.chunks_exact(32)) {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let cosine = dot(out, raw) / (dot(out, out) * dot(raw, raw)).sqrt();
            assert!(cosine > 0.99, "{cosine}");
            let size = (dot(out, out) / 32.0).sqrt();
            assert!((size - 0.5).abs() < 0.1, "{size}");
        }
        // The hidden layer of two layers is too narrow.
        let narrow = ProjectorConfig::two_layer(32, 32);
        let started = projector(narrow.clone(), 0.5, &mut SplitMix64::new(1)).parameters;
        assert_eq!(started, TrainedProjector::init(narrow, 0.5, &mut SplitMix64::new(1)).parameters);
    }
}
