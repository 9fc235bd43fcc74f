// A weight matrix in 4-bit blocks: 32 neighbouring values of a row share one f16 scale.
// Element 8w+j of a block is `(bits 4j..4j+4 of word w) - 8`, times the scale.

const ZERO_POINT = 8.0;

// One block: 4 words.
@group(0) @binding(0) var<storage, read> values: array<vec4<u32>>;
// Two blocks a word: the even one in the low half.
@group(0) @binding({{ scales }}) var<storage, read> scales: array<u32>;

fn scale_of(block: u32) -> f32 {
    let pair = unpack2x16float(scales[block >> 1u]);
    return select(pair.x, pair.y, (block & 1u) == 1u);
}

// The weights `col..col + 4` of a row; `col` is a multiple of 4.
fn weight4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    let block = row * (cols / BLOCK) + col / BLOCK;
    return scale_of(block) * (nibbles4(values[block][(col % BLOCK) / 8u], col) - ZERO_POINT);
}

// The dot product of a row's `block`-th 32 weights with `x`, which `prepare` gave `sums` of.
fn block_dot(row: u32, block: u32, cols: u32, x: ptr<function, array<vec4<f32>, 8>>, sums: vec2<f32>) -> f32 {
    let index = row * (cols / BLOCK) + block;
    // Centred once for the block: sum((q - 8) x) = sum(q x) - 8 sum(x).
    return scale_of(index) * (nibbles_dot(values[index], x) - ZERO_POINT * (sums.x - sums.y));
}
