// Attention of one new token over the cache: softmax(q · kᵀ / sqrt(dim)) · v.
//
// A workgroup owns one query head of one sequence. It takes the keys in chunks of CHUNK. In a
// chunk, thread t first owns the scores of keys t, t + THREADS, …; then, for the weighted sum of
// values, lane t % LANES of every value, of the keys t / LANES, t / LANES + PARTS, …
// From chunk to chunk it keeps the largest score so far and rescales its sums to it (online
// softmax), so any number of keys takes the same memory.

alias Lane = vec{{ width }}<f32>;
// Lanes of a head.
const LANES = {{ lanes }}u;
const THREADS = 256u;
const PARTS = THREADS / LANES;
const CHUNK = 2048u;
const LOWEST = -3.0e38;

struct Params {
    query_heads: u32,
    kv_heads: u32,
    // Positions the cache holds for each sequence and head, and how many are filled.
    capacity: u32,
    end: u32,
    // 1 / sqrt(dim).
    scale: f32,
}

@group(0) @binding(0) var<storage, read> queries: array<Lane>;
@group(0) @binding(1) var<storage, read> keys: array<Lane>;
@group(0) @binding(2) var<storage, read> values: array<Lane>;
@group(0) @binding(3) var<storage, read_write> y: array<Lane>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

var<workgroup> query: array<Lane, LANES>;
// Scores of a chunk, then their exponentials.
var<workgroup> weights: array<f32, CHUNK>;
var<workgroup> scratch: array<f32, THREADS>;
var<workgroup> sums: array<Lane, THREADS>;

// The largest of all threads' values.
fn largest(value: f32, thread: u32) -> f32 {
    scratch[thread] = value;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            scratch[thread] = max(scratch[thread], scratch[thread + half]);
        }
        workgroupBarrier();
    }
    return scratch[0];
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let head = workgroup.x;
    let sequence = workgroup.y;
    let kv_head = head / (params.query_heads / params.kv_heads);
    let first = (sequence * params.kv_heads + kv_head) * params.capacity;
    let at = (sequence * params.query_heads + head) * LANES;
    let lane = thread % LANES;
    let part = thread / LANES;

    if (thread < LANES) {
        query[thread] = queries[at + thread] * params.scale;
    }
    workgroupBarrier();

    var peak = LOWEST;
    var total = 0.0;
    var sum = Lane(0.0);
    for (var chunk = 0u; chunk < params.end; chunk += CHUNK) {
        let count = min(CHUNK, params.end - chunk);
        var highest = LOWEST;
        for (var k = thread; k < count; k += THREADS) {
            let key = (first + chunk + k) * LANES;
            var score = 0.0;
            for (var l = 0u; l < LANES; l++) {
                score += dot(query[l], keys[key + l]);
            }
            weights[k] = score;
            highest = max(highest, score);
        }

        let new_peak = max(peak, largest(highest, thread));
        let shrink = exp(peak - new_peak);
        peak = new_peak;
        total *= shrink;
        sum *= shrink;
        for (var k = thread; k < count; k += THREADS) {
            let weight = exp(weights[k] - peak);
            weights[k] = weight;
            total += weight;
        }
        workgroupBarrier();

        if (part < PARTS) {
            for (var k = part; k < count; k += PARTS) {
                sum += weights[k] * values[(first + chunk + k) * LANES + lane];
            }
        }
        workgroupBarrier();
    }

    scratch[thread] = total;
    sums[thread] = sum;
    workgroupBarrier();
    if (thread >= LANES) {
        return;
    }
    total = 0.0;
    for (var t = 0u; t < THREADS; t++) {
        total += scratch[t];
    }
    sum = Lane(0.0);
    for (var p = 0u; p < PARTS; p++) {
        sum += sums[p * LANES + thread];
    }
    y[at + thread] = sum / total;
}
