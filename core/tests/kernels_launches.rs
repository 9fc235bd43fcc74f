//! How many launches a decoder layer takes: in a browser each costs tens of microseconds.
//! The counter is the process's, so this test has a file, that is a process, to itself.

use burn::{
    module::Param,
    tensor::{Device, Tensor},
};
use llavacode_core::{
    kernel::{self, Heads, LayerCache, RmsNorm, RopeTable, Span},
    quant::{Matrix, WeightFormat},
};

const WIDTH: usize = 64;
const INTERMEDIATE: usize = 96;
const HEADS: Heads = Heads { query: 4, key_value: 2, dim: 16 };

#[test]
fn a_layer_decodes_in_six_launches() {
    let device = match Device::wgpu_options().init() {
        Ok(device) => device,
        Err(error) => {
            eprintln!("skipped: no adapter for the kernels on this machine ({error})");
            return;
        }
    };
    let matrix =
        |rows, cols| Matrix::from_values(vec![0.1; rows * cols], rows, cols, WeightFormat::Q4, &device);
    let (qkv_width, q_width) = ((HEADS.query + 2 * HEADS.key_value) * HEADS.dim, HEADS.query * HEADS.dim);
    let (qkv, o) = (matrix(qkv_width, WIDTH), matrix(WIDTH, q_width));
    let (gate_up, down) = (matrix(2 * INTERMEDIATE, WIDTH), matrix(WIDTH, INTERMEDIATE));
    let bias = Tensor::<1>::ones([qkv_width], &device);
    let norm = RmsNorm { weight: Param::from_tensor(Tensor::ones([WIDTH], &device)), eps: 1e-6 };
    let table = || Tensor::<2>::ones([8, HEADS.dim / 2], &device);
    let rope = RopeTable { cos: table(), sin: table() };
    let section = || Tensor::<4>::zeros([1, HEADS.key_value, 8, HEADS.dim], &device);
    let cache = LayerCache { keys: section(), values: section() };
    let span = Span { batch: 1, start: 3, len: 1 };
    let x = Tensor::<2>::ones([1, WIDTH], &device);

    let before = kernel::launches();
    let projected = kernel::norm_linear(x.clone(), &norm, &qkv, Some(bias));
    let (q, cache) = kernel::rope_and_append(projected, HEADS, &rope, None, cache, span);
    let attended = kernel::attention(q, HEADS, &cache, span);
    let x = kernel::linear(attended, &o, None, Some(x));
    let hidden = kernel::norm_gate_up(x.clone(), &norm, &gate_up);
    let x = kernel::linear(hidden, &down, None, Some(x));
    assert_eq!(kernel::launches() - before, 6);

    let finite = x.into_data().iter::<f32>().all(f32::is_finite);
    assert!(finite, "the layer computes numbers");
}
