// A weight matrix of 32-bit floats whose rows are a multiple of 4 long.

@group(0) @binding(0) var<storage, read> values: array<vec4<f32>>;

// The weights `col..col + 4` of a row; `col` is a multiple of 4.
fn weight4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    return values[(row * cols + col) / 4u];
}

// x stays as it is.
fn prepare(x: ptr<function, array<vec4<f32>, 8>>) -> vec2<f32> {
    return vec2<f32>(0.0);
}

// The dot product of a row's `block`-th 32 weights with `x`. The last block may be shorter.
fn block_dot(row: u32, block: u32, cols: u32, x: ptr<function, array<vec4<f32>, 8>>, sums: vec2<f32>) -> f32 {
    let first = (row * cols + block * BLOCK) / 4u;
    let count = min(8u, cols / 4u - block * 8u);
    var sum = 0.0;
    for (var i = 0u; i < 8u; i++) {
        if (i < count) {
            sum += dot(values[first + i], (*x)[i]);
        }
    }
    return sum;
}
