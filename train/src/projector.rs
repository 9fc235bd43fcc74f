//! The projector under training: `llavacode_core`'s own module, differentiated by burn.
//!
//! Its parameters are kept flat, like the engine's, so that one optimiser and one checkpoint
//! format serve both.

use std::path::Path;

use anyhow::{Context, Result};
use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};
use llavacode_core::{
    model::{
        encoder::l2_normalise,
        projector::{Affine, LayerNorm, Projector, ProjectorConfig},
    },
    quant::Matrix,
};
use safetensors::SafeTensors;

use crate::{
    model::write_tensors,
    nn::layout::{self, Kind},
    random::SplitMix64,
};

/// A projector's parameters.
#[derive(Debug, Clone)]
pub struct TrainedProjector {
    /// Form and widths. The last width is that of all of a chunk's soft tokens together.
    pub config: ProjectorConfig,
    /// Where each tensor lies.
    pub tensors: Vec<layout::Tensor>,
    /// All tensors, flat.
    pub parameters: Vec<f32>,
}

/// One pass through the projector, ready to be taken back.
#[derive(Debug)]
pub struct Differentiated {
    /// Embeddings before they are divided by their length: leaves of the graph.
    raw: Tensor<2>,
    module: Projector,
    /// Embeddings of length one.
    pub embeddings: Tensor<2>,
    /// The projector's output, `[chunks, soft tokens · hidden]`.
    pub output: Tensor<2>,
}

impl TrainedProjector {
    /// A fresh one. Linear layers start as PyTorch's do (uniform within ±1/√in), but for the last,
    /// whose output is as large as the reader's embeddings (`scale`, their root mean square).
    pub fn init(config: ProjectorConfig, scale: f64, random: &mut SplitMix64) -> Self {
        let tensors = tensors(&config);
        let len = tensors.last().map_or(0, |tensor| tensor.range().end);
        let mut parameters = vec![0.0; len];
        let last = format!("linear_{}.weight", config.widths.len() - 1);
        for tensor in &tensors {
            let place = &mut parameters[tensor.range()];
            match tensor.kind {
                Kind::Norm => place.fill(1.0),
                Kind::Matrix { .. } if tensor.name == last => {
                    let deviation = scale / (tensor.cols as f64).sqrt();
                    place.iter_mut().for_each(|value| *value = (deviation * random.normal()) as f32);
                }
                Kind::Matrix { .. } => {
                    let bound = 1.0 / (tensor.cols as f64).sqrt();
                    place.iter_mut().for_each(|v| *v = ((2.0 * random.uniform() - 1.0) * bound) as f32);
                }
                Kind::Bias | Kind::Embedding => {}
            }
        }
        Self { config, tensors, parameters }
    }

    /// Reads `projector.safetensors`.
    ///
    /// # Errors
    /// If it is missing, damaged, or has another form.
    pub fn load(path: &Path, config: ProjectorConfig) -> Result<Self> {
        let data = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let file = SafeTensors::deserialize(&data)?;
        let tensors = tensors(&config);
        let mut parameters = Vec::new();
        for tensor in &tensors {
            let view = file.tensor(&tensor.name)?;
            anyhow::ensure!(view.shape() == tensor.shape(), "{} has another shape", tensor.name);
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            parameters.extend(values);
        }
        Ok(Self { config, tensors, parameters })
    }

    /// Writes `projector.safetensors`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.tensors.iter().map(|t| (t.name.clone(), t.shape(), &self.parameters[t.range()]));
        write_tensors(path, tensors)
    }

    /// Core's module with these parameters.
    pub fn module(&self, device: &Device) -> Projector {
        let mut module = Projector { linears: Vec::new(), norms: Vec::new() };
        let vector = |tensor: &layout::Tensor| {
            let values = self.parameters[tensor.range()].to_vec();
            Param::from_tensor(Tensor::<1>::from_data(TensorData::new(values, [tensor.cols]), device))
        };
        for pair in self.tensors.chunks_exact(2) {
            let bias = vector(&pair[1]);
            if pair[0].kind == Kind::Norm {
                module.norms.push(LayerNorm { weight: vector(&pair[0]), bias });
            } else {
                let values = self.parameters[pair[0].range()].to_vec();
                let data = TensorData::new(values, [pair[0].rows, pair[0].cols]);
                module.linears.push(Affine { weight: Matrix::dense(Tensor::from_data(data, device)), bias });
            }
        }
        module
    }

    /// What it says of inputs as they are, `[rows, width]`, on the host.
    pub fn project(&self, inputs: Vec<f32>) -> Vec<f32> {
        let (device, width) = (Device::flex(), self.config.widths[0]);
        let shape = [inputs.len() / width, width];
        let inputs = Tensor::from_data(TensorData::new(inputs, shape), &device);
        values(self.module(&device).forward(inputs))
    }

    /// Runs the projector on raw embeddings, `[chunks, width]`, ready to be differentiated;
    /// `device` is one with autodiff.
    pub fn differentiate(&self, raw: Vec<f32>, device: &Device) -> Differentiated {
        let width = self.config.widths[0];
        let rows = raw.len() / width;
        let raw = Tensor::<2>::from_data(TensorData::new(raw, [rows, width]), device).require_grad();
        self.pass(raw.clone(), l2_normalise(raw), device)
    }

    /// The same on inputs as they are.
    pub fn differentiate_as_is(&self, inputs: Vec<f32>, device: &Device) -> Differentiated {
        let width = self.config.widths[0];
        let rows = inputs.len() / width;
        let inputs = Tensor::<2>::from_data(TensorData::new(inputs, [rows, width]), device);
        self.pass(inputs.clone(), inputs, device)
    }

    fn pass(&self, raw: Tensor<2>, embeddings: Tensor<2>, device: &Device) -> Differentiated {
        // Its parameters are leaves of their own.
        let module = self.module(device);
        let output = module.forward(embeddings.clone());
        Differentiated { raw, module, embeddings, output }
    }
}

