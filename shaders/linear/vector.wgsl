// y = norm(x) · Wᵀ + bias + residual for one row x: what decoding a token consists of.
// W is a matrix or a part of its rows; the part's elements of y begin at `first`.
//
// A workgroup owns ROWS_PER_WORKGROUP rows of W, that is as many elements of y. Its threads form
// GROUPS groups of LANES; a group owns ROWS rows, and its thread `lane` takes the blocks of 32
// columns lane, lane + LANES, … of all of them, so that each x is loaded once for ROWS rows.
// In the end one thread a row adds the lanes' parts. How many lanes and rows are best depends on
// the device: kernel/gpu/vector_shape.rs.
//
// RMSNorm needs no pass of its own: 1 / rms is a factor of the whole sum, so the squares are
// summed along the way, and only the norm's weight is multiplied in while summing.
//
// The weight format's `prepare` and `block_dot` come from parts/weights_*.wgsl, `BLOCK` from parts/block.wgsl.

const THREADS = {{ threads }}u;
const LANES = {{ lanes }}u;
const GROUPS = THREADS / LANES;
const ROWS = {{ rows }}u;
const ROWS_PER_WORKGROUP = GROUPS * ROWS;

struct Params {
    // Width of x, a multiple of 4.
    cols: u32,
    // Rows of this part of W, and the element of y that the first of them gives.
    rows: u32,
    first: u32,
    // 1 where the input is there; where it is not, its binding repeats x.
    has_norm: u32,
    has_bias: u32,
    has_residual: u32,
    norm_eps: f32,
}

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> norm_weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

// Every lane's part of every row.
var<workgroup> parts: array<f32, THREADS * ROWS>;
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

    var sums: array<f32, ROWS>;
    var square_sum = 0.0;
    for (var block = lane; block < blocks; block += LANES) {
        var xs: array<vec4<f32>, 8>;
        for (var i = 0u; i < 8u; i++) {
            let at = block * 8u + i;
            xs[i] = select(vec4<f32>(0.0), x[min(at, width - 1u)], at < width);
        }
        if (params.has_norm == 1u) {
            for (var i = 0u; i < 8u; i++) {
                square_sum += dot(xs[i], xs[i]);
                xs[i] *= norm_weight[min(block * 8u + i, width - 1u)];
            }
        }
        let x_sums = prepare(&xs);
        for (var r = 0u; r < ROWS; r++) {
            // Rows beyond the end repeat the last one and are not written.
            let row = min(first_row + group * ROWS + r, last);
            sums[r] += block_dot(row, block, params.cols, &xs, x_sums);
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
        var sum = 0.0;
        var mean_square = params.norm_eps;
        for (var l = 0u; l < LANES; l++) {
            sum += parts[own * LANES + l];
            mean_square += squares[l] / f32(params.cols);
        }
        if (params.has_norm == 1u) {
            sum *= inverseSqrt(mean_square);
        }
        let at = params.first + row;
        if (params.has_bias == 1u) {
            sum += bias[at];
        }
        if (params.has_residual == 1u) {
            sum += residual[at];
        }
        y[at] = sum;
    }
}
