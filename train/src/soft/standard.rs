//! The projector's inputs brought to mean 0 and deviation 1, number by number, and its vectors from
//! size 1 to that of tokens.
//!
//! Pooled hidden states differ little from each other beside what they have in common, and their
//! numbers are of very different sizes: a projector that reads them as they are learns slowly. What is
//! done to them is linear, so in the file it is part of the projector's first layer.
//!
//! Tokens' numbers are small, about a tenth. AdamW moves every weight by the learning rate, whatever its
//! size, and a thousand of them together: a last layer that said such small numbers itself would be
//! thrown about, and vectors once far too long get next to no gradient back. So it says numbers of about
//! 1, and in the file the size is part of the last layer.

use crate::projector::TrainedProjector;

/// Mean and deviation of each number.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    /// `[width]`
    pub mean: Vec<f32>,
    /// `[width]`, none of them nought.
    pub deviation: Vec<f32>,
    /// What the projector's vectors are multiplied by.
    pub size: f32,
}

impl Standard {
    /// Of rows of `width` numbers, for vectors of this size.
    pub fn of(rows: &[f32], width: usize, size: f32) -> Self {
        let count = (rows.len() / width).max(1) as f64;
        let (mut sums, mut squares) = (vec![0f64; width], vec![0f64; width]);
        for row in rows.chunks_exact(width) {
            for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(row) {
                *sum += f64::from(x);
                *square += f64::from(x) * f64::from(x);
            }
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let variance = squares.iter().zip(&mean).map(|(square, mean)| square / count - mean * mean);
        // A number that never changes is only moved.
        let deviation = |variance: f64| if variance > 1e-8 { variance.sqrt() as f32 } else { 1.0 };
        let deviation = variance.map(deviation).collect();
        Self { mean: mean.iter().map(|&mean| mean as f32).collect(), deviation, size }
    }

    /// The projector's vectors as the reader gets them; their gradients as the projector does.
    pub fn sized(&self, mut vectors: Vec<f32>) -> Vec<f32> {
        vectors.iter_mut().for_each(|x| *x *= self.size);
        vectors
    }

    /// `(x − mean) / deviation`, row by row.
    pub fn apply(&self, mut rows: Vec<f32>) -> Vec<f32> {
        for row in rows.chunks_exact_mut(self.mean.len()) {
            for ((x, &mean), &deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *x = (*x - mean) / deviation;
            }
        }
        rows
    }

    /// A projector that reads inputs as they are and says vectors as they are to be, of one between
    /// [`Self::apply`] and [`Self::sized`].
    pub fn fold(&self, projector: &TrainedProjector) -> TrainedProjector {
        let mut folded = projector.clone();
        let [weight, bias] = [projector.tensors[0].range(), projector.tensors[1].range()];
        let width = self.mean.len();
        for (row, at) in weight.clone().step_by(width).zip(bias) {
            let mut shift = 0f64;
            for ((w, &mean), &deviation) in
                folded.parameters[row..row + width].iter_mut().zip(&self.mean).zip(&self.deviation)
            {
                *w /= deviation;
                shift += f64::from(*w) * f64::from(mean);
            }
            folded.parameters[at] -= shift as f32;
        }
        let last = projector.tensors.iter().rev().take(2);
        for value in last.flat_map(|tensor| tensor.range()) {
            folded.parameters[value] *= self.size;
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use llavacode_core::model::projector::ProjectorConfig;

    use super::*;
    use crate::{projector::values, random::SplitMix64};

    #[test]
    fn a_folded_projector_says_of_raw_inputs_what_it_said_of_standard_ones() {
        let mut random = SplitMix64::new(71);
        let (rows, width) = (40, 6);
        let raw: Vec<f32> =
            (0..rows * width).map(|n| 3.0 + (n % width) as f32 * random.normal() as f32).collect();
        let standard = Standard::of(&raw, width, 0.25);
        let inputs = standard.apply(raw.clone());
        for column in 1..width {
            let of = || inputs.iter().skip(column).step_by(width);
            let mean: f32 = of().sum::<f32>() / rows as f32;
            let square: f32 = of().map(|x| x * x).sum::<f32>() / rows as f32;
            assert!(mean.abs() < 1e-4 && (square - 1.0).abs() < 1e-3, "{mean} {square}");
        }
        let projector = TrainedProjector::init(ProjectorConfig::three_layer(width, 5), 1.0, &mut random);
        let device = Device::flex();
        let say = |projector: &TrainedProjector, inputs: &[f32]| {
            let x = Tensor::from_data(TensorData::new(inputs.to_vec(), [rows, width]), &device);
            values(projector.module(&device).forward(x))
        };
        let before = standard.sized(say(&projector, &inputs));
        let after = say(&standard.fold(&projector), &raw);
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
