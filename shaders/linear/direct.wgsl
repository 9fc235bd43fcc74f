// y = x · Wᵀ + bias + residual for many rows, where workgroup memory does not pay: on a software
// GPU, which emulates it and its barriers at several times the price of the reads it saves.
// W is a matrix or a part of its rows; the part's columns of y begin at `first`.
//
// A thread owns TILE_ROWS rows by TILE_OUT columns of y and reads x and W itself. Every index of its
// sums is a literal: a software GPU keeps an array that is indexed by a variable in memory.
//
// `weight4` comes from parts/weights_*.wgsl, `x4` from parts/rows_*.wgsl.

const THREADS = 16u;
const TILE_ROWS = 16u;
const TILE_OUT = 8u;

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
    for (var i = 0u; i < 4u; i++) {
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

    // The left and the right four columns of each row.
    var left: array<vec4<f32>, TILE_ROWS>;
    var right: array<vec4<f32>, TILE_ROWS>;
    for (var col = 0u; col < params.cols; col += 4u) {
        let w_left = mat4x4<f32>(
            weight4(out, col, params.cols),
            weight4(min(out + 1u, last_out), col, params.cols),
            weight4(min(out + 2u, last_out), col, params.cols),
            weight4(min(out + 3u, last_out), col, params.cols),
        );
        let w_right = mat4x4<f32>(
            weight4(min(out + 4u, last_out), col, params.cols),
            weight4(min(out + 5u, last_out), col, params.cols),
            weight4(min(out + 6u, last_out), col, params.cols),
            weight4(min(out + 7u, last_out), col, params.cols),
        );
        let a0 = x4(row, col, params.cols);
        left[0] += a0 * w_left;
        right[0] += a0 * w_right;
        let a1 = x4(min(row + 1u, last), col, params.cols);
        left[1] += a1 * w_left;
        right[1] += a1 * w_right;
        let a2 = x4(min(row + 2u, last), col, params.cols);
        left[2] += a2 * w_left;
        right[2] += a2 * w_right;
        let a3 = x4(min(row + 3u, last), col, params.cols);
        left[3] += a3 * w_left;
        right[3] += a3 * w_right;
        let a4 = x4(min(row + 4u, last), col, params.cols);
        left[4] += a4 * w_left;
        right[4] += a4 * w_right;
        let a5 = x4(min(row + 5u, last), col, params.cols);
        left[5] += a5 * w_left;
        right[5] += a5 * w_right;
        let a6 = x4(min(row + 6u, last), col, params.cols);
        left[6] += a6 * w_left;
        right[6] += a6 * w_right;
        let a7 = x4(min(row + 7u, last), col, params.cols);
        left[7] += a7 * w_left;
        right[7] += a7 * w_right;
        let a8 = x4(min(row + 8u, last), col, params.cols);
        left[8] += a8 * w_left;
        right[8] += a8 * w_right;
        let a9 = x4(min(row + 9u, last), col, params.cols);
        left[9] += a9 * w_left;
        right[9] += a9 * w_right;
        let a10 = x4(min(row + 10u, last), col, params.cols);
        left[10] += a10 * w_left;
        right[10] += a10 * w_right;
        let a11 = x4(min(row + 11u, last), col, params.cols);
        left[11] += a11 * w_left;
        right[11] += a11 * w_right;
        let a12 = x4(min(row + 12u, last), col, params.cols);
        left[12] += a12 * w_left;
        right[12] += a12 * w_right;
        let a13 = x4(min(row + 13u, last), col, params.cols);
        left[13] += a13 * w_left;
        right[13] += a13 * w_right;
        let a14 = x4(min(row + 14u, last), col, params.cols);
        left[14] += a14 * w_left;
        right[14] += a14 * w_right;
        let a15 = x4(min(row + 15u, last), col, params.cols);
        left[15] += a15 * w_left;
        right[15] += a15 * w_right;
    }
    for (var r = 0u; r < TILE_ROWS; r++) {
        store(row + r, out, left[r]);
        store(row + r, out + 4u, right[r]);
    }
}
