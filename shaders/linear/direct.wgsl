// y = x · Wᵀ + bias + residual for many rows, where workgroup memory does not pay: on a software
// GPU, which emulates it and its barriers at several times the price of the reads it saves.
// W is a matrix or a part of its rows; the part's columns of y begin at `first`.
//
// A thread owns TILE_ROWS rows by 4 columns of y and reads x and W itself. Its sums have names
// and no index: software GPUs keep an indexed array in memory.
//
// `weight4` comes from parts/weights_*.wgsl, `x4` from parts/rows_*.wgsl.

const THREADS = 64u;
const TILE_ROWS = 8u;
const TILE_OUT = 4u;

struct Params {
    // Rows of x and y.
    rows: u32,
    // Rows of this part of W, and the column of y that the first of them gives.
    out_features: u32,
    first: u32,
    // Width of y.
    width: u32,
    // Width of x.
    cols: u32,
    // 1 where the input is there; where it is not, its binding repeats x.
    has_bias: u32,
    has_residual: u32,
}

@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

// Four neighbours of a row of y; those beyond its edges are dropped.
fn store(row: u32, out: u32, four: vec4<f32>) {
    for (var i = 0u; i < TILE_OUT; i++) {
        if (row < params.rows && out + i < params.out_features) {
            let at = row * params.width + params.first + out + i;
            var sum = four[i];
            if (params.has_bias == 1u) {
                sum += bias[params.first + out + i];
            }
            if (params.has_residual == 1u) {
                sum += residual[at];
            }
            y[at] = sum;
        }
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let tile = (workgroup.y * workgroups.x + workgroup.x) * THREADS + thread;
    let tiles_across = (params.out_features + TILE_OUT - 1u) / TILE_OUT;
    let out = tile % tiles_across * TILE_OUT;
    let row = tile / tiles_across * TILE_ROWS;
    if (row >= params.rows) {
        return;
    }
    // Tiles at the edges read their last row again instead of one beyond it.
    let last = params.rows - 1u;
    let last_out = params.out_features - 1u;

    var sum0 = vec4<f32>(0.0);
    var sum1 = vec4<f32>(0.0);
    var sum2 = vec4<f32>(0.0);
    var sum3 = vec4<f32>(0.0);
    var sum4 = vec4<f32>(0.0);
    var sum5 = vec4<f32>(0.0);
    var sum6 = vec4<f32>(0.0);
    var sum7 = vec4<f32>(0.0);
    for (var col = 0u; col < params.cols; col += 4u) {
        let weights = mat4x4<f32>(
            weight4(out, col, params.cols),
            weight4(min(out + 1u, last_out), col, params.cols),
            weight4(min(out + 2u, last_out), col, params.cols),
            weight4(min(out + 3u, last_out), col, params.cols),
        );
        sum0 += x4(min(row + 0u, last), col, params.cols) * weights;
        sum1 += x4(min(row + 1u, last), col, params.cols) * weights;
        sum2 += x4(min(row + 2u, last), col, params.cols) * weights;
        sum3 += x4(min(row + 3u, last), col, params.cols) * weights;
        sum4 += x4(min(row + 4u, last), col, params.cols) * weights;
        sum5 += x4(min(row + 5u, last), col, params.cols) * weights;
        sum6 += x4(min(row + 6u, last), col, params.cols) * weights;
        sum7 += x4(min(row + 7u, last), col, params.cols) * weights;
    }
    store(row + 0u, out, sum0);
    store(row + 1u, out, sum1);
    store(row + 2u, out, sum2);
    store(row + 3u, out, sum3);
    store(row + 4u, out, sum4);
    store(row + 5u, out, sum5);
    store(row + 6u, out, sum6);
    store(row + 7u, out, sum7);
}
