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

// The four values in bits `first..first + 16`, not yet centred.
fn nibbles(word: u32, first: u32) -> vec4<f32> {
    let shifts = vec4<u32>(first, first + 4u, first + 8u, first + 12u);
    return vec4<f32>((vec4<u32>(word) >> shifts) & vec4<u32>(15u));
}

// The weights `col..col + 4` of a row; `col` is a multiple of 4.
fn weight4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    let block = row * (cols / BLOCK) + col / BLOCK;
    let word = values[block][(col % BLOCK) / 8u];
    return scale_of(block) * (nibbles(word, (col & 4u) * 4u) - ZERO_POINT);
}

// The dot product of a row's `block`-th 32 weights with `x`, whose sum is `x_sum`.
fn block_dot(row: u32, block: u32, cols: u32, x: ptr<function, array<vec4<f32>, 8>>, x_sum: f32) -> f32 {
    let index = row * (cols / BLOCK) + block;
    let words = values[index];
    let sum = dot(nibbles(words.x, 0u), (*x)[0]) + dot(nibbles(words.x, 16u), (*x)[1])
        + dot(nibbles(words.y, 0u), (*x)[2]) + dot(nibbles(words.y, 16u), (*x)[3])
        + dot(nibbles(words.z, 0u), (*x)[4]) + dot(nibbles(words.z, 16u), (*x)[5])
        + dot(nibbles(words.w, 0u), (*x)[6]) + dot(nibbles(words.w, 16u), (*x)[7]);
    // Centred once for the block: sum((q - 8) x) = sum(q x) - 8 sum(x).
    return scale_of(index) * (sum - ZERO_POINT * x_sum);
}
