//! Measures an engine on line-completion tasks: what each lane costs and what it gives.
//!
//! Every lane completes every task from an empty KV cache; the lanes take turns, so that a slow
//! minute of the machine falls on all of them. Differences are paired over the tasks.

mod kernels;
mod lanes;
mod rankers;
pub mod scale;

pub use llavacode_api::report::*;

pub use crate::tasks::Task;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use crate::{
    Error, Result,
    engine::{CancelFlag, Engine, Host},
    index::{Chunk, Index, chunker},
    workspace::{Embed, Pace, VectorCache, Workspace},
};

/// Chunks embedded to measure the speed of indexing.
const INDEX_SAMPLE: usize = 256;

/// How far a measurement is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress<'a> {
    /// A stage, with the steps done and the steps to do.
    Stage {
        /// What is measured.
        name: &'static str,
        /// Steps done.
        done: usize,
        /// Steps altogether.
        total: usize,
    },
    /// A task was completed in every lane.
    Task(&'a TaskResult),
}

/// Runs the whole measurement, and tells how far it is.
///
/// # Errors
/// [`Error::Measurement`] without tasks or with an empty index, [`Error::Cancelled`], and what
/// [`Engine::complete`] can fail with.
pub async fn run<H: Host, C: VectorCache>(
    engine: &mut Engine<H>,
    workspace: &mut Workspace<C>,
    tasks: &[Task],
    options: Options,
    cancel: &CancelFlag,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Report> {
    if tasks.is_empty() {
        return Err(Error::Measurement {
            reason: "there are no tasks; load a workspace that has some".into(),
        });
    }
    if workspace.index().stats().chunks == 0 {
        return Err(Error::Measurement { reason: "the index is empty; index a workspace first".into() });
    }
    progress(Progress::Stage { name: "kernels", done: 0, total: 1 });
    let kernels = kernels::measure(engine).await?;
    progress(Progress::Stage { name: "index", done: 0, total: 1 });
    let indexing = measure_index(engine, workspace.index(), kernels.ceilings).await?;
    let lanes = lanes::measure(engine, workspace, tasks, options.ranker, cancel, &mut progress).await?;
    let rankers = match options.compare_rankers {
        true => rankers::measure(engine, workspace, tasks, options.ranker, cancel, &mut progress).await?,
        false => BTreeMap::new(),
    };
    Ok(Report {
        tasks: tasks.len(),
        launches_per_layer: engine.launches_per_layer(),
        lanes: lanes.summaries,
        differences: lanes.differences,
        kernels: kernels.kernels,
        ceilings: kernels.ceilings,
        index: indexing,
        rankers,
        results: lanes.results,
    })
}

/// Embeds chunks of the index once more, each of their parts once, for the time it takes; none where the
/// bundle has no encoder.
async fn measure_index<H: Host>(
    engine: &Engine<H>,
    index: &Index,
    ceilings: Option<Ceilings>,
) -> Result<IndexSpeed> {
    if !engine.embeds() {
        return Ok(IndexSpeed::default());
    }
    let chunks: Vec<&Chunk> = index.chunks().take(INDEX_SAMPLE).collect();
    let count = engine.manifest.prompt.soft_tokens.get();
    let mut seen = HashSet::new();
    let parts = chunks.iter().flat_map(|chunk| chunker::parts(&chunk.text, count));
    let mut left: Vec<String> = parts.filter(|part| seen.insert(part.clone())).map(Cow::into_owned).collect();
    let embedded = left.len();
    let flops = engine.embedding_flops(&left)?;
    // The first batch compiles what has to be compiled.
    let mut pace = Pace::of_parts(engine.manifest.prompt.soft_tokens);
    engine.embed_texts(&left[..pace.batch().min(embedded)]).await?;
    let start = engine.host.now_ms();
    while !left.is_empty() {
        let rest = left.split_off(pace.batch().min(left.len()));
        let started = engine.host.now_ms();
        engine.embed_texts(&left).await?;
        pace.took(left.len(), engine.host.now_ms() - started);
        left = rest;
    }
    let seconds = (engine.host.now_ms() - start) / 1e3;
    Ok(IndexSpeed {
        chunks: chunks.len(),
        chunks_per_s: chunks.len() as f64 / seconds,
        parts: chunks.len() * count,
        embedded_parts: embedded,
        bytes_per_chunk: index.stats().vector_bytes as f64 / index.stats().chunks as f64,
        flops_per_s: flops / seconds,
        fraction_of_ceiling: ceilings.map(|ceilings| flops / seconds / ceilings.flops_per_s),
    })
}
