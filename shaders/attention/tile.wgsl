// Causal attention of many new tokens over the cache: softmax(q · kᵀ / sqrt(dim)) · v, where a
// token at position p sees the positions 0..=p.
//
// A workgroup owns TILE_ROWS consecutive rows of one query head of one sequence, and walks over
// the keys they may see, TILE_KEYS at a time. Each row has QUARTERS threads. Thread `quarter` of a
// row owns the scores of keys quarter, quarter + QUARTERS, …, and lanes quarter,
// quarter + QUARTERS, … of the result. From tile to tile a row keeps its largest score so far and
// rescales its sums to it (online softmax): no matrix of all scores is ever stored.
//
// The tiles of the widest head, MAX_HEAD_DIM of rope_and_append.wgsl, take 29 KiB of workgroup memory.

alias Lane = vec{{ width }}<f32>;
// Lanes of a head.
const LANES = {{ lanes }}u;
// One lane of padding a row: neighbouring rows start in different banks.
const STRIDE = LANES + 1u;
const TILE_ROWS = 32u;
const TILE_KEYS = 16u;
const QUARTERS = 4u;
const THREADS = TILE_ROWS * QUARTERS;
const OWN_KEYS = TILE_KEYS / QUARTERS;
const OWN_LANES = (LANES + QUARTERS - 1u) / QUARTERS;
const SCORE_STRIDE = TILE_KEYS + 1u;
const LOWEST = -3.0e38;

struct Params {
    query_heads: u32,
    kv_heads: u32,
    // Positions the cache holds for each sequence and head.
    capacity: u32,
    // Tokens of each sequence, and the position of the first.
    len: u32,
    start: u32,
    // 1 / sqrt(dim).
    scale: f32,
}

@group(0) @binding(0) var<storage, read> queries: array<Lane>;
@group(0) @binding(1) var<storage, read> keys: array<Lane>;
@group(0) @binding(2) var<storage, read> values: array<Lane>;
@group(0) @binding(3) var<storage, read_write> y: array<Lane>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

var<workgroup> query_tile: array<Lane, TILE_ROWS * STRIDE>;
// Keys, then the values of the same positions.
var<workgroup> kv_tile: array<Lane, TILE_KEYS * STRIDE>;
var<workgroup> scores: array<f32, TILE_ROWS * SCORE_STRIDE>;
var<workgroup> weights: array<f32, TILE_ROWS * SCORE_STRIDE>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let first_row = workgroup.x * TILE_ROWS;
    let head = workgroup.y;
    let sequence = workgroup.z;
    let kv_head = head / (params.query_heads / params.kv_heads);
    let first_key = (sequence * params.kv_heads + kv_head) * params.capacity;
    let row = thread / QUARTERS;
    let quarter = thread % QUARTERS;
    let position = params.start + first_row + row;
    // What the tile's last row sees.
    let end = params.start + min(first_row + TILE_ROWS, params.len);

    for (var at = thread; at < TILE_ROWS * LANES; at += THREADS) {
        let r = at / LANES;
        let lane = at % LANES;
        // Rows beyond the end repeat the last one and are not written.
        let token = sequence * params.len + min(first_row + r, params.len - 1u);
        query_tile[r * STRIDE + lane] = queries[(token * params.query_heads + head) * LANES + lane] * params.scale;
    }

    var peak = LOWEST;
    var total = 0.0;
    var sums: array<Lane, OWN_LANES>;
    for (var tile = 0u; tile < end; tile += TILE_KEYS) {
        for (var at = thread; at < TILE_KEYS * LANES; at += THREADS) {
            // Keys beyond the end repeat the last one; their scores are LOWEST.
            let key = first_key + min(tile + at / LANES, end - 1u);
            kv_tile[at / LANES * STRIDE + at % LANES] = keys[key * LANES + at % LANES];
        }
        workgroupBarrier();

        // The zeros are written out: Chrome keeps what the last round left in a `var` without them.
        var own = array<f32, OWN_KEYS>();
        for (var lane = 0u; lane < LANES; lane++) {
            let query = query_tile[row * STRIDE + lane];
            for (var k = 0u; k < OWN_KEYS; k++) {
                own[k] += dot(query, kv_tile[(quarter + k * QUARTERS) * STRIDE + lane]);
            }
        }
        for (var k = 0u; k < OWN_KEYS; k++) {
            let key = tile + quarter + k * QUARTERS;
            own[k] = select(LOWEST, own[k], key <= position && key < end);
            scores[row * SCORE_STRIDE + quarter + k * QUARTERS] = own[k];
        }
        workgroupBarrier();

        var new_peak = peak;
        for (var k = 0u; k < TILE_KEYS; k++) {
            new_peak = max(new_peak, scores[row * SCORE_STRIDE + k]);
        }
        let shrink = exp(peak - new_peak);
        peak = new_peak;
        for (var k = 0u; k < OWN_KEYS; k++) {
            weights[row * SCORE_STRIDE + quarter + k * QUARTERS] = exp(own[k] - peak);
        }
        for (var at = thread; at < TILE_KEYS * LANES; at += THREADS) {
            let key = first_key + min(tile + at / LANES, end - 1u);
            kv_tile[at / LANES * STRIDE + at % LANES] = values[key * LANES + at % LANES];
        }
        workgroupBarrier();

        total *= shrink;
        for (var l = 0u; l < OWN_LANES; l++) {
            sums[l] *= shrink;
        }
        for (var k = 0u; k < TILE_KEYS; k++) {
            let weight = weights[row * SCORE_STRIDE + k];
            total += weight;
            for (var l = 0u; l < OWN_LANES; l++) {
                // A lane beyond the head's last repeats it and is not written.
                let lane = min(quarter + l * QUARTERS, LANES - 1u);
                sums[l] += weight * kv_tile[k * STRIDE + lane];
            }
        }
        workgroupBarrier();
    }

    if (first_row + row >= params.len) {
        return;
    }
    let token = sequence * params.len + first_row + row;
    for (var l = 0u; l < OWN_LANES; l++) {
        let lane = quarter + l * QUARTERS;
        if (lane < LANES) {
            y[(token * params.query_heads + head) * LANES + lane] = sums[l] / total;
        }
    }
}
