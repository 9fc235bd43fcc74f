//! Attention over the key-value cache.

use super::*;

/// A shape of attention, and of what is appended to the cache for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) heads: Heads,
    pub(super) span: Span,
    pub(super) capacity: usize,
}

pub(super) fn shapes(bench: &mut Bench) -> Vec<Shape> {
    let shape = |query, key_value, dim, batch, start, len, capacity| Shape {
        heads: Heads { query, key_value, dim },
        span: Span { batch, start, len },
        capacity,
    };
    let random = {
        let (kv, group) = (bench.size(1..=3), bench.size(1..=4));
        let (start, len) = (bench.size(0..=60), bench.size(2..=90));
        let dim = 2 * bench.size(1..=64);
        shape(kv * group, kv, dim, bench.size(1..=3), start, len, start + len + bench.size(0..=9))
    };
    vec![
        shape(1, 1, 2, 1, 0, 1, 1),
        shape(4, 2, 32, 1, 0, 5, 8),
        shape(4, 2, 32, 2, 3, 33, 40),
        shape(6, 2, 64, 1, 17, 70, 90),
        shape(2, 1, 128, 2, 5, 40, 64),
        shape(3, 1, 126, 1, 2, 35, 37),
        shape(4, 4, 6, 3, 0, 64, 64),
        shape(4, 2, 32, 2, 20, 1, 32),
        shape(12, 2, 128, 1, 300, 1, 512),
        shape(2, 2, 80, 1, 100, 1, 101),
        // More keys than attention/query.wgsl takes at once.
        shape(2, 1, 16, 1, 4500, 1, 4600),
        Shape { span: Span { len: 1, ..random.span }, ..random },
        random,
    ]
}

/// Attention of one token and of many.
pub(crate) async fn attention(bench: &mut Bench) {
    for shape in shapes(bench) {
        let Shape { heads: Heads { query, key_value, dim }, span, capacity } = shape;
        let [q, q_cpu] = bench.floats([span.batch * span.len, query * dim]);
        // Larger scores than the inputs' alone would give, so that the softmax has a peak.
        let (q, q_cpu) = (q * 3.0, q_cpu * 3.0);
        let mut section = || {
            let mut values = bench.values(span.batch * key_value * capacity * dim);
            // What is not filled yet must not matter.
            for (position, row) in values.chunks_exact_mut(dim).enumerate() {
                if position % capacity >= span.start + span.len {
                    row.fill(f32::NAN);
                }
            }
            bench.both(values, [span.batch, key_value, capacity, dim])
        };
        let ([keys, keys_cpu], [values, values_cpu]) = (section(), section());
        bench.poison(span.batch * span.len * query * dim);
        let y = kernel::attention(q, shape.heads, &LayerCache { keys, values }, span);
        let cache_cpu = LayerCache { keys: keys_cpu, values: values_cpu };
        let expected = reference::attention(q_cpu, shape.heads, &cache_cpu, span);
        bench.compare(&format!("attention, {shape:?}"), y, expected).await;
    }
}
