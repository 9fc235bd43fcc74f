// How fast the device reads: a stream of values, summed up so that no read can be left out.
//
// Thread t takes the vectors t, t + threads, … of the whole launch, and owns element t of y.

const THREADS = 256u;

struct Params {
    // Vectors to read.
    count: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    var sum = vec4<f32>(0.0);
    for (var i = invocation.x; i < params.count; i += workgroups.x * THREADS) {
        sum += x[i];
    }
    y[invocation.x] = sum.x + sum.y + sum.z + sum.w;
}
