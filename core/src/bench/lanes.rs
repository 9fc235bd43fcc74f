//! The lanes on the same tasks.

use std::collections::BTreeMap;

use llavacode_api::completion::{Completion, CompletionRequest, Lane, Ranker};

use super::{Differences, LaneResult, LaneSummary, Progress, Spread, Task, TaskResult, TtftParts};
use crate::{
    Result,
    engine::{CancelFlag, Engine, Host, Place},
    index::chunker::cursor_line,
    metrics,
    workspace::{VectorCache, Workspace},
};

/// Every how many tasks the warm times are measured too.
const WARM_EVERY: usize = 4;
/// Lines that a user goes on by, to where the time after moving is measured.
const MOVED_LINES: usize = 3;
/// Resamples of a bootstrap.
pub(super) const RESAMPLES: usize = 2000;
/// The bootstrap's seed: the same run gives the same intervals.
pub(super) const SEED: u64 = 20_510;

/// What the lanes gave.
pub(super) struct Lanes {
    pub(super) summaries: BTreeMap<String, LaneSummary>,
    pub(super) differences: BTreeMap<String, Differences>,
    pub(super) results: Vec<TaskResult>,
}

/// One lane's results, task by task.
#[derive(Default)]
struct Samples {
    completions: Vec<Completion>,
    warm_ms: Vec<f64>,
    moved_ms: Vec<f64>,
    exact_match: Vec<f64>,
    exact_match_tokens: Vec<f64>,
    edit_similarity: Vec<f64>,
    edit_ratio: Vec<f64>,
}

