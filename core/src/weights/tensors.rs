//! A model's tensors, each name written once: the lines that ask for them say what a checkpoint must
//! have, take what was loaded, and make fresh ones. After candle's `VarBuilder`.

use std::fmt::Display;

use burn::{
    module::Param,
    tensor::{Device, Distribution, Tensor},
};

use super::{
    Plan, Weights,
    plan::{Kind, Parameter, Wanted},
};
use crate::{Result, config::FormatChoice, quant::Matrix};

/// Standard deviation of freshly initialised matrices (GPT-2's and Qwen's).
const INIT_STD: f64 = 0.02;

/// Gives a model its tensors by name. A model is made by one function of it, which runs twice around a
/// download: first to [plan](Self::plan), then to take the [weights](Self::of) that came.
///
/// ```
/// use burn::tensor::Device;
/// use llavacode_core::{Result, config::WeightFormat, quant::Matrix, weights::Tensors};
///
/// fn mlp(mut tensors: Tensors<'_>) -> Result<[Matrix; 2]> {
///     let mut mlp = tensors.pp("mlp");
///     let up = mlp.matrix("up_proj.weight", [64, 16], WeightFormat::F32)?;
///     let down = mlp.matrix("down_proj.weight", [16, 64], WeightFormat::F32)?;
///     Ok([up, down])
/// }
/// let [up, _] = mlp(Tensors::fresh(&Device::flex()))?;
/// assert_eq!(up.shape(), [64, 16]);
/// # Ok::<_, llavacode_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Tensors<'a> {
    source: Source<'a>,
    /// See [`Self::stack`].
    prefix: String,
    /// What the names of those asked for begin with.
    path: String,
}

