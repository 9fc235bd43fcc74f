// y = silu(gate) · up, where a row of the input is [gate, up]. A thread owns one element of y.

const THREADS = 256u;

struct Params {
    rows: u32,
    // Width of y, half the input's.
    width: u32,
}

@group(0) @binding(0) var<storage, read> gate_up: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let at = (workgroup.x + workgroup.y * workgroups.x) * THREADS + thread;
    if (at >= params.rows * params.width) {
        return;
    }
    let row = at / params.width;
    let gate = gate_up[at + row * params.width];
    let up = gate_up[at + (row + 1u) * params.width];
    y[at] = gate / (1.0 + exp(-gate)) * up;
}
