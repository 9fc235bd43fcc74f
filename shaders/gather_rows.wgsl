// Rows of a matrix, or of a part of one, by index, as 32-bit floats: the embedding of tokens.
//
// A thread owns four neighbouring elements of one row of the result. `weight4` comes from
// parts/weights_*.wgsl.

const THREADS = 64u;

struct Params {
    // Ids, that is rows of the result.
    count: u32,
    // Rows of the matrix.
    all: u32,
    // This part's first row, how many it has, and columns.
    first: u32,
    rows: u32,
    cols: u32,
}

@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding({{ params }}) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = (workgroup.x + workgroup.y * workgroups.x) * THREADS + thread;
    let vectors = (params.cols + 3u) / 4u;
    let row = index / vectors;
    let col = index % vectors * 4u;
    if (row >= params.count) {
        return;
    }
    // An id beyond the matrix would read foreign memory; it takes the last row instead. Rows of other
    // parts are other launches'; one above this part's first wraps round to beyond its last.
    let at = min(ids[row], params.all - 1u) - params.first;
    if (at >= params.rows) {
        return;
    }
    let four = weight4(at, col, params.cols);
    for (var i = 0u; i < 4u; i++) {
        if (col + i < params.cols) {
            y[row * params.cols + col + i] = four[i];
        }
    }
}
