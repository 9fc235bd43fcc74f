// Eight 4-bit values of a word, j in bits 4j..4j+4, without shifts: each is taken where it stands, 16^j
// times too large, and meets an x that is 16^j times too small. Both are exact. Shifts of vectors are dear
// on a software GPU, and so is the conversion of unsigned numbers.

const LOW = vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u);
const HIGH = vec4<u32>(0xf0000u, 0xf00000u, 0xf000000u, 0xf0000000u);
// The highest of the eight stands at the sign: with its first bit turned over it is there less 8.
const SIGN = 0x80000000u;
const SHRINK_LOW = vec4<f32>(1.0, 0.0625, 0.00390625, 0.000244140625);
// 2^-16, 2^-20, 2^-24, 2^-28.
const SHRINK_HIGH =
    vec4<f32>(1.52587890625e-5, 9.5367431640625e-7, 5.9604644775390625e-8, 3.7252902984619140625e-9);

// Shrinks 32 neighbours of x for `nibbles_dot`. Gives the sum of all, and of those that meet a word's
// highest value.
fn prepare(x: ptr<function, array<vec4<f32>, 8>>) -> vec2<f32> {
    let odd = (*x)[1] + (*x)[3] + (*x)[5] + (*x)[7];
    let all = (*x)[0] + (*x)[2] + (*x)[4] + (*x)[6] + odd;
    for (var i = 0u; i < 8u; i += 2u) {
        (*x)[i] *= SHRINK_LOW;
        (*x)[i + 1u] *= SHRINK_HIGH;
    }
    return vec2<f32>(all.x + all.y + all.z + all.w, odd.w);
}

// The sum of products of 32 values with `x`; of each word's highest value 8 is taken off before.
fn nibbles_dot(words: vec4<u32>, x: ptr<function, array<vec4<f32>, 8>>) -> f32 {
    let turned = words ^ vec4<u32>(SIGN);
    return in_place_dot(turned.x, (*x)[0], (*x)[1]) + in_place_dot(turned.y, (*x)[2], (*x)[3])
        + in_place_dot(turned.z, (*x)[4], (*x)[5]) + in_place_dot(turned.w, (*x)[6], (*x)[7]);
}

fn in_place_dot(word: u32, low: vec4<f32>, high: vec4<f32>) -> f32 {
    let both = vec4<u32>(word);
    return dot(vec4<f32>(bitcast<vec4<i32>>(both & LOW)), low)
        + dot(vec4<f32>(bitcast<vec4<i32>>(both & HIGH)), high);
}

// A word's values `col % 8..col % 8 + 4`; `col` is a multiple of 4.
fn nibbles4(word: u32, col: u32) -> vec4<f32> {
    let half = vec4<u32>(word >> ((col & 4u) * 4u));
    return vec4<f32>(bitcast<vec4<i32>>(half & LOW)) * SHRINK_LOW;
}
