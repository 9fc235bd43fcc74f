// Activations in rows that are a multiple of 4 long.

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;

// The elements `col..col + 4` of a row; `col` is a multiple of 4.
fn x4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    return x[(row * cols + col) / 4u];
}
