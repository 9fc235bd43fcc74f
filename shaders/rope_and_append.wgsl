// Splits rows of [q, k, v] into heads, normalises the heads of q and k where the architecture
// does, rotates them, and puts q into its own buffer and k and v into the cache.
//
// A workgroup owns one head of one row; its thread i owns the elements i and i + dim/2, which the
// rotation mixes.

const THREADS = 64u;
// The widest head that the kernels take: here a thread owns two of its elements.
const MAX_HEAD_DIM = 2u * THREADS;

struct Params {
    // Rows: sequences times `len`.
    rows: u32,
    // Tokens of each sequence, and the position of the first.
    len: u32,
    start: u32,
    query_heads: u32,
    kv_heads: u32,
    // Half the width of a head, at most THREADS.
    half_dim: u32,
    // Positions the cache holds for each sequence and head.
    capacity: u32,
    // 1 where q and k are normalised; where not, the norms' bindings repeat cosines.
    has_norm: u32,
    query_eps: f32,
    key_eps: f32,
}

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
// [positions, dim/2].
@group(0) @binding(1) var<storage, read> cosines: array<f32>;
@group(0) @binding(2) var<storage, read> sines: array<f32>;
@group(0) @binding(3) var<storage, read> query_norm: array<f32>;
@group(0) @binding(4) var<storage, read> key_norm: array<f32>;
@group(0) @binding(5) var<storage, read_write> queries: array<f32>;
// [sequences, kv heads, capacity, dim].
@group(0) @binding(6) var<storage, read_write> keys: array<f32>;
@group(0) @binding(7) var<storage, read_write> values: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

var<workgroup> squares: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let heads = params.query_heads + 2u * params.kv_heads;
    let index = workgroup.x + workgroup.y * workgroups.x;
    let row = index / heads;
    let head = index % heads;
    if (row >= params.rows) {
        return;
    }
    let half_dim = params.half_dim;
    let dim = 2u * half_dim;
    let is_query = head < params.query_heads;
    let is_value = head >= params.query_heads + params.kv_heads;
    let owns_pair = thread < half_dim;

    var pair = vec2<f32>(0.0);
    if (owns_pair) {
        let at = (row * heads + head) * dim + thread;
        pair = vec2<f32>(qkv[at], qkv[at + half_dim]);
    }

    if (params.has_norm == 1u && !is_value) {
        squares[thread] = dot(pair, pair);
        workgroupBarrier();
        var sum = 0.0;
        for (var i = 0u; i < half_dim; i++) {
            sum += squares[i];
        }
        let eps = select(params.key_eps, params.query_eps, is_query);
        pair *= inverseSqrt(sum / f32(dim) + eps);
        if (owns_pair) {
            if (is_query) {
                pair *= vec2<f32>(query_norm[thread], query_norm[thread + half_dim]);
            } else {
                pair *= vec2<f32>(key_norm[thread], key_norm[thread + half_dim]);
            }
        }
    }
    if (!owns_pair) {
        return;
    }

    let position = params.start + row % params.len;
    if (!is_value) {
        let at = position * half_dim + thread;
        let cosine = cosines[at];
        let sine = sines[at];
        pair = vec2<f32>(pair.x * cosine - pair.y * sine, pair.y * cosine + pair.x * sine);
    }

    if (is_query) {
        let at = (row * params.query_heads + head) * dim + thread;
        queries[at] = pair.x;
        queries[at + half_dim] = pair.y;
        return;
    }
    let sequence = row / params.len;
    let kv_head = (head - params.query_heads) % params.kv_heads;
    let at = ((sequence * params.kv_heads + kv_head) * params.capacity + position) * dim + thread;
    if (is_value) {
        values[at] = pair.x;
        values[at + half_dim] = pair.y;
    } else {
        keys[at] = pair.x;
        keys[at + half_dim] = pair.y;
    }
}
