// y = x · Wᵀ + bias + residual for many rows: what prefilling a prompt consists of. W is a
// matrix or a part of its rows; the part's columns of y begin at `first`.
//
// A workgroup owns a tile of y, TILE_ROWS rows by TILE_OUT columns. It walks along the inner
// dimension in steps of STEP, one block of a quantized matrix: its threads put a slice of x and a
// dequantized slice of W into workgroup memory, four neighbours of the inner dimension a vec4.
// Thread (i, j) of the SIDE by SIDE threads owns rows i, i + SIDE, … and columns
// j, j + SIDE, … of the tile.
//
// `weight4` comes from parts/weights_*.wgsl, `x4` from parts/rows_*.wgsl.

const SIDE = 16u;
const THREADS = SIDE * SIDE;
const ROW_STEPS = {{ row_steps }}u;
const OUT_STEPS = 4u;
const TILE_ROWS = SIDE * ROW_STEPS;
const TILE_OUT = SIDE * OUT_STEPS;
const STEP = 32u;
const STEP_VECTORS = STEP / 4u;
// One vec4 of padding a row: neighbouring rows start in different banks.
const STRIDE = STEP_VECTORS + 1u;

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

var<workgroup> x_tile: array<vec4<f32>, TILE_ROWS * STRIDE>;
var<workgroup> w_tile: array<vec4<f32>, TILE_OUT * STRIDE>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let first_out = workgroup.x * TILE_OUT;
    let first_row = workgroup.y * TILE_ROWS;
    let i = thread / SIDE;
    let j = thread % SIDE;

    // sums[r] holds the thread's four columns of its row r.
    var sums: array<vec4<f32>, ROW_STEPS>;
    for (var step = 0u; step < params.cols; step += STEP) {
        for (var at = thread; at < TILE_ROWS * STEP_VECTORS; at += THREADS) {
            let row = at / STEP_VECTORS;
            let vector = at % STEP_VECTORS;
            let col = step + vector * 4u;
            var four = vec4<f32>(0.0);
            if (first_row + row < params.rows && col < params.cols) {
                four = x4(first_row + row, col, params.cols);
            }
            x_tile[row * STRIDE + vector] = four;
        }
        for (var at = thread; at < TILE_OUT * STEP_VECTORS; at += THREADS) {
            let row = at / STEP_VECTORS;
            let vector = at % STEP_VECTORS;
            let col = step + vector * 4u;
            var four = vec4<f32>(0.0);
            if (first_out + row < params.out_features && col < params.cols) {
                four = weight4(first_out + row, col, params.cols);
            }
            w_tile[row * STRIDE + vector] = four;
        }
        workgroupBarrier();

        for (var vector = 0u; vector < STEP_VECTORS; vector++) {
            let weights = mat4x4<f32>(
                w_tile[j * STRIDE + vector],
                w_tile[(j + SIDE) * STRIDE + vector],
                w_tile[(j + 2u * SIDE) * STRIDE + vector],
                w_tile[(j + 3u * SIDE) * STRIDE + vector],
            );
            for (var r = 0u; r < ROW_STEPS; r++) {
                sums[r] += x_tile[(i + r * SIDE) * STRIDE + vector] * weights;
            }
        }
        workgroupBarrier();
    }

    for (var r = 0u; r < ROW_STEPS; r++) {
        let row = first_row + i + r * SIDE;
        for (var c = 0u; c < OUT_STEPS; c++) {
            let out = first_out + j + c * SIDE;
            if (row < params.rows && out < params.out_features) {
                let at = row * params.width + params.first + out;
                var sum = sums[r][c];
                if (params.has_bias == 1u) {
                    sum += bias[params.first + out];
                }
                if (params.has_residual == 1u) {
                    sum += residual[at];
                }
                y[at] = sum;
            }
        }
    }
}
