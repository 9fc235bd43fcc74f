//! From scores, task by task, to what a table says of a lane.

use std::collections::BTreeMap;

use llavacode_core::metrics::{Interval, mean, paired_bootstrap};
use serde::{Deserialize, Serialize};

/// Resamples of a bootstrap.
pub(crate) const RESAMPLES: usize = 2000;
/// Its seed.
pub(crate) const SEED: u64 = 20_251_019;

/// Means of a lane, in percent, nats and tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaneReport {
    /// Mean length of the prompt, soft tokens included.
    pub prompt_tokens: f64,
    /// Mean number of soft tokens.
    pub soft_tokens: f64,
    /// Percent.
    pub exact_match: f64,
    /// LlavaCode's looser variant, percent.
    pub exact_match_tokens: f64,
    /// 1 − Levenshtein / longer length, percent.
    pub edit_similarity: f64,
    /// Indel ratio, percent.
    pub edit_ratio: f64,
    /// Nats a token of the target, its end included.
    pub cross_entropy: f64,
    /// Against `base`, in percent points; none for it.
    pub against_base: Option<Differences>,
    /// Against `full_rag` of the same placement.
    pub against_full_rag: Option<Differences>,
    /// Against `control` of the same placement, for a lane with soft tokens: what the chunks do, and not
    /// merely that vectors stand there.
    #[serde(default)]
    pub against_control: Option<Differences>,
}

/// Paired differences with their 95 % intervals.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Differences {
    /// Percent points.
    pub exact_match: Interval,
    /// Percent points.
    pub edit_similarity: Interval,
    /// Nats a token, task by task.
    pub cross_entropy: Interval,
}

/// One lane's score in one task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score {
    pub(super) prompt_tokens: f64,
    pub(super) soft_tokens: f64,
    pub(super) exact_match: f64,
    pub(super) exact_match_tokens: f64,
    pub(super) edit_similarity: f64,
    pub(super) edit_ratio: f64,
    pub(super) cross_entropy: f64,
    pub(super) target_tokens: f64,
}

/// Scores by lane, task by task.
pub(super) type Scores = BTreeMap<String, Vec<Score>>;

/// Means of every lane, and its paired differences from `base` and full RAG.
pub(super) fn summarise(lanes: &Scores) -> BTreeMap<String, LaneReport> {
    let column = |scores: &[Score], of: fn(&Score) -> f64| scores.iter().map(of).collect::<Vec<f64>>();
    let differences = |lane: &[Score], other: Option<&Vec<Score>>| {
        let between = |of| paired_bootstrap(&column(lane, of), &column(other?, of), RESAMPLES, SEED);
        Some(Differences {
            exact_match: between(|score| score.exact_match)?,
            edit_similarity: between(|score| score.edit_similarity)?,
            cross_entropy: between(|score| score.cross_entropy)?,
        })
    };
    let report = |(name, scores): (&String, &Vec<Score>)| {
        let average = |of| mean(&column(scores, of)).unwrap_or_default();
        let placement = name.split_once('.').map(|(_, placement)| placement);
        let full = placement.filter(|_| !name.starts_with("full_rag")).map(|p| format!("full_rag.{p}"));
        let is_soft = average(|score| score.soft_tokens) > 0.0 && !name.starts_with("control");
        let control = placement.filter(|_| is_soft).map(|p| format!("control.{p}"));
        let tokens: f64 = scores.iter().map(|score| score.target_tokens).sum();
        let nats: f64 = scores.iter().map(|score| score.cross_entropy * score.target_tokens).sum();
        let report = LaneReport {
            prompt_tokens: average(|score| score.prompt_tokens),
            soft_tokens: average(|score| score.soft_tokens),
            exact_match: average(|score| score.exact_match),
            exact_match_tokens: average(|score| score.exact_match_tokens),
            edit_similarity: average(|score| score.edit_similarity),
            edit_ratio: average(|score| score.edit_ratio),
            cross_entropy: nats / tokens.max(1.0),
            against_base: differences(scores, lanes.get("base").filter(|_| name != "base")),
            against_full_rag: differences(scores, full.and_then(|full| lanes.get(&full))),
            against_control: differences(scores, control.and_then(|control| lanes.get(&control))),
        };
        (name.clone(), report)
    };
    lanes.iter().map(report).collect()
}
