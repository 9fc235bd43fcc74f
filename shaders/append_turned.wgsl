// Puts keys and values that were read at other positions into the cache, and turns the keys by as many
// positions as they moved.
//
// A thread owns the elements i and i + dim/2 of one head of one position, which the rotation mixes.

const THREADS = 256u;

struct Params {
    // Sequences times heads.
    heads: u32,
    // Positions that are appended, and where the first goes.
    len: u32,
    start: u32,
    // Half the width of a head.
    half_dim: u32,
    // Positions the cache holds for each sequence and head.
    capacity: u32,
    // How far the keys moved, and 1 where that was backwards.
    distance: u32,
    backwards: u32,
}

// [sequences, heads, len, dim].
@group(0) @binding(0) var<storage, read> read_keys: array<f32>;
@group(0) @binding(1) var<storage, read> read_values: array<f32>;
// [positions, dim/2].
@group(0) @binding(2) var<storage, read> cosines: array<f32>;
@group(0) @binding(3) var<storage, read> sines: array<f32>;
// [sequences, heads, capacity, dim].
@group(0) @binding(4) var<storage, read_write> keys: array<f32>;
@group(0) @binding(5) var<storage, read_write> values: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let half_dim = params.half_dim;
    let pair = (workgroup.x + workgroup.y * workgroups.x) * THREADS + thread;
    if (pair >= params.heads * params.len * half_dim) {
        return;
    }
    let i = pair % half_dim;
    let row = pair / half_dim;
    let head = row / params.len;
    let position = row % params.len;
    let read_at = row * 2u * half_dim + i;
    let write_at = (head * params.capacity + params.start + position) * 2u * half_dim + i;

    let angle = params.distance * half_dim + i;
    let cosine = cosines[angle];
    let sine = select(sines[angle], -sines[angle], params.backwards == 1u);
    let first = read_keys[read_at];
    let second = read_keys[read_at + half_dim];
    keys[write_at] = first * cosine - second * sine;
    keys[write_at + half_dim] = second * cosine + first * sine;
    values[write_at] = read_values[read_at];
    values[write_at + half_dim] = read_values[read_at + half_dim];
}