/// What a pass gives back.
#[derive(Debug)]
pub struct Gradients {
    /// Of the projector's parameters, flat.
    pub projector: Vec<f32>,
    /// Of the raw embeddings.
    pub raw: Vec<f32>,
    /// Of a further leaf, if one was given.
    pub queries: Option<Vec<f32>>,
}

impl Differentiated {
    /// Takes a scalar back; `queries` is a further leaf of its graph.
    pub fn backward_with(
        &self,
        loss: Tensor<1>,
        projector: &TrainedProjector,
        queries: Option<Tensor<2>>,
    ) -> Gradients {
        let gradients = loss.backward();
        let flat = |gradient: Option<Vec<f32>>, len: usize| gradient.unwrap_or_else(|| vec![0.0; len]);
        let vector = |param: &Param<Tensor<1>>| param.val().grad(&gradients).map(values);
        let matrix = |matrix: &Matrix| match matrix {
            Matrix::Dense(dense) => dense.weight.val().grad(&gradients).map(values),
            Matrix::Quantized(_) | Matrix::Split(_) => None,
        };
        let (mut linears, mut norms) = (self.module.linears.iter(), self.module.norms.iter());
        let mut all = Vec::with_capacity(projector.parameters.len());
        for pair in projector.tensors.chunks_exact(2) {
            let (first, second) = if pair[0].kind == Kind::Norm {
                norms.next().map_or((None, None), |norm| (vector(&norm.weight), vector(&norm.bias)))
            } else {
                linears.next().map_or((None, None), |l| (matrix(&l.weight), vector(&l.bias)))
            };
            all.extend(flat(first, pair[0].range().len()));
            all.extend(flat(second, pair[1].range().len()));
        }
        let leaf = |leaf: &Tensor<2>| {
            let [rows, width] = leaf.dims();
            flat(leaf.grad(&gradients).map(values), rows * width)
        };
        Gradients { projector: all, raw: leaf(&self.raw), queries: queries.as_ref().map(leaf) }
    }
}

/// A tensor's values on the host.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn tensors(config: &ProjectorConfig) -> Vec<layout::Tensor> {
    let mut tensors: Vec<layout::Tensor> = Vec::new();
    let mut push = |name: String, rows: usize, cols: usize, kind| {
        let start = tensors.last().map_or(0, |last| last.range().end);
        tensors.push(layout::Tensor { name, rows, cols, start, kind });
    };
    let layers = config.widths.len() - 1;
    for (index, pair) in config.widths.windows(2).enumerate() {
        let number = index + 1;
        push(format!("linear_{number}.weight"), pair[1], pair[0], Kind::Matrix { out: false });
        push(format!("linear_{number}.bias"), 1, pair[1], Kind::Bias);
        if config.norm && number < layers {
            push(format!("norm_{number}.weight"), 1, pair[1], Kind::Norm);
            push(format!("norm_{number}.bias"), 1, pair[1], Kind::Bias);
        }
    }
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compressor::alignment;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let device = Device::flex().autodiff();
        let mut random = SplitMix64::new(8);
        let mut projector = TrainedProjector::init(ProjectorConfig::three_layer(6, 5), 1.0, &mut random);
        let raw: Vec<f32> = (0..4 * 6).map(|_| random.normal() as f32).collect();
        let pull: Vec<f32> = (0..4 * 5).map(|_| random.normal() as f32).collect();
        let loss = |pass: &Differentiated| {
            let pull = Tensor::<2>::from_data(TensorData::new(pull.clone(), [4, 5]), &device);
            (pass.output.clone() * pull).sum() + alignment(pass.embeddings.clone(), pass.output.clone())
        };
        let pass = projector.differentiate(raw.clone(), &device);
        let Gradients { projector: gradients, raw: d_raw, .. } =
            pass.backward_with(loss(&pass), &projector, None);
        assert_eq!(gradients.len(), projector.parameters.len());
        let value = |projector: &TrainedProjector, raw: &[f32]| {
            f64::from(values(loss(&projector.differentiate(raw.to_vec(), &device)))[0])
        };
        let near = |name: &str, difference: f64, gradient: f32| {
            let error = (difference - f64::from(gradient)).abs();
            assert!(error < 2e-2 * difference.abs().max(0.3), "{name}: {gradient} but {difference}");
        };
        for tensor in projector.tensors.clone() {
            let place = tensor.start + random.below(tensor.range().len());
            let before = projector.parameters[place];
            projector.parameters[place] = before + 1e-2;
            let above = value(&projector, &raw);
            projector.parameters[place] = before - 1e-2;
            let difference = (above - value(&projector, &raw)) / 2e-2;
            projector.parameters[place] = before;
            near(&tensor.name, difference, gradients[place]);
        }
        for place in [0, 7, 23] {
            let mut moved = raw.clone();
            moved[place] += 1e-2;
            let above = value(&projector, &moved);
            moved[place] -= 2e-2;
            near("embedding", (above - value(&projector, &moved)) / 2e-2, d_raw[place]);
        }
    }
}
