// A weight matrix in 4-bit blocks: 32 neighbouring values of a row share an f16 scale and minimum.
// Element 8w+j of a block is `bits 4j..4j+4 of word w`, times the scale, plus the minimum.

// One block: 4 words.
@group(0) @binding(0) var<storage, read> values: array<vec4<u32>>;
// One block a word: its scale in the low half, its minimum in the high half.
@group(0) @binding({{ scales }}) var<storage, read> scales: array<u32>;

// The four values in bits `first..first + 16`, unsigned.
fn nibbles(word: u32, first: u32) -> vec4<f32> {
    let shifts = vec4<u32>(first, first + 4u, first + 8u, first + 12u);
    return vec4<f32>((vec4<u32>(word) >> shifts) & vec4<u32>(15u));
}

// The weights `col..col + 4` of a row; `col` is a multiple of 4.
fn weight4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    let block = row * (cols / BLOCK) + col / BLOCK;
    let word = values[block][(col % BLOCK) / 8u];
    let scale_and_minimum = unpack2x16float(scales[block]);
    return scale_and_minimum.x * nibbles(word, (col & 4u) * 4u) + scale_and_minimum.y;
}

// The dot product of a row's `block`-th 32 weights with `x`, whose sum is `x_sum`.
fn block_dot(row: u32, block: u32, cols: u32, x: ptr<function, array<vec4<f32>, 8>>, x_sum: f32) -> f32 {
    let index = row * (cols / BLOCK) + block;
    let words = values[index];
    let sum = dot(nibbles(words.x, 0u), (*x)[0]) + dot(nibbles(words.x, 16u), (*x)[1])
        + dot(nibbles(words.y, 0u), (*x)[2]) + dot(nibbles(words.y, 16u), (*x)[3])
        + dot(nibbles(words.z, 0u), (*x)[4]) + dot(nibbles(words.z, 16u), (*x)[5])
        + dot(nibbles(words.w, 0u), (*x)[6]) + dot(nibbles(words.w, 16u), (*x)[7]);
    // The minimum once for the block: sum((s q + m) x) = s sum(q x) + m sum(x).
    let scale_and_minimum = unpack2x16float(scales[index]);
    return scale_and_minimum.x * sum + scale_and_minimum.y * x_sum;
}
