// The index of each row's largest value; the lowest where several are equal.
//
// A workgroup owns a row; its thread t takes the elements t, t + THREADS, …

const THREADS = 256u;

struct Params {
    rows: u32,
    width: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

var<workgroup> largest: array<f32, THREADS>;
var<workgroup> places: array<u32, THREADS>;

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

    // Threads without an element of their own start from the last one, which changes nothing.
    var place = min(thread, params.width - 1u);
    var best = x[first + place];
    for (var i = thread + THREADS; i < params.width; i += THREADS) {
        let value = x[first + i];
        if (value > best) {
            best = value;
            place = i;
        }
    }
    largest[thread] = best;
    places[thread] = place;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            let other = largest[thread + half];
            let other_place = places[thread + half];
            if (other > largest[thread] || (other == largest[thread] && other_place < places[thread])) {
                largest[thread] = other;
                places[thread] = other_place;
            }
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        y[row] = places[0];
    }
}
