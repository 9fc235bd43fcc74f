//! A weight matrix's buffers, and how kernels read them: `shaders/parts/`.

use burn_wgpu::CubeTensor;
use cubecl::prelude::CubeCount;
use llavacode_shaders::{
    Source,
    parts::{
        block, nibbles, rows_any, rows_vec4, weights_f32, weights_f32_any, weights_q4, weights_q4_1,
        weights_q8,
    },
};

use super::launch::{
    Buffer::{self, Read, Update, Write},
    Kernel, float, int, launch,
};
use crate::quant::{Matrix, WeightFormat};

/// How a kernel reads a weight matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WeightLoader {
    Q4,
    /// 4 bits with a minimum.
    Q4_1,
    Q8,
    /// Rows of a multiple of 4 floats.
    F32,
    /// Rows of any number of floats.
    F32Any,
}

impl WeightLoader {
    pub(super) const ALL: [Self; 5] = [Self::Q4, Self::Q4_1, Self::Q8, Self::F32, Self::F32Any];

    /// Parts for a kernel that reads weights.
    pub(super) fn weights(self) -> Vec<Source> {
        let format: &[Source] = match self {
            Self::Q4 => &[nibbles::SOURCE, weights_q4::SOURCE],
            Self::Q4_1 => &[nibbles::SOURCE, weights_q4_1::SOURCE],
            Self::Q8 => &[weights_q8::SOURCE],
            Self::F32 => &[weights_f32::SOURCE],
            Self::F32Any => &[weights_f32_any::SOURCE],
        };
        [&[block::SOURCE], format].concat()
    }

    /// The part for a kernel that reads rows of activations as wide as the matrix.
    pub(super) fn rows(self) -> Source {
        match self {
            Self::F32Any => rows_any::SOURCE,
            _ => rows_vec4::SOURCE,
        }
    }

    /// Buffers of the matrix: values, and scales where it has some.
    pub(super) fn buffers(self) -> u32 {
        match self {
            Self::Q4 | Self::Q4_1 | Self::Q8 => 2,
            Self::F32 | Self::F32Any => 1,
        }
    }

    /// Whether the matrix-vector kernels read this format.
    pub(super) fn has_vector_kernels(self) -> bool {
        self != Self::F32Any
    }
}

/// A weight matrix's buffers.
pub(super) struct Weight {
    pub(super) loader: WeightLoader,
    pub(super) parts: Vec<RowPart>,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

/// The buffers of some of its rows.
pub(super) struct RowPart {
    values: CubeTensor,
    scales: Option<CubeTensor>,
    /// The first of them.
    pub(super) first: usize,
    pub(super) rows: usize,
}

impl Weight {
    pub(super) fn new(matrix: &Matrix) -> Self {
        let mut parts = Vec::new();
        let loader = collect(matrix, &mut parts);
        let [rows, cols] = matrix.shape();
        Self { loader, parts, rows, cols }
    }

    /// A buffer that all of the parts' launches together fill.
    pub(super) fn result<'a>(&self, y: &'a CubeTensor) -> Buffer<'a> {
        if self.parts.len() == 1 { Write(y) } else { Update(y) }
    }
}

/// Appends a matrix's buffers to those of the rows above; tells how they are read.
fn collect(matrix: &Matrix, parts: &mut Vec<RowPart>) -> WeightLoader {
    let [rows, cols] = matrix.shape();
    let first = parts.last().map_or(0, |above| above.first + above.rows);
    match matrix {
        Matrix::Dense(dense) => {
            parts.push(RowPart { values: float(dense.weight.val()), scales: None, first, rows });
            if cols.is_multiple_of(4) { WeightLoader::F32 } else { WeightLoader::F32Any }
        }
        Matrix::Quantized(blocks) => {
            let (values, scales) = (int(blocks.values.clone()), int(blocks.scales.clone()));
            parts.push(RowPart { values, scales: Some(scales), first, rows });
            match blocks.format {
                WeightFormat::Q4 => WeightLoader::Q4,
                WeightFormat::Q4_1 => WeightLoader::Q4_1,
                WeightFormat::Q8 | WeightFormat::F32 => WeightLoader::Q8,
            }
        }
        Matrix::Split(split) => {
            let loaders = split.parts.iter().map(|part| collect(part, parts));
            loaders.last().expect("a split matrix has parts")
        }
    }
}

impl RowPart {
    /// Launches a kernel with these rows: values first, scales last.
    pub(super) fn launch<'a>(
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