pub(super) async fn measure<H: Host, C: VectorCache>(
    engine: &mut Engine<H>,
    workspace: &mut Workspace<C>,
    tasks: &[Task],
    ranker: Ranker,
    cancel: &CancelFlag,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<Lanes> {
    // Once through every lane first: what has to be compiled is compiled.
    let lanes = engine.lanes();
    let mut place = Place::new(request(&tasks[0], ranker, true));
    for &lane in &lanes {
        engine.complete(workspace, &mut place, lane, cancel, |_| ()).await?;
    }
    let mut samples: BTreeMap<Lane, Samples> = BTreeMap::new();
    let mut results = Vec::with_capacity(tasks.len());
    for (done, task) in tasks.iter().enumerate() {
        progress(Progress::Stage { name: "lanes", done, total: tasks.len() });
        let mut place = Place::new(request(task, ranker, true));
        let mut by_lane = BTreeMap::new();
        for turn in 0..lanes.len() {
            let lane = lanes[(turn + done) % lanes.len()];
            let samples = samples.entry(lane).or_default();
            let after = request(task, ranker, false);
            // Before anything else is done here, so that what is read for this place is read now.
            if done % WARM_EVERY == 0 {
                let before = lines_before(&after, MOVED_LINES);
                samples
                    .moved_ms
                    .push(ttft_after(engine, workspace, before, after.clone(), lane, cancel).await?);
            }
            let completion = engine.complete(workspace, &mut place, lane, cancel, |_| ()).await?;
            samples.score(&completion.text, &task.target);
            by_lane.insert(lane.key().to_owned(), lane_result(&completion, &task.target));
            samples.completions.push(completion);
            if done % WARM_EVERY == 0 {
                let mut before = after.clone();
                before.prefix.pop();
                samples.warm_ms.push(ttft_after(engine, workspace, before, after, lane, cancel).await?);
            }
        }
        let result = TaskResult {
            path: task.path.clone(),
            line: cursor_line(&task.prefix),
            before: task.prefix.rsplit(['\n', '\r']).next().unwrap_or_default().to_owned(),
            target: task.target.clone(),
            needs_context: task.needs_context,
            lanes: by_lane,
        };
        progress(Progress::Task(&result));
        results.push(result);
    }
    Ok(Lanes {
        summaries: samples.iter().map(|(lane, samples)| (lane.key().into(), samples.summary())).collect(),
        differences: differences(&samples),
        results,
    })
}

fn lane_result(completion: &Completion, target: &str) -> LaneResult {
    LaneResult {
        text: completion.text.clone(),
        exact_match: metrics::exact_match(&completion.text, target),
        edit_similarity: 100.0 * metrics::edit_similarity(&completion.text, target),
        ttft_cold_ms: completion.ttft.total_ms,
        prompt_tokens: completion.prompt_tokens,
    }
}

/// Completes at one place, then at another, and times the second.
async fn ttft_after<H: Host, C: VectorCache>(
    engine: &mut Engine<H>,
    workspace: &mut Workspace<C>,
    before: CompletionRequest,
    after: CompletionRequest,
    lane: Lane,
    cancel: &CancelFlag,
) -> Result<f64> {
    let mut ttft_ms = 0.0;
    for request in [before, after] {
        let mut place = Place::new(request);
        ttft_ms = engine.complete(workspace, &mut place, lane, cancel, |_| ()).await?.ttft.total_ms;
    }
    Ok(ttft_ms)
}

/// The same request, so many lines further up.
fn lines_before(request: &CompletionRequest, lines: usize) -> CompletionRequest {
    let prefix = &request.prefix;
    let end = prefix.rmatch_indices('\n').nth(lines).map_or(0, |(at, _)| at + 1);
    let (prefix, rest) = prefix.split_at(end);
    CompletionRequest { prefix: prefix.into(), suffix: rest.to_owned() + &request.suffix, ..request.clone() }
}

/// What is asked to complete a task.
pub(super) fn request(task: &Task, ranker: Ranker, cold: bool) -> CompletionRequest {
    CompletionRequest { ranker, cold, ..CompletionRequest::at(&task.path, &task.prefix, &task.suffix) }
}

impl Samples {
    fn score(&mut self, prediction: &str, target: &str) {
        let percent = |hit: bool| if hit { 100.0 } else { 0.0 };
        self.exact_match.push(percent(metrics::exact_match(prediction, target)));
        self.exact_match_tokens.push(percent(metrics::exact_match_tokens(prediction, target)));
        self.edit_similarity.push(100.0 * metrics::edit_similarity(prediction, target));
        self.edit_ratio.push(100.0 * metrics::edit_ratio(prediction, target));
    }

    fn summary(&self) -> LaneSummary {
        let each = |value: fn(&Completion) -> f64| self.completions.iter().map(value).collect::<Vec<_>>();
        let speeds: Vec<_> = self.completions.iter().filter_map(|c| c.decode_tokens_per_s).collect();
        LaneSummary {
            prompt_tokens: mean(&each(|c| c.prompt_tokens as f64)),
            soft_tokens: mean(&each(|c| c.soft_tokens as f64)),
            max_soft_tokens: self.completions.iter().map(|c| c.soft_tokens).max().unwrap_or(0),
            ttft_cold_ms: spread(&each(|c| c.ttft.total_ms)),
            ttft_parts_ms: TtftParts {
                retrieve: spread(&each(|c| c.ttft.retrieve_ms)),
                encode: spread(&each(|c| c.ttft.encode_ms)),
                assemble: spread(&each(|c| c.ttft.assemble_ms)),
                prefill: spread(&each(|c| c.ttft.prefill_ms)),
            },
            ttft_warm_ms: spread(&self.warm_ms),
            ttft_moved_ms: spread(&self.moved_ms),
            decode_tokens_per_s: metrics::median(&speeds),
            draft_tokens: mean(&each(|c| c.draft_tokens as f64)),
            accepted_tokens: mean(&each(|c| c.accepted_tokens as f64)),
            launches_per_step: self.completions.iter().find_map(|c| c.launches_per_step),
            exact_match: mean(&self.exact_match),
            exact_match_tokens: mean(&self.exact_match_tokens),
            edit_similarity: mean(&self.edit_similarity),
            edit_ratio: mean(&self.edit_ratio),
        }
    }
}

fn differences(samples: &BTreeMap<Lane, Samples>) -> BTreeMap<String, Differences> {
    let pairs = [
        (Lane::Compressed, Lane::Base),
        (Lane::Compressed, Lane::FullRag),
        (Lane::Compressed, Lane::Xrag),
        (Lane::Expansion, Lane::Compressed),
        (Lane::Expansion, Lane::FullRag),
        (Lane::Expansion, Lane::Base),
        (Lane::Cached, Lane::FullRag),
        (Lane::Cached, Lane::Base),
        (Lane::Digest, Lane::FullRag),
        (Lane::Digest, Lane::Base),
        (Lane::Excerpt, Lane::FullRag),
        (Lane::Excerpt, Lane::Base),
        (Lane::FullRag, Lane::Base),
    ];
    let compare = |(a, b): (Lane, Lane)| {
        let (left, right) = (samples.get(&a)?, samples.get(&b)?);
        let interval =
            |of: fn(&Samples) -> Vec<f64>| metrics::paired_bootstrap(&of(left), &of(right), RESAMPLES, SEED);
        let differences = Differences {
            exact_match: interval(|s| s.exact_match.clone())?,
            edit_similarity: interval(|s| s.edit_similarity.clone())?,
            ttft_cold_ms: interval(|s| s.completions.iter().map(|c| c.ttft.total_ms).collect())?,
        };
        Some((format!("{}-{}", a.key(), b.key()), differences))
    };
    pairs.into_iter().filter_map(compare).collect()
}

/// Zero of nothing: every lane has at least one task.
pub(super) fn mean(values: &[f64]) -> f64 {
    metrics::mean(values).unwrap_or_default()
}

pub(super) fn spread(values: &[f64]) -> Spread {
    Spread {
        median: metrics::median(values).unwrap_or_default(),
        p90: metrics::percentile(values, 90.0).unwrap_or_default(),
    }
}
