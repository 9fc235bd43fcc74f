//! Products with weight matrices, and rows of them.

use burn::tensor::{Int, Tensor};
use burn_wgpu::CubeTensor;
use cubecl::prelude::CubeCount;
use llavacode_shaders::{
    Source, gate_up_vector, gather_rows as gather, linear_direct, linear_tile, linear_vector as vector,
    rows_any, rows_vec4, weights_f32, weights_f32_any, weights_q4, weights_q4_1, weights_q8,
};

use super::launch::{
    Buffer::{self, Read, Update, Write},
    Kernel, empty_float, float, int, launch, tensor, workgroups,
};
use crate::{
    device::is_software,
    kernel::operands::RmsNorm,
    quant::{Matrix, WeightFormat},
};

/// How a kernel reads a weight matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loader {
    Q4,
    /// 4 bits with a minimum.
    Q4_1,
    Q8,
    /// Rows of a multiple of 4 floats.
    F32,
    /// Rows of any number of floats.
    F32Any,
}

impl Loader {
    const ALL: [Self; 5] = [Self::Q4, Self::Q4_1, Self::Q8, Self::F32, Self::F32Any];

    fn weights(self) -> Source {
        match self {
            Self::Q4 => weights_q4::SOURCE,
            Self::Q4_1 => weights_q4_1::SOURCE,
            Self::Q8 => weights_q8::SOURCE,
            Self::F32 => weights_f32::SOURCE,
            Self::F32Any => weights_f32_any::SOURCE,
        }
    }

    fn rows(self) -> Source {
        match self {
            Self::F32Any => rows_any::SOURCE,
            _ => rows_vec4::SOURCE,
        }
    }

    /// Buffers of the matrix: values, and scales where it has some.
    fn buffers(self) -> u32 {
        match self {
            Self::Q4 | Self::Q4_1 | Self::Q8 => 2,
            Self::F32 | Self::F32Any => 1,
        }
    }

    /// Whether the matrix-vector kernels read this format.
    fn has_vector_kernels(self) -> bool {
        self != Self::F32Any
    }
}

/// A weight matrix's buffers.
struct Weight {
    loader: Loader,
    parts: Vec<Part>,
    rows: usize,
    cols: usize,
}

/// The buffers of some of its rows.
struct Part {
    values: CubeTensor,
    scales: Option<CubeTensor>,
    /// The first of them.
    first: usize,
    rows: usize,
}

impl Weight {
    fn new(matrix: &Matrix) -> Self {
        let mut parts = Vec::new();
        let loader = collect(matrix, &mut parts);
        let [rows, cols] = matrix.shape();
        Self { loader, parts, rows, cols }
    }

    /// A buffer that all of the parts' launches together fill.
    fn result<'a>(&self, y: &'a CubeTensor) -> Buffer<'a> {
        if self.parts.len() == 1 { Write(y) } else { Update(y) }
    }
}

/// Appends a matrix's buffers to those of the rows above; tells how they are read.
fn collect(matrix: &Matrix, parts: &mut Vec<Part>) -> Loader {
    let [rows, cols] = matrix.shape();
    let first = parts.last().map_or(0, |above| above.first + above.rows);
    match matrix {
        Matrix::Dense(dense) => {
            parts.push(Part { values: float(dense.weight.val()), scales: None, first, rows });
            if cols.is_multiple_of(4) { Loader::F32 } else { Loader::F32Any }
        }
        Matrix::Quantized(blocks) => {
            let (values, scales) = (int(blocks.values.clone()), int(blocks.scales.clone()));
            parts.push(Part { values, scales: Some(scales), first, rows });
            match blocks.format {
                WeightFormat::Q4 => Loader::Q4,
                WeightFormat::Q4_1 => Loader::Q4_1,
                WeightFormat::Q8 | WeightFormat::F32 => Loader::Q8,
            }
        }
        Matrix::Split(split) => {
            let loaders = split.parts.iter().map(|part| collect(part, parts));
            loaders.last().expect("a split matrix has parts")
        }
    }
}

