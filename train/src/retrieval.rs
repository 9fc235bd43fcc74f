//! Which chunks the rankers choose for the same tasks: the evaluation's retrieval ablation.
//!
//! They are the page's own: `llavacode_core`'s index.

use std::{collections::BTreeMap, sync::Arc};

use burn::tensor::{Device, Tensor, TensorData};
use llavacode_core::{
    config::ChunkingConfig,
    index::{Index, Query, Ranker, TextHash, Vectors, chunker, lexical::query_window},
    model::encoder::{l2_normalise, mean_of_parts},
};

use crate::{
    corpus::SourceFile,
    embed::{ChunkEncoder, EncoderInput},
    projector::values,
    samples::{Sample, SampleChunk},
};

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
    let mut found: BTreeMap<&'static str, Vec<Sample>> = BTreeMap::new();
    for task in tasks {
        let embedding = embed(&[query_window(&task.prefix, CHUNKING.lines)], encoder, input, soft_tokens);
        for ranker in Ranker::ALL {
            let hits = index.retrieve(&Query {
                path: &task.path,
                prefix: &task.prefix,
                top_k: TOP_K,
                ranker,
                embedding: Some(&embedding),
                ..Query::default()
            });
            let chunks = hits.iter().filter_map(|hit| index.chunk(hit.id)).map(sample_chunk).collect();
            found.entry(ranker.key()).or_default().push(Sample { chunks, ..(*task).clone() });
        }
    }
    found
}

fn sample_chunk(chunk: &llavacode_core::index::Chunk) -> SampleChunk {
    SampleChunk {
        path: chunk.span.path.clone(),
        start_line: chunk.span.start_line,
        end_line: chunk.span.end_line,
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
