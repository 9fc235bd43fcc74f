// The index of each row's largest value, the lowest where several are equal, and ln of its softmax:
// −ln Σ exp(x − largest).
//
// A workgroup owns a row; its thread t takes the elements t, t + THREADS, … and keeps their sum
// against the largest it has met.

const THREADS = 256u;

struct Params {
    rows: u32,
    width: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> log_probabilities: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

var<workgroup> largest: array<f32, THREADS>;
var<workgroup> places: array<u32, THREADS>;
var<workgroup> sums: array<f32, THREADS>;

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

    // Threads without an element of their own start from the last one and add nothing.
    var place = min(thread, params.width - 1u);
    var best = x[first + place];
    var sum = select(0.0, 1.0, thread < params.width);
    for (var i = thread + THREADS; i < params.width; i += THREADS) {
        let value = x[first + i];
        if (value > best) {
            sum = sum * exp(best - value) + 1.0;
            best = value;
            place = i;
        } else {
            sum += exp(value - best);
        }
    }
    largest[thread] = best;
    places[thread] = place;
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            let other = largest[thread + half];
            let other_place = places[thread + half];
            let top = max(other, largest[thread]);
            sums[thread] = sums[thread] * exp(largest[thread] - top) + sums[thread + half] * exp(other - top);
            if (other > largest[thread] || (other == largest[thread] && other_place < places[thread])) {
                largest[thread] = other;
                places[thread] = other_place;
            }
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        y[row] = places[0];
        log_probabilities[row] = -log(sums[0]);
    }
}
