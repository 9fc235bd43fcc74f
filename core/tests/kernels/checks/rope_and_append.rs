//! Rotary embedding, and the key-value cache's update.

use super::{
    attention::{Shape, shapes},
    *,
};

/// Splitting, QK-norm, rotation and the cache's update.
pub(crate) async fn rope_and_append(bench: &mut Bench) {
    for shape in shapes(bench) {
        let Shape { heads: Heads { query, key_value, dim }, span, capacity } = shape;
        let [qkv, qkv_cpu] = bench.floats([span.batch * span.len, (query + 2 * key_value) * dim]);
        let [cos, cos_cpu] = bench.floats([capacity, dim / 2]);
        let [sin, sin_cpu] = bench.floats([capacity, dim / 2]);
        let rope = RopeTable { cos, sin };
        let rope_cpu = RopeTable { cos: cos_cpu, sin: sin_cpu };
        let ([q_norm, q_norm_cpu], [k_norm, k_norm_cpu]) = (bench.norm(dim), bench.norm(dim));
        for normed in [false, true] {
            // What lies in the cache beside the span has to stay.
            let all = [span.batch, key_value, capacity, dim];
            let ([keys, keys_cpu], [values, values_cpu]) = (bench.floats(all), bench.floats(all));
            bench.poison(span.batch * span.len * query * dim);
            let (q, cache) = kernel::rope_and_append(
                qkv.clone(),
                shape.heads,
                &rope,
                normed.then_some((&q_norm, &k_norm)),
                LayerCache { keys, values },
                span,
            );
            let (q_cpu, cache_cpu) = reference::rope_and_append(
                qkv_cpu.clone(),
                shape.heads,
                &rope_cpu,
                normed.then_some((&q_norm_cpu, &k_norm_cpu)),
                LayerCache { keys: keys_cpu, values: values_cpu },
                span,
            );
            let what = |part| format!("rope_and_append's {part}, norm {normed}, {shape:?}");
            bench.compare_sums(&what("q"), q, q_cpu, 1.0 / 3.0).await;
            bench.compare(&what("keys"), cache.keys, cache_cpu.keys).await;
            bench.compare(&what("values"), cache.values, cache_cpu.values).await;
        }
    }
}
