//! Questions to the index.

use std::borrow::Cow;
use std::collections::HashSet;

use llavacode_api::completion::ChunkSpan;

use super::super::fusion::{FUSION_DEPTH, Scored, best_first, distinct, reciprocal_rank_fusion};
use super::super::{ChunkId, Query, Ranker, Ranks, RetrievedHit, TextHash, chunker, lexical};
use super::{EMBEDDING, Index, Slot};
use crate::index::vectors::Rows;

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
        let window = lexical::query_window(query.prefix, self.chunking.lines);
        let by_words = || match query.ranker {
            Ranker::Bm25 => allowed(self.lexical.bm25(window)),
            _ => allowed(self.lexical.similarities(window)),
        };
        let by_embedding = || {
            query
                .embedding
                .map_or(Vec::new(), |embedding| allowed(self.similarities(embedding, query.products)))
        };
        let ranked = |scored: Vec<Scored>| best_first(scored, |slot| self.chunk_at(slot));
        let top = |scored| ranked(scored).take(FUSION_DEPTH).map(|(scored, _)| scored.slot).collect();
        let (words, embeddings, scored): (Vec<u32>, Vec<u32>, _) = match query.ranker {
            Ranker::Jaccard | Ranker::Bm25 => {
                let scored = by_words();
                (top(scored.clone()), Vec::new(), scored)
            }
            Ranker::Dense => {
                let scored = by_embedding();
                (Vec::new(), top(scored.clone()), scored)
            }
            Ranker::Hybrid => {
                let (words, embeddings) = (top(by_words()), top(by_embedding()));
                let fused = reciprocal_rank_fusion(&[&words, &embeddings]);
                (words, embeddings, fused)
            }
        };
        let rank = |ranking: &[u32], slot| ranking.iter().position(|&other| other == slot).map(|at| at + 1);
        distinct(ranked(scored), query.top_k)
            .into_iter()
            .filter_map(|Scored { slot, score }| {
                let generation = self.slots.get(slot as usize)?.generation;
                let ranks = Ranks { lexical: rank(&words, slot), dense: rank(&embeddings, slot) };
                Some(RetrievedHit { id: ChunkId::new(slot, generation), score, ranks })
            })
            .collect()
    }

    /// The slots that must not be an answer: chunks of the open file, near the cursor or all, and those
    /// of a text that is left out.
    fn banned(&self, query: &Query<'_>) -> HashSet<u32> {
        let cursor = chunker::cursor_line(query.prefix);
        let near = |span: &ChunkSpan| match query.same_file {
            None => true,
            Some(distance) => lines_between(span, cursor).is_none_or(|lines| lines <= distance),
        };
        let own = self.files.get(query.path).into_iter().flatten().copied();
        let near = own.filter(|&slot| self.chunk_at(slot).is_some_and(|chunk| near(&chunk.span)));
        near.chain(self.left_out(query.leave_out)).collect()
    }

    /// The slots of these chunks, and of others that say the same: a copy would come in their place.
    fn left_out(&self, spans: &[ChunkSpan]) -> Vec<u32> {
        let slots = |span: &ChunkSpan| self.files.get(&span.path).into_iter().flatten().copied();
        let chunks = |span| slots(span).filter_map(|slot| self.chunk_at(slot));
        let texts: HashSet<TextHash> = spans
            .iter()
            .flat_map(|span| chunks(span).filter(move |chunk| chunk.span == *span).map(|chunk| chunk.hash))
            .collect();
        let says_it = |slot: &u32| self.chunk_at(*slot).is_some_and(|chunk| texts.contains(&chunk.hash));
        if texts.is_empty() { Vec::new() } else { (0..self.slots.len() as u32).filter(says_it).collect() }
    }

    /// The product of a query's embedding with that of each part, by its number; `None` if there is none of
    /// this width. A part without one has some number.
    pub fn products(&self, query: &[f32]) -> Option<Vec<f32>> {
        let embeddings = self.embeddings().filter(|rows| rows.width() == query.len())?;
        let mut products = vec![0.0; self.parts.embedded().last().map_or(0, |last| last as usize + 1)];
        for part in self.parts.embedded() {
            products[part as usize] = embeddings.dot(part as usize, query);
        }
        Some(products)
    }

    /// The parts' embeddings, by number.
    pub(in crate::index) fn embeddings(&self) -> Option<&Rows> {
        self.parts.rows(EMBEDDING)
    }

    /// The cosine of every chunk that has an embedding with a query's, exact. A chunk's embedding is the
    /// mean of its parts', so its product is the mean of theirs: a part that chunks share counts once.
    fn similarities(&self, query: &[f32], products: Option<&[f32]>) -> Vec<Scored> {
        let Some(products) = products.map(Cow::Borrowed).or_else(|| self.products(query).map(Cow::Owned))
        else {
            return Vec::new();
        };
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
fn lines_between(span: &ChunkSpan, cursor: usize) -> Option<usize> {
    if cursor < span.start_line {
        Some(span.start_line - cursor - 1)
    } else {
        cursor.checked_sub(span.end_line)
    }
}
