// A weight matrix in 8-bit blocks: 32 neighbouring values of a row share one f16 scale.
// Element 4w+j of a block is `bits 8j..8j+8 of word w`, two's complement, times the scale.
//
// As in parts/nibbles.wgsl, values are taken where they stand in their words: the highest has its sign
// there, the others get 128 more by turning their first bits over.

const BYTES = vec4<u32>(0xffu, 0xff00u, 0xff0000u, 0xff000000u);
const SIGNS = 0x00808080u;
const OFFSET = 128.0;
// 1, 2^-8, 2^-16, 2^-24.
const SHRINK = vec4<f32>(1.0, 0.00390625, 1.52587890625e-5, 5.9604644775390625e-8);

// Half a block: 4 words.
@group(0) @binding(0) var<storage, read> values: array<vec4<u32>>;
// Two blocks a word: the even one in the low half.
@group(0) @binding({{ scales }}) var<storage, read> scales: array<u32>;

fn scale_of(block: u32) -> f32 {
    let pair = unpack2x16float(scales[block >> 1u]);
    return select(pair.x, pair.y, (block & 1u) == 1u);
}

// The four bytes of a word where they stand; all but the highest have `OFFSET` more.
fn bytes_in_place(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word ^ SIGNS) & BYTES));
}

// The weights `col..col + 4` of a row; `col` is a multiple of 4.
fn weight4(row: u32, col: u32, cols: u32) -> vec4<f32> {
    let block = row * (cols / BLOCK) + col / BLOCK;
    let word = (col % BLOCK) / 4u;
    let four = bytes_in_place(values[block * 2u + word / 4u][word % 4u]) * SHRINK;
    return scale_of(block) * (four - vec4<f32>(OFFSET, OFFSET, OFFSET, 0.0));
}

// Shrinks 32 neighbours of x for `block_dot`. Gives the sum of all, and of those that meet a word's
// highest byte.
fn prepare(x: ptr<function, array<vec4<f32>, 8>>) -> vec2<f32> {
    let all = (*x)[0] + (*x)[1] + (*x)[2] + (*x)[3] + (*x)[4] + (*x)[5] + (*x)[6] + (*x)[7];
    for (var i = 0u; i < 8u; i++) {
        (*x)[i] *= SHRINK;
    }
    return vec2<f32>(all.x + all.y + all.z + all.w, all.w);
}

// The dot product of a row's `block`-th 32 weights with `x`, which `prepare` gave `sums` of.
fn block_dot(row: u32, block: u32, cols: u32, x: ptr<function, array<vec4<f32>, 8>>, sums: vec2<f32>) -> f32 {
    let index = row * (cols / BLOCK) + block;
    let low = values[index * 2u];
    let high = values[index * 2u + 1u];
    let sum = dot(bytes_in_place(low.x), (*x)[0]) + dot(bytes_in_place(low.y), (*x)[1])
        + dot(bytes_in_place(low.z), (*x)[2]) + dot(bytes_in_place(low.w), (*x)[3])
        + dot(bytes_in_place(high.x), (*x)[4]) + dot(bytes_in_place(high.y), (*x)[5])
        + dot(bytes_in_place(high.z), (*x)[6]) + dot(bytes_in_place(high.w), (*x)[7]);
    return scale_of(index) * (sum - OFFSET * (sums.x - sums.y));
}