impl Part {
    /// Launches a kernel with these rows: values first, scales last.
    fn launch<'a>(
        &'a self,
        kernel: Kernel,
        workgroups: CubeCount,
        between: impl IntoIterator<Item = Buffer<'a>>,
        params: &[u32],
    ) {
        let mut buffers = vec![Read(&self.values)];
        buffers.extend(between);
        buffers.extend(self.scales.as_ref().map(Read));
        launch(kernel, workgroups, &buffers, params);
    }
}

fn vector_kernel(loader: Loader) -> Kernel {
    Kernel { parts: vec![loader.weights()], ..Kernel::new(vector::SOURCE, 5 + loader.buffers()) }
}

fn gate_up_kernel(loader: Loader) -> Kernel {
    Kernel { parts: vec![loader.weights()], ..Kernel::new(gate_up_vector::SOURCE, 3 + loader.buffers()) }
}

/// `row_steps`: rows of the tile that each thread owns.
fn tile_kernel(loader: Loader, row_steps: u32) -> Kernel {
    Kernel {
        parts: vec![loader.weights(), loader.rows()],
        constants: vec![("row_steps", row_steps)],
        ..Kernel::new(linear_tile::SOURCE, 4 + loader.buffers())
    }
}

fn direct_kernel(loader: Loader) -> Kernel {
    Kernel {
        parts: vec![loader.weights(), loader.rows()],
        ..Kernel::new(linear_direct::SOURCE, 4 + loader.buffers())
    }
}

fn gather_kernel(loader: Loader) -> Kernel {
    Kernel { parts: vec![loader.weights()], ..Kernel::new(gather::SOURCE, 2 + loader.buffers()) }
}

/// The tile for a number of rows: a low one where a high one would be mostly empty.
fn row_steps(rows: usize) -> u32 {
    if rows <= linear_tile::SIDE { 1 } else { 4 }
}

/// Every kernel of this file.
pub(super) fn kernels() -> Vec<Kernel> {
    let vectors = Loader::ALL.into_iter().filter(|loader| loader.has_vector_kernels());
    vectors
        .flat_map(|loader| [vector_kernel(loader), gate_up_kernel(loader)])
        .chain(
            Loader::ALL
                .into_iter()
                .flat_map(|loader| [tile_kernel(loader, 1), tile_kernel(loader, 4), direct_kernel(loader)]),
        )
        .chain(Loader::ALL.map(gather_kernel))
        .collect()
}

/// See [`super::super::linear`] and [`super::super::norm_linear`].
pub(in crate::kernel) fn linear(
    x: Tensor<2>,
    norm: Option<&RmsNorm>,
    weight: &Matrix,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let weight = Weight::new(weight);
    let [rows, cols] = x.dims();
    assert_eq!(cols, weight.cols, "x is [{rows}, {cols}], the matrix [{}, {}]", weight.rows, weight.cols);
    let (bias, residual) = (bias.map(float), residual.map(float));
    if rows == 1 && weight.loader.has_vector_kernels() {
        return linear_vector(float(x), norm, &weight, bias, residual);
    }
    let x = match norm {
        Some(norm) => super::rows::rms_norm(x, norm),
        None => x,
    };
    let software = is_software(&x.device());
    linear_many(float(x), rows, software, &weight, bias, residual)
}

fn linear_vector(
    x: CubeTensor,
    norm: Option<&RmsNorm>,
    weight: &Weight,
    bias: Option<CubeTensor>,
    residual: Option<CubeTensor>,
) -> Tensor<2> {
    let y = empty_float(&x, [1, weight.rows]);
    let norm_weight = norm.map(|norm| float(norm.weight.val()));
    // What is absent is bound to x, so that one kernel serves all cases.
    for part in &weight.parts {
        let inputs = [&norm_weight, &bias, &residual].map(|input| Read(input.as_ref().unwrap_or(&x)));
        let params = vector::Params {
            cols: weight.cols as u32,
            rows: part.rows as u32,
            first: part.first as u32,
            has_norm: norm.is_some().into(),
            has_bias: bias.is_some().into(),
            has_residual: residual.is_some().into(),
            norm_eps: norm.map_or(0.0, |norm| norm.eps as f32),
        };
        let buffers = std::iter::once(Read(&x)).chain(inputs).chain([weight.result(&y)]);
        let grid = workgroups(part.rows.div_ceil(vector::ROWS_PER_WORKGROUP));
        part.launch(vector_kernel(weight.loader), grid, buffers, &params.words());
    }
    tensor(y)
}

