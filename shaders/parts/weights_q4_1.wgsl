// A weight matrix in 4-bit blocks: 32 neighbouring values of a row share an f16 scale and minimum.
// Element 8w+j of a block is `bits 4j..4j+4 of word w`, times the scale, plus the minimum.

// One block: 4 words.
@group(0) @binding(0) var<storage, read> values: array<vec4<u32>>;
// One block a word: its scale in the low half, its minimum in the high half.
@group(0) @binding({{ scales }}) var<storage, read> scales: array<u32>;

// The weights `col..col + 4` of a row; `col` is a multiple of 4.
fn weight4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    let block = row * (cols / BLOCK) + col / BLOCK;
    let scale_and_minimum = unpack2x16float(scales[block]);
    let four = nibbles4(values[block][(col % BLOCK) / 8u], col);
    return scale_and_minimum.x * four + scale_and_minimum.y;
}

// The dot product of a row's `block`-th 32 weights with `x`, which `prepare` gave `sums` of.
fn block_dot(row: u32, block: u32, cols: u32, x: ptr<function, array<vec4<f32>, 8>>, sums: vec2<f32>) -> f32 {
    let index = row * (cols / BLOCK) + block;
    // The minimum once for the block: sum((s q + m) x) = s sum(q x) + m sum(x).
    let scale_and_minimum = unpack2x16float(scales[index]);
    return scale_and_minimum.x * (nibbles_dot(values[index], x) + 8.0 * sums.y) + scale_and_minimum.y * sums.x;
}
