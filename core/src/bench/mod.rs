//! Measures an engine on line-completion tasks: what each lane costs and what it gives.
//!
//! Every lane completes every task from an empty KV cache; the lanes take turns, so that a slow
//! minute of the machine falls on all of them. Differences are paired over the tasks.

mod kernels;
mod lanes;

pub use llavacode_api::report::*;

pub use crate::tasks::Task;

use crate::{
    Error, Result,
    engine::{CancelFlag, EMBED_BATCH, Engine, Host},
    index::Index,
    workspace::{Embed, VectorCache, Workspace},
};

/// Chunks embedded to measure the speed of indexing.
const INDEX_SAMPLE: usize = 64;

/// Runs the whole measurement. `progress` hears the stage, the steps done and the steps to do.
///
/// # Errors
/// [`Error::Measurement`] without tasks or with an empty index, [`Error::Cancelled`], and what
/// [`Engine::complete`] can fail with.
pub async fn run<H: Host, C: VectorCache>(
    engine: &mut Engine<H>,
    workspace: &mut Workspace<C>,
    tasks: &[Task],
    cancel: &CancelFlag,
    mut progress: impl FnMut(&str, usize, usize),
) -> Result<Report> {
    if tasks.is_empty() {
        return Err(Error::Measurement {
            reason: "there are no tasks; load a workspace that has some".into(),
        });
    }
    if workspace.index().stats().chunks == 0 {
        return Err(Error::Measurement { reason: "the index is empty; index a workspace first".into() });
    }
    progress("kernels", 0, 1);
    let kernels = kernels::measure(engine).await?;
    progress("index", 0, 1);
    let indexing = measure_index(engine, workspace.index()).await?;
    let lanes = lanes::measure(engine, workspace, tasks, cancel, &mut progress).await?;
    Ok(Report {
        tasks: tasks.len(),
        launches_per_layer: engine.launches_per_layer(),
        lanes: lanes.summaries,
        differences: lanes.differences,
        kernels: kernels.kernels,
        ceilings: kernels.ceilings,
        index: indexing,
    })
}

/// Embeds chunks of the index once more, for the time it takes; none where the bundle has no encoder.
async fn measure_index<H: Host>(engine: &Engine<H>, index: &Index) -> Result<IndexSpeed> {
    if !engine.embeds() {
        return Ok(IndexSpeed { chunks: 0, chunks_per_s: 0.0 });
    }
    let texts: Vec<_> = index.chunks().take(INDEX_SAMPLE).map(|chunk| chunk.text.to_string()).collect();
    let batches = texts.chunks(EMBED_BATCH);
    // The first batch compiles what has to be compiled.
    engine.embed_texts(batches.clone().next().unwrap_or_default()).await?;
    let start = engine.host.now_ms();
    for batch in batches {
        engine.embed_texts(batch).await?;
    }
    let seconds = (engine.host.now_ms() - start) / 1e3;
    Ok(IndexSpeed { chunks: texts.len(), chunks_per_s: texts.len() as f64 / seconds })
}