fn linear_many(
    x: CubeTensor,
    rows: usize,
    software: bool,
    weight: &Weight,
    bias: Option<CubeTensor>,
    residual: Option<CubeTensor>,
) -> Tensor<2> {
    let y = empty_float(&x, [rows, weight.rows]);
    for part in &weight.parts {
        let inputs = [&bias, &residual].map(|input| Read(input.as_ref().unwrap_or(&x)));
        // Both kernels' uniforms have the same fields.
        macro_rules! words {
            ($kernel:ident) => {
                $kernel::Params {
                    rows: rows as u32,
                    out_features: part.rows as u32,
                    first: part.first as u32,
                    width: weight.rows as u32,
                    cols: weight.cols as u32,
                    has_bias: bias.is_some().into(),
                    has_residual: residual.is_some().into(),
                }
                .words()
            };
        }
        let (kernel, grid, params) = if software {
            let down = rows.div_ceil(linear_direct::TILE_ROWS);
            let tiles = down * part.rows.div_ceil(linear_direct::TILE_OUT);
            let grid = workgroups(tiles.div_ceil(linear_direct::THREADS));
            (direct_kernel(weight.loader), grid, words!(linear_direct))
        } else {
            let row_steps = row_steps(rows);
            let across = part.rows.div_ceil(linear_tile::TILE_OUT) as u32;
            let down = rows.div_ceil(linear_tile::SIDE * row_steps as usize) as u32;
            let grid = CubeCount::Static(across, down, 1);
            (tile_kernel(weight.loader, row_steps), grid, words!(linear_tile))
        };
        let buffers = std::iter::once(Read(&x)).chain(inputs).chain([weight.result(&y)]);
        part.launch(kernel, grid, buffers, &params);
    }
    tensor(y)
}

/// See [`super::super::norm_gate_up`].
pub(in crate::kernel) fn norm_gate_up(x: Tensor<2>, norm: &RmsNorm, gate_up: &Matrix) -> Tensor<2> {
    let weight = Weight::new(gate_up);
    let [rows, cols] = x.dims();
    // A gate and its up lie in different parts of a split matrix.
    let whole = match weight.parts.as_slice() {
        [part] if rows == 1 && weight.loader.has_vector_kernels() => part,
        _ => return super::rows::swiglu(linear(x, Some(norm), gate_up, None, None)),
    };
    assert_eq!(cols, weight.cols, "x is [{rows}, {cols}], the matrix [{}, {}]", weight.rows, weight.cols);
    let (x, norm_weight) = (float(x), float(norm.weight.val()));
    let intermediate = weight.rows / 2;
    let y = empty_float(&x, [1, intermediate]);
    let params =
        gate_up_vector::Params { cols: cols as u32, rows: intermediate as u32, norm_eps: norm.eps as f32 };
    whole.launch(
        gate_up_kernel(weight.loader),
        workgroups(intermediate.div_ceil(gate_up_vector::ROWS_PER_WORKGROUP)),
        [Read(&x), Read(&norm_weight), Write(&y)],
        &params.words(),
    );
    tensor(y)
}

/// See [`super::super::gather_rows`].
pub(in crate::kernel) fn gather_rows(ids: Tensor<1, Int>, weight: &Matrix) -> Tensor<2> {
    let weight = Weight::new(weight);
    let [count] = ids.dims();
    let ids = int(ids);
    let y = empty_float(&ids, [count, weight.cols]);
    // A thread takes four elements of a row.
    let threads = count * weight.cols.div_ceil(4);
    for part in &weight.parts {
        let params = gather::Params {
            count: count as u32,
            all: weight.rows as u32,
            first: part.first as u32,
            rows: part.rows as u32,
            cols: weight.cols as u32,
        };
        part.launch(
            gather_kernel(weight.loader),
            workgroups(threads.div_ceil(gather::THREADS)),
            [Read(&ids), weight.result(&y)],
            &params.words(),
        );
    }
    tensor(y)
}
