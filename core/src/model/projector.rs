//! The projector: an embedding becomes one vector in the reader's input space.
//!
//! | form | layers | from |
//! |---|---|---|
//! | 3-layer | Linear → GELU → LayerNorm → Linear → GELU → LayerNorm → Linear | LlavaCode (arXiv 2510.19644), its best |
//! | 2-layer | Linear → GELU → LayerNorm → Linear | LlavaCode |
//! | xRAG | Linear → GELU → Linear | arXiv 2405.13792 |
//!
//! All are one module: linear layers with GELU between them, each GELU followed by a LayerNorm
//! where the form has one. Tensors are `linear_1`, `norm_1`, `linear_2`, …; which form a
//! checkpoint has is told by the tensors in it.

use std::f64::consts::SQRT_2;

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};

use crate::{
    Error, Result,
    config::WeightFormat,
    kernel,
    quant::Matrix,
    weights::{Header, Plan, Tensors, Weights},
};

/// PyTorch's default.
const LAYER_NORM_EPS: f64 = 1e-5;

/// An MLP from the encoder's width to the reader's.
#[derive(Module, Debug)]
pub struct Projector {
    /// In order.
    pub linears: Vec<Affine>,
    /// `norms[i]` follows the GELU after `linears[i]`; none in xRAG's form.
    pub norms: Vec<LayerNorm>,
}

/// `x · Wᵀ + b`.
#[derive(Module, Debug)]
pub struct Affine {
    /// `[out_features, in_features]`.
    pub weight: Matrix,
    /// `[out_features]`.
    pub bias: Param<Tensor<1>>,
}

/// `(x − mean) / sqrt(variance + 1e-5) · weight + bias`, over each row; the variance is that of
/// the whole row, not of a sample.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    /// `[width]`.
    pub bias: Param<Tensor<1>>,
}

/// Sizes of a projector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectorConfig {
    /// Input width, then each linear layer's output width.
    pub widths: Vec<usize>,
    /// Whether a LayerNorm follows each GELU.
    pub norm: bool,
}

impl ProjectorConfig {
    /// The paper's best: hidden layers twice the output's width.
    pub fn three_layer(input: usize, output: usize) -> Self {
        Self { widths: vec![input, 2 * output, 2 * output, output], norm: true }
    }

    /// The paper's smaller one.
    pub fn two_layer(input: usize, output: usize) -> Self {
        Self { widths: vec![input, output, output], norm: true }
    }

    /// xRAG's.
    pub fn xrag(input: usize, output: usize) -> Self {
        Self { widths: vec![input, output, output], norm: false }
    }

    /// Which form and sizes a checkpoint has.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] without a first layer, [`Error::Format`] if a weight is no matrix.
    /// Whether the layers fit each other is checked when they are loaded.
    pub fn of_checkpoint(header: &Header) -> Result<Self> {
        Self::told_by(header.file(), |tensor| header.shape(tensor).map(<[usize]>::to_vec))
    }

    /// The same by the tensors' shapes; `file` is named in errors.
    fn told_by(file: &str, shape: impl Fn(&str) -> Option<Vec<usize>>) -> Result<Self> {
        let mut widths = Vec::new();
        loop {
            let tensor = format!("{}.weight", linear(widths.len().max(1)));
            match shape(&tensor).as_deref() {
                Some(&[rows, cols]) => {
                    if widths.is_empty() {
                        widths.push(cols);
                    }
                    widths.push(rows);
                }
                Some(shape) => {
                    let reason = format!("tensor {tensor} of shape {shape:?} is no matrix");
                    return Err(Error::Format { file: file.into(), format: "a projector", reason });
                }
                None if widths.is_empty() => return Err(Error::MissingTensor { file: file.into(), tensor }),
                None => break,
            }
        }
        Ok(Self { widths, norm: shape(&format!("{}.weight", norm(1))).is_some() })
    }

    /// A fresh projector: normal weights of standard deviation 0.02, norms of one, biases of zero.
    ///
    /// # Errors
    /// None.
    pub fn init(&self, device: &Device) -> Result<Projector> {
        self.projector(Tensors::fresh(device))
    }

    /// The tensors a checkpoint must have.
    pub fn plan(&self) -> Plan {
        Tensors::plan("", |tensors| self.projector(tensors))
    }

    /// The projector of these tensors.
    fn projector(&self, mut tensors: Tensors<'_>) -> Result<Projector> {
        let layers = self.widths.len().saturating_sub(1);
        let (mut linears, mut norms) = (Vec::new(), Vec::new());
        for (index, pair) in self.widths.windows(2).enumerate() {
            let (number, width) = (index + 1, pair[1]);
            let mut affine = tensors.pp(linear(number));
            let weight = affine.matrix("weight", [width, pair[0]], WeightFormat::F32)?;
            linears.push(Affine { weight, bias: affine.vector("bias", width, 0.0)? });
            if self.norm && number < layers {
                let mut norm = tensors.pp(norm(number));
                let weight = norm.vector("weight", width, 1.0)?;
                norms.push(LayerNorm { weight, bias: norm.vector("bias", width, 0.0)? });
            }
        }
        Ok(Projector { linears, norms })
    }
}

/// What the tensors of a linear layer are called, counted from 1.
fn linear(number: usize) -> String {
    format!("linear_{number}")
}

/// The same for the norm that follows it.
fn norm(number: usize) -> String {
    format!("norm_{number}")
}

impl Projector {
    /// Takes the weights that [`ProjectorConfig::plan`] asked for.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] if they were planned for something else.
    pub fn from_weights(weights: &mut Weights) -> Result<Self> {
        let config = ProjectorConfig::told_by(weights.file(), |tensor| weights.shape(tensor))?;
        config.projector(Tensors::of(weights))
    }

    /// Width of an embedding.
    pub fn input_width(&self) -> usize {
        self.linears.first().map_or(0, |linear| linear.weight.shape()[1])
    }

    /// Width of a soft vector.
    pub fn output_width(&self) -> usize {
        self.linears.last().map_or(0, |linear| linear.weight.shape()[0])
    }

    /// Multiplications and additions of one row's products.
    pub fn flops(&self) -> f64 {
        let weights = self.linears.iter().map(|linear| linear.weight.shape().into_iter().product::<usize>());
        2.0 * weights.sum::<usize>() as f64
    }

    /// Projects embeddings.
    ///
    /// # Shapes
    /// - `x`: `[rows, input_width]`
    /// - result: `[rows, output_width]`
    pub fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (index, linear) in self.linears.iter().enumerate() {
            if index > 0 {
                x = gelu(x);
                if let Some(norm) = self.norms.get(index - 1) {
                    x = norm.forward(x);
                }
            }
            x = kernel::linear(x, &linear.weight, Some(linear.bias.val()), None);
        }
        x
    }
}

impl LayerNorm {
    /// # Shapes
    /// - `x`, result: `[rows, width]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let centred = x.clone() - x.mean_dim(1);
        let variance = centred.clone().powi_scalar(2).mean_dim(1);
        let normed = centred / (variance + LAYER_NORM_EPS).sqrt();
        normed * self.weight.val().unsqueeze() + self.bias.val().unsqueeze()
    }
}

/// `x / 2 · (1 + erf(x / √2))`. Burn's own has the same value, but its backward pass is that of
/// the tanh approximation.
fn gelu(x: Tensor<2>) -> Tensor<2> {
    x.clone() * ((x / SQRT_2).erf() + 1.0) * 0.5
}
