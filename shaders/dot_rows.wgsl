// Products of one vector with many of 8 bits a number, each with a scale of its own.
//
// A row's words are shared by SHARE threads, word after word, so that neighbours read neighbouring words.

const THREADS = 256u;
const SHARE = 8u;
const ROWS = THREADS / SHARE;

struct Params {
    rows: u32,
    words: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
// Element 4w+j of a row is `bits 8j..8j+8 of its word w`, two's complement.
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

var<workgroup> sums: array<f32, THREADS>;

// The four signed bytes of a word: each is shifted to the top, then down again with its sign.
fn signed_bytes(word: u32) -> vec4<f32> {
    let tops = vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u);
    return vec4<f32>(bitcast<vec4<i32>>(tops) >> vec4<u32>(24u));
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let row = (workgroup.x + workgroup.y * workgroups.x) * ROWS + thread / SHARE;
    let share = thread % SHARE;

    var sum = 0.0;
    if (row < params.rows) {
        for (var i = share; i < params.words; i += SHARE) {
            sum += dot(x[i], signed_bytes(values[row * params.words + i]));
        }
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = SHARE / 2u; half > 0u; half /= 2u) {
        if (share < half) {
            sums[thread] += sums[thread + half];
        }
        workgroupBarrier();
    }
    if (share == 0u && row < params.rows) {
        y[row] = sums[thread] * scales[row];
    }
}
