//! Greedy steps: at each, the token we would take and the logits of llama.cpp's two candidates.

use llavacode_core::model::{
    reader::{Cache, Reader},
    token_ids,
};
use serde::Deserialize;

use super::{Tolerance, parity};

/// A prompt and the steps that llama.cpp took from it.
#[derive(Debug, Deserialize)]
pub struct Prompt {
    ids: Vec<u32>,
    /// Id and logit of the largest, id and logit of the second.
    steps: Vec<(u32, f32, u32, f32)>,
}

/// How far we are from llama.cpp.
#[derive(Debug, Default)]
pub struct Agreement {
    prompts: usize,
    /// Prompts all of whose steps are the same.
    equal: usize,
    steps: usize,
    /// Steps at which another token is ahead with us.
    parted: usize,
    /// By how much at most it is so.
    widest: f32,
    logits: usize,
    squares: f64,
    largest: f32,
}

impl Agreement {
    /// Counts a logit in.
    pub fn add(&mut self, ours: f32, theirs: f32) {
        // Not a number is as far as can be.
        let difference = (ours - theirs).abs();
        let difference = if difference.is_nan() { f32::INFINITY } else { difference };
        self.logits += 1;
        self.squares += f64::from(difference).powi(2);
        self.largest = self.largest.max(difference);
    }

    /// Counts another one in.
    pub fn merge(&mut self, other: Self) {
        self.prompts += other.prompts;
        self.equal += other.equal;
        self.steps += other.steps;
        self.parted += other.parted;
        self.widest = self.widest.max(other.widest);
        self.logits += other.logits;
        self.squares += other.squares;
        self.largest = self.largest.max(other.largest);
    }

    /// Prints it and panics if it is beyond the tolerance. Where we part from llama.cpp our two
    /// candidates may be as far apart as two logits can be wrong.
    #[track_caller]
    pub fn check(&self, what: &str, tolerance: Tolerance) {
        let rms = (self.squares / self.logits as f64).sqrt();
        println!("{what}: {} logits differ by {rms:.4} (rms), {:.4} at most", self.logits, self.largest);
        if self.prompts > 0 {
            println!(
                "{what}: {} of {} prompts are equal throughout; at {} of {} steps another token is ahead, by {:.4} at most",
                self.equal, self.prompts, self.parted, self.steps, self.widest
            );
        }
        assert!(self.logits > 0, "{what}: nothing was compared");
        assert!(self.largest <= tolerance.largest, "{what}: {self:?}");
        assert!(rms <= f64::from(tolerance.rms), "{what}: {self:?}");
        assert!(self.widest <= 2.0 * tolerance.largest, "{what}: {self:?}");
    }
}

/// Takes llama.cpp's first `length` steps, its own token at each, so that steps after a parting are
/// compared too. `one_by_one` as a page decodes, else in one pass.
pub async fn follow(reader: &Reader, prompt: &Prompt, length: usize, one_by_one: bool) -> Agreement {
    let steps = &prompt.steps[..length.min(prompt.steps.len())];
    let taken: Vec<u32> = steps.iter().map(|&(id, ..)| id).collect();
    let read_before_last = &taken[..taken.len() - 1];
    let mut cache = reader.cache(1, prompt.ids.len() + steps.len());
    let mut rows = Vec::new();
    if one_by_one {
        rows.extend(read(reader, &mut cache, &prompt.ids, 1).await);
        for id in read_before_last {
            rows.extend(read(reader, &mut cache, &[*id], 1).await);
        }
    } else {
        let ids = [&prompt.ids, read_before_last].concat();
        rows = read(reader, &mut cache, &ids, steps.len()).await;
    }

    let mut agreement = Agreement { prompts: 1, steps: steps.len(), ..Agreement::default() };
    let vocabulary = rows.len() / steps.len();
    for (logits, &(first, first_logit, second, second_logit)) in rows.chunks(vocabulary).zip(steps) {
        agreement.add(logits[first as usize], first_logit);
        agreement.add(logits[second as usize], second_logit);
        let ahead = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) - logits[first as usize];
        if ahead > 0.0 {
            agreement.parted += 1;
            agreement.widest = agreement.widest.max(ahead);
        }
    }
    agreement.equal = usize::from(agreement.parted == 0);
    agreement
}

/// Reads ids after what the cache holds; logits of the last `rows`, one row after the other.
pub(super) async fn read(reader: &Reader, cache: &mut Cache, ids: &[u32], rows: usize) -> Vec<f32> {
    let span = cache.next(1, ids.len());
    let hidden = reader.forward(reader.embed(token_ids(ids, &reader.device())), cache, span);
    parity::values(reader.logits(hidden.narrow(0, ids.len() - rows, rows))).await
}
