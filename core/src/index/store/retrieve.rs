//! Questions to the index.

use std::collections::HashSet;

use llavacode_api::completion::ChunkPlace;

use super::super::fusion::{FUSION_DEPTH, Scored, best_first, distinct, reciprocal_rank_fusion};
use super::super::{ChunkId, Query, Ranker, RetrievedHit, chunker, lexical};
use super::{EMBEDDING, Index, Slot};

impl Index {
    /// The chunks that could help, best first, at most `top_k`, no two that repeat each other
    /// (see [`distinct`]). A chunk that shares no word with the query is no answer to a lexical
    /// question; one without an embedding is none to a dense one.
    pub fn retrieve(&self, query: &Query<'_>) -> Vec<RetrievedHit> {
        let banned = self.banned(query);
        let allowed = |mut scored: Vec<Scored>| {
            scored.retain(|scored| !banned.contains(&scored.slot));
            scored
        };
        let by_words = || {
            let window = lexical::query_window(query.prefix, self.chunking.lines);
            allowed(self.lexical.similarities(window))
        };
        let by_embedding = |embedding: &[f32]| allowed(self.similarities(embedding));
        let ranked = |scored: Vec<Scored>| best_first(scored, |slot| self.chunk_at(slot));
        let top = |scored| ranked(scored).take(FUSION_DEPTH).map(|(scored, _)| scored.slot).collect();

        let scored = match query.ranker {
            Ranker::Jaccard => by_words(),
            Ranker::Dense(embedding) => by_embedding(embedding),
            Ranker::Hybrid(embedding) => {
                reciprocal_rank_fusion(&[top(by_words()), top(by_embedding(embedding))])
            }
        };
        distinct(ranked(scored), query.top_k)
            .into_iter()
            .filter_map(|Scored { slot, score }| {
                let generation = self.slots.get(slot as usize)?.generation;
                Some(RetrievedHit { id: ChunkId::new(slot, generation), score })
            })
            .collect()
    }

    /// The slots that must not be an answer: chunks of the open file, near the cursor or all.
    fn banned(&self, query: &Query<'_>) -> HashSet<u32> {
        let cursor = chunker::cursor_line(query.prefix);
        let near = |place: &ChunkPlace| match query.same_file {
            None => true,
            Some(distance) => lines_between(place, cursor).is_none_or(|lines| lines <= distance),
        };
        let own = self.files.get(query.path).into_iter().flatten().copied();
        own.filter(|&slot| self.chunk_at(slot).is_some_and(|chunk| near(&chunk.place))).collect()
    }

    /// The cosine of every chunk that has an embedding with a query's, exact. A chunk's embedding is the
    /// mean of its parts', so its product is the mean of theirs: a part that chunks share counts once.
    fn similarities(&self, query: &[f32]) -> Vec<Scored> {
        let Some(embeddings) = self.parts.rows(EMBEDDING).filter(|rows| rows.width() == query.len()) else {
            return Vec::new();
        };
        let mut products = vec![0.0; self.parts.embedded().last().map_or(0, |last| last as usize + 1)];
        for part in self.parts.embedded() {
            products[part as usize] = embeddings.dot(part as usize, query);
        }
        let score = |slot: &Slot| {
            let product: f32 = slot.parts.iter().map(|&part| products[part as usize]).sum();
            product / slot.length.max(f32::MIN_POSITIVE)
        };
        let embedded = |slot: &Slot| slot.chunk.is_some() && slot.missing == 0;
        (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| embedded(slot))
            .map(|(number, slot)| Scored { slot: number, score: score(slot) })
            .collect()
    }
}

/// Lines between a chunk and the cursor's line; `None` if the chunk contains it.
fn lines_between(place: &ChunkPlace, cursor: usize) -> Option<usize> {
    if cursor < place.start_line {
        Some(place.start_line - cursor - 1)
    } else {
        cursor.checked_sub(place.end_line)
    }
}
