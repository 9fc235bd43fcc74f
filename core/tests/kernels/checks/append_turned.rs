//! Keys and values from other positions.

use super::*;

/// Forwards, backwards and nowhere, over whole caches and parts of them.
pub(crate) async fn append_turned(bench: &mut Bench) {
    let random = {
        let (from, to, len) = (bench.size(0..=90), bench.size(0..=90), bench.size(1..=70));
        let (batch, heads, dim) = (bench.size(1..=3), bench.size(1..=4), 2 * bench.size(1..=64));
        (batch, heads, dim, len, to + len + bench.size(0..=9), Move { from, to })
    };
    let shapes = [
        (1, 1, 2, 1, 1, Move { from: 0, to: 0 }),
        (1, 3, 64, 110, 600, Move { from: 1, to: 437 }),
        (2, 2, 128, 33, 64, Move { from: 40, to: 3 }),
        random,
    ];
    for (batch, heads, dim, len, capacity, moved) in shapes {
        let positions = moved.distance() + 1;
        let [cos, cos_cpu] = bench.floats([positions, dim / 2]);
        let [sin, sin_cpu] = bench.floats([positions, dim / 2]);
        let [keys, keys_cpu] = bench.floats([batch, heads, len, dim]);
        let [values, values_cpu] = bench.floats([batch, heads, len, dim]);
        // What lies in the cache beside them has to stay.
        let all = [batch, heads, capacity, dim];
        let ([old_keys, old_keys_cpu], [old_values, old_values_cpu]) = (bench.floats(all), bench.floats(all));
        let cache = kernel::append_turned(
            &LayerStates { keys, values },
            &RopeTable { cos, sin },
            LayerCache { keys: old_keys, values: old_values },
            moved,
        );
        let expected = reference::append_turned(
            &LayerStates { keys: keys_cpu, values: values_cpu },
            &RopeTable { cos: cos_cpu, sin: sin_cpu },
            LayerCache { keys: old_keys_cpu, values: old_values_cpu },
            moved,
        );
        let what = |part| {
            format!("append_turned's {part}, [{batch}, {heads}, {len} of {capacity}, {dim}], {moved:?}")
        };
        bench.compare(&what("keys"), cache.keys, expected.keys).await;
        bench.compare(&what("values"), cache.values, expected.values).await;
    }
}
