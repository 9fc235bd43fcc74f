// y = x / sqrt(mean(x²) + eps) · weight, for every row.
//
// A workgroup owns a row; its thread t takes the elements t, t + THREADS, …

const THREADS = 128u;

struct Params {
    rows: u32,
    width: u32,
    eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

var<workgroup> squares: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = workgroup.x + workgroup.y * workgroups.x;
    if (row >= params.rows) {
        return;
    }
    let first = row * params.width;

    var sum = 0.0;
    for (var i = thread; i < params.width; i += THREADS) {
        sum += x[first + i] * x[first + i];
    }
    squares[thread] = sum;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            squares[thread] += squares[thread + half];
        }
        workgroupBarrier();
    }

    let factor = inverseSqrt(squares[0] / f32(params.width) + params.eps);
    for (var i = thread; i < params.width; i += THREADS) {
        y[first + i] = x[first + i] * factor * weight[i];
    }
}
