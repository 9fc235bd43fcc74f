//! Scores to results: the best first, no two that say the same, and two rankings made one.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use llavacode_api::completion::ChunkSpan;

use super::Chunk;

/// A text, by the number of its slot in the store, and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The slot.
    pub slot: u32,
    /// Higher is better.
    pub score: f32,
}

/// The constant of reciprocal-rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): how little
/// a first place counts over a tenth.
const RRF_K: f32 = 60.0;

/// How far down a ranking still counts in a fusion.
pub const FUSION_DEPTH: usize = 100;

/// Reciprocal-rank fusion: a slot's score is the sum over the rankings of 1 / (60 + its rank),
/// ranks counted from 1. It needs no common scale of the rankings' scores.
pub fn reciprocal_rank_fusion(rankings: &[&[u32]]) -> Vec<Scored> {
    let mut fused: HashMap<u32, f32> = HashMap::new();
    for ranking in rankings {
        for (rank, &slot) in ranking.iter().enumerate() {
            *fused.entry(slot).or_default() += 1.0 / (RRF_K + (rank + 1) as f32);
        }
    }
    fused.into_iter().map(|(slot, score)| Scored { slot, score }).collect()
}

/// The scored texts, best first. Equal scores are ordered by path and line, so that the same
/// workspace gives the same answer whatever the order it was indexed in. Lazy: the first k of n
/// cost n + k·log n comparisons.
pub fn best_first<'a>(
    scored: Vec<Scored>,
    chunk: impl Fn(u32) -> Option<&'a Chunk>,
) -> impl Iterator<Item = (Scored, &'a Chunk)> {
    let mut heap: BinaryHeap<Candidate<'a>> = scored
        .into_iter()
        .filter_map(|scored| chunk(scored.slot).map(|chunk| Candidate { scored, chunk }))
        .collect();
    std::iter::from_fn(move || heap.pop().map(|candidate| (candidate.scored, candidate.chunk)))
}

/// The first `k` that are not repetitions: of a chunk already taken they neither have the same
/// text (in a copied file, say) nor overlap it by more than half of the shorter one.
///
/// The paper takes its ten chunks as they come. With its stride of half a chunk, neighbours
/// overlap by exactly half and both stay here too; a smaller stride, or the short chunk at a
/// file's end, would spend a soft token on lines that are there already.
pub fn distinct<'a>(ranking: impl Iterator<Item = (Scored, &'a Chunk)>, k: usize) -> Vec<Scored> {
    let mut taken: Vec<(Scored, &Chunk)> = Vec::new();
    for (scored, chunk) in ranking {
        if taken.len() == k {
            break;
        }
        if !taken.iter().any(|(_, other)| repeats(chunk, other)) {
            taken.push((scored, chunk));
        }
    }
    taken.into_iter().map(|(scored, _)| scored).collect()
}

fn repeats(a: &Chunk, b: &Chunk) -> bool {
    a.hash == b.hash || overlap_by_half(&a.span, &b.span)
}

fn overlap_by_half(a: &ChunkSpan, b: &ChunkSpan) -> bool {
    let overlap = a.end_line.min(b.end_line).saturating_sub(a.start_line.max(b.start_line));
    let shorter = (a.end_line - a.start_line).min(b.end_line - b.start_line);
    a.path == b.path && 2 * overlap > shorter
}

/// A scored chunk in the order of the answer: greater is better.
struct Candidate<'a> {
    scored: Scored,
    chunk: &'a Chunk,
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let span = |candidate: &Self| (&candidate.chunk.span.path, candidate.chunk.span.start_line);
        let by_score = self.scored.score.total_cmp(&other.scored.score);
        by_score.then_with(|| span(other).cmp(&span(self)))
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate<'_> {}
