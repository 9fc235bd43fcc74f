//! The index: what is taken in, how it is cut, what is found, what is kept.

mod chunking;
mod filtering;
mod ranking;
mod retrieval;
mod updates;

use std::collections::BTreeSet;

use llavacode_core::config::ChunkingConfig;
use llavacode_core::index::{Index, Query, TextHash, Vectors};
use rand::RngExt;
use rand::rngs::StdRng;

/// The paper's.
const CHUNKING: ChunkingConfig = ChunkingConfig { lines: 10, stride: 5 };

/// A file of `count` lines, each different: `name_0 = 0` and so on.
fn numbered(name: &str, count: usize) -> String {
    (0..count).map(|n| format!("{name}_{n} = {n}\n")).collect()
}

/// A file of random lines from a small set, so that chunks share words, repeat and are blank.
fn random_file(random: &mut StdRng) -> String {
    const LINES: [&str; 9] = [
        "",
        "  ",
        "import os",
        "x = self.area(radius)",
        "return None",
        "\tpass",
        "# 数 🦀",
        "y = x",
        "for y in z:",
    ];
    let count = random.random_range(0..45);
    (0..count).map(|_| format!("{}\n", LINES[random.random_range(0..LINES.len())])).collect()
}

/// The parts that have no vectors, each once.
fn pending(index: &Index) -> Vec<(TextHash, String)> {
    let mut seen = BTreeSet::new();
    let parts = index.paths().flat_map(|path| index.pending_parts_of(path));
    let pending: Vec<_> =
        parts.filter(|(hash, _)| seen.insert(*hash)).map(|(hash, text)| (hash, text.into_owned())).collect();
    assert_eq!(pending.len(), index.pending());
    assert!(pending.iter().all(|(hash, _)| index.is_pending(*hash)));
    pending
}

/// Vectors for everything that has none: the embedding of a text is a direction of its own.
fn embed_pending(index: &mut Index) {
    for (hash, text) in pending(index) {
        assert!(index.set_vectors(hash, &vectors_of(&text)));
    }
}

fn vectors_of(text: &str) -> Vectors {
    let mut embedding: Vec<f32> = (0..19).map(|n| ((text.len() * 31 + n * 17) % 23) as f32 - 11.0).collect();
    let norm = embedding.iter().map(|x| x * x).sum::<f32>().sqrt();
    embedding.iter_mut().for_each(|x| *x /= norm);
    Vectors::new(&embedding, [&[text.len() as f32, text.lines().count() as f32, 0.25][..]])
}

/// What stands for a chunk of one part in a prompt.
fn projection_of(text: &str) -> Option<Vec<f32>> {
    Some(vectors_of(text).rows()[1].numbers().collect())
}

fn by_words<'a>(path: &'a str, prefix: &'a str) -> Query<'a> {
    Query { path, prefix, top_k: 10, ..Query::default() }
}

/// The places of the answer, as `path:start-end`.
fn places(index: &Index, query: &Query<'_>) -> Vec<String> {
    let hits = index.retrieve(query);
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{hits:?}");
    hits.iter()
        .map(|hit| &index.chunk(hit.id).expect("a hit is a chunk").span)
        .map(|place| format!("{}:{}-{}", place.path, place.start_line, place.end_line))
        .collect()
}
