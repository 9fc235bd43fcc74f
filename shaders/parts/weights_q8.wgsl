// A weight matrix in 8-bit blocks: 32 neighbouring values of a row share one f16 scale.
// Element 4w+j of a block is `bits 8j..8j+8 of word w`, two's complement, times the scale.

// Half a block: 4 words.
@group(0) @binding(0) var<storage, read> values: array<vec4<u32>>;
// Two blocks a word: the even one in the low half.
@group(0) @binding({{ scales }}) var<storage, read> scales: array<u32>;

fn scale_of(block: u32) -> f32 {
    let pair = unpack2x16float(scales[block >> 1u]);
    return select(pair.x, pair.y, (block & 1u) == 1u);
}

// The four signed bytes of a word: each is shifted to the top, then down again with its sign.
fn signed_bytes(word: u32) -> vec4<f32> {
    let tops = vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u);
    return vec4<f32>(bitcast<vec4<i32>>(tops) >> vec4<u32>(24u));
}

// The weights `col..col + 4` of a row; `col` is a multiple of 4.
fn weight4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    let block = row * (cols / BLOCK) + col / BLOCK;
    let word = (col % BLOCK) / 4u;
    return scale_of(block) * signed_bytes(values[block * 2u + word / 4u][word % 4u]);
}

// The dot product of a row's `block`-th 32 weights with `x`. Q8 has no zero point to take the sum
// of `x` for.
fn block_dot(row: u32, block: u32, cols: u32, x: ptr<function, array<vec4<f32>, 8>>, x_sum: f32) -> f32 {
    let index = row * (cols / BLOCK) + block;
    let low = values[index * 2u];
    let high = values[index * 2u + 1u];
    let sum = dot(signed_bytes(low.x), (*x)[0]) + dot(signed_bytes(low.y), (*x)[1])
        + dot(signed_bytes(low.z), (*x)[2]) + dot(signed_bytes(low.w), (*x)[3])
        + dot(signed_bytes(high.x), (*x)[4]) + dot(signed_bytes(high.y), (*x)[5])
        + dot(signed_bytes(high.z), (*x)[6]) + dot(signed_bytes(high.w), (*x)[7]);
    return scale_of(index) * sum;
}