#[derive(Debug)]
enum Source<'a> {
    /// Nothing is there: what is asked for is written down.
    Plan(&'a mut Vec<Parameter>),
    /// Loaded from a checkpoint.
    Loaded(&'a mut Weights),
    /// Made on this device.
    Fresh(&'a Device),
}

impl Tensors<'_> {
    /// What `model` asks for, of a checkpoint whose stack's names start with `prefix`. The model is made
    /// of tensors of one number and dropped.
    pub fn plan<T>(prefix: &str, model: impl FnOnce(Tensors<'_>) -> Result<T>) -> Plan {
        let mut plan = Plan { prefix: prefix.into(), parameters: Vec::new() };
        let source = Source::Plan(&mut plan.parameters);
        let planned = model(Tensors { source, prefix: prefix.into(), path: String::new() });
        debug_assert!(planned.is_ok(), "a plan has everything");
        plan
    }
}

impl<'a> Tensors<'a> {
    /// Those loaded by a plan; each can be taken once.
    pub fn of(weights: &'a mut Weights) -> Self {
        let prefix = weights.prefix.clone();
        Self { source: Source::Loaded(weights), prefix, path: String::new() }
    }

    /// New ones: matrices drawn from a normal distribution of standard deviation 0.02, vectors as is
    /// asked.
    pub fn fresh(device: &'a Device) -> Self {
        Self { source: Source::Fresh(device), prefix: String::new(), path: String::new() }
    }

    /// Those whose names go on, after a dot, behind this part: short for "push path".
    pub fn pp(&mut self, part: impl Display) -> Tensors<'_> {
        let path = format!("{}{part}.", self.path);
        self.at(path)
    }

    /// Those of the stack of layers, whose names' beginning differs between checkpoints.
    pub fn stack(&mut self) -> Tensors<'_> {
        self.at(self.prefix.clone())
    }

    fn at(&mut self, path: String) -> Tensors<'_> {
        let source = match &mut self.source {
            Source::Plan(parameters) => Source::Plan(parameters),
            Source::Loaded(weights) => Source::Loaded(weights),
            Source::Fresh(device) => Source::Fresh(device),
        };
        Tensors { source, prefix: self.prefix.clone(), path }
    }

    /// The matrix of this name, `[rows, cols]`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`](crate::Error::MissingTensor) if it was not planned, or is taken already.
    pub fn matrix(
        &mut self,
        name: &str,
        [rows, cols]: [usize; 2],
        format: impl Into<FormatChoice>,
    ) -> Result<Matrix> {
        self.matrix_of(&[(name, rows)], cols, format)
    }

    /// One matrix of several tensors (name, rows), the rows of one below those of the other, each `cols`
    /// wide.
    ///
    /// # Errors
    /// As [`Self::matrix`].
    pub fn matrix_of<N: AsRef<str>>(
        &mut self,
        parts: &[(N, usize)],
        cols: usize,
        format: impl Into<FormatChoice>,
    ) -> Result<Matrix> {
        let parameter = self.parameter(parts, &[cols], |rows| {
            let format = format.into();
            Kind::Matrix { rows, cols, format }
        });
        match &mut self.source {
            Source::Plan(parameters) => {
                parameters.push(parameter);
                Ok(Matrix::dense(Tensor::zeros([1, 1], &Device::flex())))
            }
            Source::Loaded(weights) => weights.take_matrix(parameter.name()),
            Source::Fresh(device) => {
                let rows = parts.iter().map(|(_, rows)| rows).sum::<usize>();
                let normal = Distribution::Normal(0.0, INIT_STD);
                Ok(Matrix::dense(Tensor::random([rows, cols], normal, *device)))
            }
        }
    }

    /// The vector of this name; a fresh one starts with `init` everywhere.
    ///
    /// # Errors
    /// As [`Self::matrix`].
    pub fn vector(&mut self, name: &str, len: usize, init: f64) -> Result<Param<Tensor<1>>> {
        self.vector_of(&[(name, len)], init)
    }

    /// One vector of several tensors (name, length), one behind the other.
    ///
    /// # Errors
    /// As [`Self::matrix`].
    pub fn vector_of<N: AsRef<str>>(&mut self, parts: &[(N, usize)], init: f64) -> Result<Param<Tensor<1>>> {
        let parameter = self.parameter(parts, &[], |len| Kind::Vector { len });
        let vector = match &mut self.source {
            Source::Plan(parameters) => {
                parameters.push(parameter);
                Tensor::zeros([1], &Device::flex())
            }
            Source::Loaded(weights) => weights.take_vector(parameter.name())?,
            Source::Fresh(device) => {
                Tensor::full([parts.iter().map(|(_, len)| len).sum::<usize>()], init, *device)
            }
        };
        Ok(Param::from_tensor(vector))
    }

    fn parameter<N: AsRef<str>>(
        &self,
        parts: &[(N, usize)],
        inner: &[usize],
        kind: impl FnOnce(usize) -> Kind,
    ) -> Parameter {
        let wanted = |(name, first): &(N, usize)| Wanted {
            tensor: format!("{}{}", self.path, name.as_ref()),
            shape: [&[*first], inner].concat(),
        };
        Parameter {
            parts: parts.iter().map(wanted).collect(),
            kind: kind(parts.iter().map(|(_, first)| first).sum()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, config::WeightFormat};

    /// One matrix of two tensors in the stack, and a vector beside it.
    fn model(mut tensors: Tensors<'_>) -> Result<(Matrix, Param<Tensor<1>>)> {
        let parts = ["q", "k"].map(|name| (format!("{name}.weight"), 2));
        let matrix = tensors.stack().pp("layers").pp(3).matrix_of(&parts, 5, WeightFormat::F32)?;
        Ok((matrix, tensors.vector("scale", 7, 1.0)?))
    }

    #[test]
    fn names_are_those_of_the_path_and_the_checkpoints_prefix() {
        for (prefix, first) in [("", "layers.3.q.weight"), ("model.", "model.layers.3.q.weight")] {
            let plan = Tensors::plan(prefix, model);
            let names: Vec<_> = plan.parameters.iter().map(Parameter::name).collect();
            assert_eq!(names, [first, "scale"]);
            let shapes: Vec<_> = plan.parameters[0].parts.iter().map(|part| part.shape.clone()).collect();
            assert_eq!(shapes, [[2, 5], [2, 5]]);
        }
    }

    #[test]
    fn each_is_taken_once() {
        let (matrix, vector) = model(Tensors::fresh(&Device::flex())).expect("fresh ones");
        let mut weights = Weights::new("file", "model.");
        weights.put_matrix("model.layers.3.q.weight", matrix);
        weights.put_vector("scale", vector.val());
        assert_eq!(weights.shape("scale"), Some(vec![7]));
        let (matrix, vector) = model(Tensors::of(&mut weights)).expect("those that were put");
        assert_eq!((matrix.shape(), vector.val().dims()), ([4, 5], [7]));
        let tensor = "model.layers.3.q.weight".into();
        assert_eq!(
            model(Tensors::of(&mut weights)).map(drop),
            Err(Error::MissingTensor { file: "file".into(), tensor })
        );
    }
}
