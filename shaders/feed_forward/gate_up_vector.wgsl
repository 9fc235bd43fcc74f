// y = silu(norm(x) · Gᵀ) · (norm(x) · Uᵀ) for one row x, with W = [G; U]: the first half of a
// feed-forward layer while decoding.
//
// As linear/vector.wgsl, with the same parts, but a group's ROWS outputs take a row of G and the same
// row of U each.

const THREADS = {{ threads }}u;
const LANES = {{ lanes }}u;
const GROUPS = THREADS / LANES;
const ROWS = {{ rows }}u;
const ROWS_PER_WORKGROUP = GROUPS * ROWS;

struct Params {
    // Width of x, a multiple of 4.
    cols: u32,
    // Length of y; W has twice as many rows.
    rows: u32,
    norm_eps: f32,
}

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> norm_weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

// Every lane's part of every gate (x) and up (y).
var<workgroup> parts: array<vec2<f32>, THREADS * ROWS>;
// Every lane's part of sum(x²).
var<workgroup> squares: array<f32, LANES>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let lane = thread % LANES;
    let group = thread / LANES;
    let first_row = (workgroup.x + workgroup.y * workgroups.x) * ROWS_PER_WORKGROUP;
    let last = params.rows - 1u;
    let width = params.cols / 4u;
    let blocks = (params.cols + BLOCK - 1u) / BLOCK;

    var sums: array<vec2<f32>, ROWS>;
    var square_sum = 0.0;
    for (var block = lane; block < blocks; block += LANES) {
        var xs: array<vec4<f32>, 8>;
        for (var i = 0u; i < 8u; i++) {
            let at = min(block * 8u + i, width - 1u);
            let four = select(vec4<f32>(0.0), x[at], block * 8u + i < width);
            square_sum += dot(four, four);
            xs[i] = four * norm_weight[at];
        }
        let x_sums = prepare(&xs);
        for (var r = 0u; r < ROWS; r++) {
            // Rows beyond the end repeat the last one and are not written.
            let row = min(first_row + group * ROWS + r, last);
            let gate = block_dot(row, block, params.cols, &xs, x_sums);
            let up = block_dot(row + params.rows, block, params.cols, &xs, x_sums);
            sums[r] += vec2<f32>(gate, up);
        }
    }

    for (var r = 0u; r < ROWS; r++) {
        parts[(group * ROWS + r) * LANES + lane] = sums[r];
    }
    if (group == 0u) {
        squares[lane] = square_sum;
    }
    workgroupBarrier();

    for (var own = thread; own < ROWS_PER_WORKGROUP; own += THREADS) {
        let row = first_row + own;
        if (row >= params.rows) {
            return;
        }
        var sum = vec2<f32>(0.0);
        var mean_square = params.norm_eps;
        for (var l = 0u; l < LANES; l++) {
            sum += parts[own * LANES + l];
            mean_square += squares[l] / f32(params.cols);
        }
        sum *= inverseSqrt(mean_square);
        y[row] = sum.x / (1.0 + exp(-sum.x)) * sum.y;
    }
}
