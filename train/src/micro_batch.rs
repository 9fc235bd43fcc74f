//! Sequences laid out for the engine: micro-batches of so many rows that they stay in the cache.

use crate::{
    nn::decoder::Input,
    prompts::{Sequence, Target},
};

/// Sequences one after the other.
#[derive(Debug, Clone, Default)]
pub struct MicroBatch {
    /// A row each.
    pub tokens: Vec<u32>,
    /// Rows of each sequence.
    pub lengths: Vec<usize>,
    /// Rows that read a soft vector, and its number among all vectors of the step.
    pub soft: Vec<(usize, usize)>,
    /// What is to be predicted, rows ascending.
    pub targets: Vec<Target>,
    /// Which sequence of the step each one is.
    pub numbers: Vec<usize>,
    /// First row of each sequence.
    pub starts: Vec<usize>,
}

impl MicroBatch {
    /// What the engine reads.
    pub fn input<'a>(&'a self, vectors: &'a [f32]) -> Input<'a, f32> {
        Input { tokens: &self.tokens, lengths: &self.lengths, soft: &self.soft, vectors }
    }

    /// Rows that predict something.
    pub fn target_rows(&self) -> Vec<usize> {
        self.targets.iter().map(|target| target.row).collect()
    }

    fn push(&mut self, number: usize, sequence: &Sequence, first_vector: usize) {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(&sequence.tokens);
        self.lengths.push(sequence.tokens.len());
        self.soft.extend(sequence.soft.iter().map(|&(row, vector)| (start + row, first_vector + vector)));
        self.targets.extend(sequence.targets.iter().map(|t| Target { row: start + t.row, ..*t }));
        self.numbers.push(number);
        self.starts.push(start);
    }
}

/// Deals sequences into micro-batches of at most `rows` rows (a longer sequence is one by itself),
/// longest first, so that threads that take them in turn end together. `first_vectors` says at
/// which vector of the step each sequence's own begin.
pub fn micro_batches(sequences: &[Sequence], first_vectors: &[usize], rows: usize) -> Vec<MicroBatch> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(sequences[i].tokens.len()));
    let mut batches: Vec<MicroBatch> = Vec::new();
    for number in order {
        let sequence = &sequences[number];
        let fits = |batch: &MicroBatch| batch.tokens.len() + sequence.tokens.len() <= rows;
        // First fit: short sequences fill what the long ones left.
        let place = batches.iter().position(fits).unwrap_or(batches.len());
        if place == batches.len() {
            batches.push(MicroBatch::default());
        }
        batches[place].push(number, sequence, first_vectors.get(number).copied().unwrap_or(0));
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_keep_their_rows_and_vectors() {
        let sequence = |len: usize, soft: usize| Sequence {
            tokens: (0..len as u32).collect(),
            soft: vec![(soft, 0)],
            targets: vec![Target { row: len - 1, token: 7, weight: 1.0 }],
            prompt: len,
        };
        let sequences = [sequence(5, 1), sequence(30, 4), sequence(4, 0), sequence(9, 2)];
        let batches = micro_batches(&sequences, &[10, 20, 30, 40], 20);
        let shape: Vec<_> = batches.iter().map(|b| b.numbers.clone()).collect();
        assert_eq!(shape, [vec![1], vec![3, 0, 2]]);
        assert_eq!(batches[1].lengths, [9, 5, 4]);
        assert_eq!(batches[1].soft, [(2, 40), (10, 10), (14, 30)]);
        assert_eq!(batches[1].target_rows(), [8, 13, 17]);
    }
}
