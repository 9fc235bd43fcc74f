// Activations in rows of any length.

@group(0) @binding(1) var<storage, read> x: array<f32>;

// The elements `col..col + 4` of a row, zero beyond its end.
fn x4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    let at = row * cols + col;
    var four = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        if (col + i < cols) {
            four[i] = x[at + i];
        }
    }
    return four;
}
