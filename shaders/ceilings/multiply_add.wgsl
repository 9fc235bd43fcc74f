// How fast the device multiplies and adds: four vectors, each its own chain of x = x · a + b, so
// that a step of one can start before that of another is done.
//
// Thread t owns its chains and element t of y.

const THREADS = 256u;

struct Params {
    // Steps of every chain.
    steps: u32,
    // a and b. Were they constants, a compiler could work the result out.
    factor: f32,
    term: f32,
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let a = vec4<f32>(params.factor);
    let b = vec4<f32>(params.term);
    let start = f32(invocation.x);
    var x0 = vec4<f32>(start, start + 1.0, start + 2.0, start + 3.0);
    var x1 = x0 + 4.0;
    var x2 = x0 + 8.0;
    var x3 = x0 + 12.0;
    for (var step = 0u; step < params.steps; step++) {
        x0 = x0 * a + b;
        x1 = x1 * a + b;
        x2 = x2 * a + b;
        x3 = x3 * a + b;
    }
    let sum = x0 + x1 + x2 + x3;
    y[invocation.x] = sum.x + sum.y + sum.z + sum.w;
}
