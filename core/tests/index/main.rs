//! The index: what is taken in, how it is cut, what is found, what is kept.

mod chunking;
mod filtering;
mod ranking;
mod retrieval;
mod updates;

use std::collections::BTreeSet;

use llavacode_core::config::ChunkingConfig;
use llavacode_core::index::{Chunk, Index, Query, Ranker, Vectors};
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

/// The texts that have no vectors.
fn pending(index: &Index) -> Vec<Chunk> {
    let mut seen = BTreeSet::new();
    let waits = |chunk: &&Chunk| index.is_pending(chunk.hash) && seen.insert(chunk.hash);
    let pending: Vec<Chunk> = index.chunks().filter(waits).cloned().collect();
    assert_eq!(pending.len(), index.pending());
    pending
}

/// Vectors for everything that has none: the embedding of a text is a direction of its own.
fn embed_pending(index: &mut Index) {
    for chunk in pending(index) {
        assert!(index.set_vectors(chunk.hash, vectors_of(&chunk.text)));
    }
}

fn vectors_of(text: &str) -> Vectors {
    let mut embedding: Vec<f32> = (0..19).map(|n| ((text.len() * 31 + n * 17) % 23) as f32 - 11.0).collect();
    let norm = embedding.iter().map(|x| x * x).sum::<f32>().sqrt();
    embedding.iter_mut().for_each(|x| *x /= norm);
    let projections = [text.len() as f32, text.lines().count() as f32, 0.25];
    Vectors { embedding: embedding.into(), projections: projections.into() }
}

fn by_words<'a>(path: &'a str, prefix: &'a str) -> Query<'a> {
    Query { path, prefix, same_file: None, top_k: 10, ranker: Ranker::Jaccard }
}

/// The places of the answer, as `path:start-end`.
fn places(index: &Index, query: &Query<'_>) -> Vec<String> {
    let hits = index.retrieve(query);
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{hits:?}");
    hits.iter()
        .map(|hit| &index.chunk(hit.id).expect("a hit is a chunk").place)
        .map(|place| format!("{}:{}-{}", place.path, place.start_line, place.end_line))
        .collect()
}
