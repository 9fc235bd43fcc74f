//! The rankers on the same tasks: what each finds, and what full RAG makes of it.

use std::collections::{BTreeMap, HashSet};

use llavacode_api::completion::{CompletionEvent, Lane, Ranker};

use super::{
    Progress, RankerSummary, Task,
    lanes::{RESAMPLES, SEED, mean, request, spread},
};
use crate::{
    Result,
    engine::{CancelFlag, Engine, Host, Place},
    metrics,
    tasks::needs::needs_context,
    words::words,
    workspace::{Embed, VectorCache, Workspace},
};

/// One ranker's results, task by task.
#[derive(Default)]
struct Samples {
    /// Of the tasks that need a name: 100 where a retrieved chunk has it.
    names_found: Vec<f64>,
    exact_match: Vec<f64>,
    edit_similarity: Vec<f64>,
    retrieve_ms: Vec<f64>,
}

/// Has each ranker that the bundle allows complete every task; they take turns at being the first.
/// Differences are to `chosen`.
pub(super) async fn measure<H: Host, C: VectorCache>(
    engine: &mut Engine<H>,
    workspace: &mut Workspace<C>,
    tasks: &[Task],
    chosen: Ranker,
    cancel: &CancelFlag,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<BTreeMap<String, RankerSummary>> {
    let embeds = engine.embeds();
    let rankers: Vec<Ranker> =
        Ranker::ALL.into_iter().filter(|ranker| embeds || !ranker.is_dense()).collect();
    let mut samples: Vec<Samples> = rankers.iter().map(|_| Samples::default()).collect();
    for (done, task) in tasks.iter().enumerate() {
        progress(Progress::Stage { name: "rankers", done, total: tasks.len() });
        for turn in 0..rankers.len() {
            let number = (turn + done) % rankers.len();
            let mut place = Place::new(request(task, rankers[number], true));
            let mut chunks = Vec::new();
            let keep = |event| {
                if let CompletionEvent::Retrieved { chunks: found } = event {
                    chunks = found;
                }
            };
            let completion = engine.complete(workspace, &mut place, Lane::FullRag, cancel, keep).await?;
            let samples = &mut samples[number];
            if task.needs_context {
                let found: HashSet<&str> = chunks.iter().flat_map(|chunk| words(&chunk.text)).collect();
                let has =
                    needs_context(&task.prefix, &task.target, &task.suffix, |name| found.contains(name));
                samples.names_found.push(percent(has));
            }
            samples.exact_match.push(percent(metrics::exact_match(&completion.text, &task.target)));
            samples.edit_similarity.push(100.0 * metrics::edit_similarity(&completion.text, &task.target));
            samples.retrieve_ms.push(completion.ttft.retrieve_ms);
        }
    }
    let of_chosen = rankers.iter().position(|&ranker| ranker == chosen).map(|number| &samples[number]);
    let summaries = rankers.iter().zip(&samples);
    Ok(summaries
        .map(|(ranker, samples)| {
            let other = of_chosen.filter(|_| *ranker != chosen);
            (ranker.key().to_owned(), samples.summary(other))
        })
        .collect())
}

impl Samples {
    fn summary(&self, other: Option<&Self>) -> RankerSummary {
        let over = |values: fn(&Self) -> &Vec<f64>| {
            metrics::paired_bootstrap(values(self), values(other?), RESAMPLES, SEED)
        };
        RankerSummary {
            names_found: metrics::mean(&self.names_found),
            exact_match: mean(&self.exact_match),
            edit_similarity: mean(&self.edit_similarity),
            retrieve_ms: spread(&self.retrieve_ms),
            exact_match_difference: over(|samples| &samples.exact_match),
            edit_similarity_difference: over(|samples| &samples.edit_similarity),
        }
    }
}

fn percent(hit: bool) -> f64 {
    if hit { 100.0 } else { 0.0 }
}
