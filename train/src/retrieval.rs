//! Which chunks the rankers choose for the same tasks: the evaluation's retrieval ablation.
//!
//! Jaccard, dense and hybrid are `llavacode_core`'s own index; BM25 stands here, because the page
//! does not need it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use burn::tensor::{Device, Tensor, TensorData};
use llavacode_core::{
    config::ChunkingConfig,
    index::{
        Index, Query, Ranker, TextHash, Vectors, chunker,
        fusion::{Scored, best_first, distinct},
        lexical::query_window,
    },
    model::encoder::{l2_normalise, mean_of_parts},
    words::words,
};

use crate::{
    corpus::SourceFile,
    embed::{ChunkEncoder, EncoderInput},
    projector::values,
    samples::{Sample, SampleChunk},
};

/// The rankers compared.
pub const RANKERS: [&str; 4] = ["bm25", "jaccard", "dense", "hybrid"];

const CHUNKING: ChunkingConfig = ChunkingConfig { lines: 10, stride: 5 };
const TOP_K: usize = 10;
/// Chunks embedded at once.
const BATCH: usize = 256;

/// One package's tasks with the chunks that each ranker chooses for them, by ranker.
pub fn retrieve(
    files: &[SourceFile],
    tasks: &[&Sample],
    encoder: &mut dyn ChunkEncoder,
    input: EncoderInput<'_>,
    soft_tokens: usize,
) -> BTreeMap<&'static str, Vec<Sample>> {
    let mut index = Index::new(CHUNKING);
    for file in files {
        index.update_file(&file.path, &file.text);
    }
    let texts: BTreeMap<TextHash, Arc<str>> =
        index.chunks().map(|chunk| (chunk.hash, Arc::clone(&chunk.text))).collect();
    for batch in Vec::from_iter(texts).chunks(BATCH) {
        let texts: Vec<&str> = batch.iter().map(|(_, text)| &**text).collect();
        let embeddings = embed(&texts, encoder, input, soft_tokens);
        for (&(text, _), embedding) in batch.iter().zip(embeddings.chunks_exact(encoder.width())) {
            index.set_vectors(text, &Vectors::new(embedding, []));
        }
    }
    let bm25 = Bm25::new(index.chunks().map(|chunk| &*chunk.text));
    let mut found: BTreeMap<&'static str, Vec<Sample>> = BTreeMap::new();
    for task in tasks {
        let window = query_window(&task.prefix, CHUNKING.lines);
        let query = embed(&[window], encoder, input, soft_tokens);
        for name in RANKERS {
            let ranker = match name {
                "dense" => Some(Ranker::Dense(&query)),
                "hybrid" => Some(Ranker::Hybrid(&query)),
                "jaccard" => Some(Ranker::Jaccard),
                _ => None,
            };
            let chunks = match ranker {
                Some(ranker) => {
                    let query = Query {
                        path: &task.path,
                        prefix: &task.prefix,
                        same_file: None,
                        top_k: TOP_K,
                        ranker,
                    };
                    let hits = index.retrieve(&query);
                    hits.iter().filter_map(|hit| index.chunk(hit.id)).map(sample_chunk).collect()
                }
                None => {
                    let chunks: Vec<_> = index.chunks().collect();
                    let mut scored = bm25.score(window);
                    scored.retain(|scored| chunks[scored.slot as usize].place.path != task.path);
                    let ranked = best_first(scored, |slot| chunks.get(slot as usize).copied());
                    let best = distinct(ranked, TOP_K).into_iter();
                    best.map(|scored| sample_chunk(chunks[scored.slot as usize])).collect()
                }
            };
            found.entry(name).or_default().push(Sample { chunks, ..(*task).clone() });
        }
    }
    found
}

fn sample_chunk(chunk: &llavacode_core::index::Chunk) -> SampleChunk {
    SampleChunk {
        path: chunk.place.path.clone(),
        start_line: chunk.place.start_line,
        end_line: chunk.place.end_line,
        text: chunk.text.to_string(),
    }
}

