//! Products with weight matrices.

use burn::tensor::Tensor;
use burn_wgpu::CubeTensor;
use cubecl::prelude::CubeCount;
use llavacode_shaders::linear::{direct, tile, vector};

use super::{
    launch::{Buffer::Read, Kernel, empty_float, float, tensor, workgroups},
    rms_norm::rms_norm,
    vector_shape::VectorShape,
    weights::{Weight, WeightLoader},
};
use crate::{device::is_software, kernel::operands::RmsNorm, quant::Matrix};

fn vector_kernel(loader: WeightLoader, shape: VectorShape) -> Kernel {
    let kernel = Kernel::new(vector::SOURCE, 5 + loader.buffers());
    Kernel { constants: shape.constants(), ..kernel.with_parts(loader.weights()) }
}

/// `row_steps`: rows of the tile that each thread owns.
fn tile_kernel(loader: WeightLoader, row_steps: u32) -> Kernel {
    let kernel = Kernel::new(tile::SOURCE, 4 + loader.buffers());
    let constants = vec![("row_steps", row_steps)];
    Kernel { constants, ..kernel.with_parts(loader.weights()).with_parts([loader.rows()]) }
}

fn direct_kernel(loader: WeightLoader) -> Kernel {
    let kernel = Kernel::new(direct::SOURCE, 4 + loader.buffers());
    kernel.with_parts(loader.weights()).with_parts([loader.rows()])
}

/// The tile for a number of rows: a low one where a high one would be mostly empty.
fn row_steps(rows: usize) -> u32 {
    if rows <= tile::SIDE { 1 } else { 4 }
}

/// Every kernel of this family.
pub(super) fn kernels() -> Vec<Kernel> {
    let vectors = WeightLoader::ALL.into_iter().filter(|loader| loader.has_vector_kernels());
    let many = WeightLoader::ALL
        .into_iter()
        .flat_map(|loader| [tile_kernel(loader, 1), tile_kernel(loader, 4), direct_kernel(loader)]);
    let vectors = vectors.flat_map(|loader| VectorShape::ALL.map(|shape| vector_kernel(loader, shape)));
    vectors.chain(many).collect()
}

/// See [`super::super::linear`].
pub(in crate::kernel) fn linear(
    x: Tensor<2>,
    weight: &Matrix,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    multiply(x, None, weight, bias, residual)
}

/// See [`super::super::norm_linear`].
pub(in crate::kernel) fn norm_linear(
    x: Tensor<2>,
    norm: &RmsNorm,
    weight: &Matrix,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    multiply(x, Some(norm), weight, bias, None)
}

fn multiply(
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
        let shape = VectorShape::of(&x.device());
        return linear_vector(float(x), shape, norm, &weight, bias, residual);
    }
    let x = match norm {
        Some(norm) => rms_norm(x, norm),
        None => x,
    };
    let software = is_software(&x.device());
    linear_many(float(x), rows, software, &weight, bias, residual)
}

fn linear_vector(
    x: CubeTensor,
    shape: VectorShape,
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
        let grid = workgroups(part.rows.div_ceil(shape.rows_per_workgroup()));
        part.launch(vector_kernel(weight.loader, shape), grid, buffers, &params.words());
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
            let down = rows.div_ceil(direct::TILE_ROWS);
            let tiles = down * part.rows.div_ceil(direct::TILE_OUT);
            let grid = workgroups(tiles.div_ceil(direct::THREADS));
            (direct_kernel(weight.loader), grid, words!(direct))
        } else {
            let row_steps = row_steps(rows);
            let across = part.rows.div_ceil(tile::TILE_OUT) as u32;
            let down = rows.div_ceil(tile::SIDE * row_steps as usize) as u32;
            let grid = CubeCount::Static(across, down, 1);
            (tile_kernel(weight.loader, row_steps), grid, words!(tile))
        };
        let buffers = std::iter::once(Read(&x)).chain(inputs).chain([weight.result(&y)]);
        part.launch(kernel, grid, buffers, &params);
    }
    tensor(y)
}
