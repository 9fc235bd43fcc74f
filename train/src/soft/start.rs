//! Where the projector begins: it passes on the mean of its part's input vectors.
//!
//! A fresh projector's vectors are unlike any token's, and what a reader makes of them has to be found
//! out first. The mean of a part's tokens' input vectors, less what all parts have in common, lies where
//! tokens do. In every hidden layer a number stands beside its opposite, and GELU's values of the two
//! differ by the number itself; deeper hidden states enter with small random weights.

use burn::tensor::{Device, Tensor, TensorData};

use super::standard::Standard;
use crate::{
    nn::layout::Kind,
    projector::{TrainedProjector, values},
};

/// Of fresh weights, what is left beside those that pass numbers on.
const FRESH: f32 = 0.2;

/// Makes a fresh projector of three layers pass on the numbers of depth 0, which its inputs begin with.
/// `inputs` are some of its inputs, brought to mean 0 and deviation 1 by `standard`; the root mean
/// square of what it then says is 1. A projector that has no room for that stays as it is.
pub(super) fn pass_on(projector: &mut TrainedProjector, standard: &Standard, inputs: &[f32]) {
    let (input, hidden) = match *projector.config.widths.as_slice() {
        [input, first, second, output] if first >= 2 * output && second >= 2 * output && input >= output => {
            (input, output)
        }
        _ => return,
    };
    let size = standard.deviation[..hidden].iter().map(|x| x * x).sum::<f32>() / hidden as f32;
    for (index, tensor) in
        projector.tensors.iter().filter(|t| matches!(t.kind, Kind::Matrix { .. })).enumerate()
    {
        let place = &mut projector.parameters[tensor.range()];
        place.iter_mut().for_each(|value| *value *= FRESH);
        for (out, row) in place.chunks_exact_mut(tensor.cols).take(2 * hidden).enumerate() {
            let (at, sign) = (out % hidden, if out < hidden { 1.0 } else { -1.0 });
            if index == 0 {
                // Standard inputs all weigh alike; the vectors' own numbers do not.
                row[at] = sign * standard.deviation[at] / size.sqrt();
            } else {
                row[at] = sign;
                row[at + hidden] = -sign;
            }
        }
    }
    // What the norms between make of the scale is simplest found out.
    let device = Device::flex();
    let shape = [inputs.len() / input, input];
    let inputs = Tensor::from_data(TensorData::new(inputs.to_vec(), shape), &device);
    let found = values(projector.module(&device).forward(inputs));
    let squares: f64 = found.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let factor = (1.0 / (squares / found.len().max(1) as f64).sqrt().max(1e-12)) as f32;
    if let Some(last) = projector.tensors.iter().rfind(|tensor| matches!(tensor.kind, Kind::Matrix { .. })) {
        projector.parameters[last.range()].iter_mut().for_each(|value| *value *= factor);
    }
}

#[cfg(test)]
mod tests {
    use llavacode_core::model::projector::ProjectorConfig;

    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn numbers_of_depth_0_are_passed_on() {
        let (mut random, device) = (SplitMix64::new(9), Device::flex());
        let (rows, hidden) = (50, 16);
        let deviation = (0..2 * hidden).map(|n| 0.5 + n as f32 / 20.0).collect();
        let standard = Standard { mean: vec![1.0; 2 * hidden], deviation, size: 0.1 };
        let inputs: Vec<f32> = (0..rows * 2 * hidden).map(|_| random.normal() as f32).collect();
        let form = ProjectorConfig::three_layer(2 * hidden, hidden);
        let mut projector = TrainedProjector::init(form, 1.0, &mut random);
        pass_on(&mut projector, &standard, &inputs);
        let x = Tensor::from_data(TensorData::new(inputs.clone(), [rows, 2 * hidden]), &device);
        let said = values(projector.module(&device).forward(x));
        let mean_square = said.iter().map(|x| x * x).sum::<f32>() / said.len() as f32;
        assert!((mean_square.sqrt() - 1.0).abs() < 1e-3);
        for (out, input) in said.chunks_exact(hidden).zip(inputs.chunks_exact(2 * hidden)) {
            let own: Vec<f32> =
                input.iter().zip(&standard.deviation).take(hidden).map(|(x, d)| x * d).collect();
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let cosine = dot(out, &own) / (dot(out, out) * dot(&own, &own)).sqrt();
            assert!(cosine > 0.9, "{cosine}");
        }
        let narrow = ProjectorConfig::two_layer(2 * hidden, hidden);
        let mut other = TrainedProjector::init(narrow, 1.0, &mut random);
        let before = other.parameters.clone();
        pass_on(&mut other, &standard, &inputs);
        assert_eq!(other.parameters, before);
    }
}