/// Embeddings as the page makes them, `[texts, width]`: means of the texts' parts'.
fn embed(texts: &[&str], encoder: &mut dyn ChunkEncoder, input: EncoderInput<'_>, parts: usize) -> Vec<f32> {
    let of_parts: Vec<Vec<u32>> =
        texts.iter().flat_map(|text| chunker::parts(text, parts)).map(|part| input.tokens(&part)).collect();
    let shape = [of_parts.len(), encoder.width()];
    let raw = Tensor::<2>::from_data(TensorData::new(encoder.raw(&of_parts), shape), &Device::flex());
    values(mean_of_parts(l2_normalise(raw), parts))
}

/// Okapi BM25 (Robertson and Zaragoza, 2009) with its usual constants, over the words that
/// Jaccard compares.
#[derive(Debug)]
pub struct Bm25 {
    /// Texts that contain a word, and how often.
    postings: HashMap<String, Vec<(u32, f32)>>,
    /// Words of each text.
    lengths: Vec<f32>,
    mean_length: f32,
}

impl Bm25 {
    const K1: f32 = 1.2;
    const B: f32 = 0.75;

    /// Over texts, numbered as they come.
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut postings: HashMap<String, Vec<(u32, f32)>> = HashMap::new();
        let mut lengths = Vec::new();
        for (number, text) in texts.enumerate() {
            let mut counts: HashMap<&str, f32> = HashMap::new();
            words(text).for_each(|word| *counts.entry(word).or_default() += 1.0);
            lengths.push(counts.values().sum());
            for (word, count) in counts {
                postings.entry(word.into()).or_default().push((number as u32, count));
            }
        }
        let mean_length = lengths.iter().sum::<f32>() / lengths.len().max(1) as f32;
        Self { postings, lengths, mean_length }
    }

    /// The score of every text that shares a word with the query.
    pub fn score(&self, query: &str) -> Vec<Scored> {
        let texts = self.lengths.len() as f32;
        let mut scores: HashMap<u32, f32> = HashMap::new();
        for postings in words(query).filter_map(|word| self.postings.get(word)) {
            let holding = postings.len() as f32;
            let rarity = ((texts - holding + 0.5) / (holding + 0.5) + 1.0).ln();
            for &(text, count) in postings {
                let length = self.lengths[text as usize] / self.mean_length;
                let damped =
                    count * (Self::K1 + 1.0) / (count + Self::K1 * (1.0 - Self::B + Self::B * length));
                *scores.entry(text).or_default() += rarity * damped;
            }
        }
        scores.into_iter().map(|(slot, score)| Scored { slot, score }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_word_counts_more_than_common_ones_and_a_short_text_more_than_a_long_one() {
        let texts = [
            "self value self",
            "self gauge",
            "self self self self value value",
            "gauge and so much more text",
        ];
        let bm25 = Bm25::new(texts.into_iter());
        let score = |query: &str| {
            let mut scores = vec![0.0; texts.len()];
            bm25.score(query).into_iter().for_each(|s| scores[s.slot as usize] = s.score);
            scores
        };
        let gauge = score("gauge");
        assert_eq!((gauge[0], gauge[2]), (0.0, 0.0));
        assert!(gauge[1] > gauge[3]);
        assert!(score("self gauge")[1] > score("self gauge")[2], "four common words beat one rare word");
        assert!(score("nothing").iter().all(|&score| score == 0.0));
    }

    /// By hand: one of two texts of equal length holds the word once.
    #[test]
    fn the_formula_is_the_published_one() {
        let bm25 = Bm25::new(["a b", "c d"].into_iter());
        let found = bm25.score("a");
        let rarity = ((2.0f32 - 1.0 + 0.5) / 1.5 + 1.0).ln();
        assert!((found[0].score - rarity * 2.2 / 2.2).abs() < 1e-6);
    }
}
