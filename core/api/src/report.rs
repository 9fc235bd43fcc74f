//! What a measurement says: the JSON of `cargo xtask bench` and of the page's panel.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::completion::Ranker;

/// What is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// How chunks are ranked in every lane.
    pub ranker: Ranker,
    /// Whether the rankers are compared, too: each completes every task in the lane of full RAG.
    pub compare_rankers: bool,
}

/// Everything measured in one run. Percentages are 0..=100, times milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Tasks completed in each lane.
    pub tasks: usize,
    /// Kernel launches of one decoder layer in a decode step; `None` on the CPU.
    pub launches_per_layer: Option<usize>,
    /// By lane: `base`, `full_rag`, `compressed`, and `xrag` where the bundle has it.
    pub lanes: BTreeMap<String, LaneSummary>,
    /// By pair: `compressed-base`, `compressed-full_rag`, `compressed-xrag`, `cached-full_rag`, `cached-base`,
    /// `full_rag-base`.
    pub differences: BTreeMap<String, Differences>,
    /// By kernel.
    pub kernels: BTreeMap<String, KernelSpeed>,
    /// What the device can do at most.
    pub ceilings: Option<Ceilings>,
    /// Speed of indexing.
    pub index: IndexSpeed,
    /// What the lane of full RAG makes of each ranker's chunks, by [`Ranker::key`];
    /// empty where they were not compared.
    #[serde(default)]
    pub rankers: BTreeMap<String, RankerSummary>,
    /// Task by task, in the order in which they were completed.
    pub results: Vec<TaskResult>,
}

/// A task in every lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The file's path.
    pub path: String,
    /// The cursor's line, counted from 0.
    pub line: usize,
    /// What stands before the cursor in its line.
    pub before: String,
    /// What was to be completed.
    pub target: String,
    /// Whether it needs a name that only another file has.
    pub needs_context: bool,
    /// By lane, as in [`Report::lanes`].
    pub lanes: BTreeMap<String, LaneResult>,
}

/// A lane's completion of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneResult {
    /// Its text.
    pub text: String,
    /// Whether it equals the target after stripping.
    pub exact_match: bool,
    /// `1 − levenshtein / max`, percent.
    pub edit_similarity: f64,
    /// Cold time to first token, in milliseconds.
    pub ttft_cold_ms: f64,
    /// Positions of its prompt.
    pub prompt_tokens: usize,
}

/// One lane over all tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneSummary {
    /// Mean positions of a prompt, soft tokens included.
    pub prompt_tokens: f64,
    /// Mean soft tokens of a prompt.
    pub soft_tokens: f64,
    /// Most soft tokens of any prompt.
    pub max_soft_tokens: usize,
    /// Cold time to first token.
    pub ttft_cold_ms: Spread,
    /// Its parts.
    pub ttft_parts_ms: TtftParts,
    /// Warm time to first token: one character was typed since the last request.
    pub ttft_warm_ms: Spread,
    /// To the first token, milliseconds, at a place a few lines below the last completion's: other chunks
    /// may be found there, and in the cached lane new ones are read.
    #[serde(default)]
    pub ttft_moved_ms: Spread,
    /// Median tokens a second after the first token.
    pub decode_tokens_per_s: Option<f64>,
    /// Mean tokens of a completion that were looked up and checked beside the one before them.
    #[serde(default)]
    pub draft_tokens: f64,
    /// Mean tokens of them that were right: each saved a decode step.
    #[serde(default)]
    pub accepted_tokens: f64,
    /// Kernel launches of one decode step.
    pub launches_per_step: Option<usize>,
    /// Equal after stripping, percent.
    pub exact_match: f64,
    /// LlavaCode's looser variant, percent.
    pub exact_match_tokens: f64,
    /// `1 − levenshtein / max`, percent.
    pub edit_similarity: f64,
    /// The indel ratio, percent.
    pub edit_ratio: f64,
}

/// Full RAG with the chunks of one ranker, over all tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankerSummary {
    /// Of the tasks that need a name that only another file has, those for which one of the retrieved chunks
    /// has such a name, percent; `None` if no task needs one.
    pub names_found: Option<f64>,
    /// Equal after stripping, percent.
    pub exact_match: f64,
    /// `1 − levenshtein / max`, percent.
    pub edit_similarity: f64,
    /// To rank and choose chunks, and to embed what is asked where embeddings are compared.
    pub retrieve_ms: Spread,
    /// Percentage points of exact match over the ranker that the lanes were measured with; `None` for itself.
    pub exact_match_difference: Option<Interval>,
    /// The same of edit similarity.
    pub edit_similarity_difference: Option<Interval>,
}

/// Median and 90th percentile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the values lie below.
    pub median: f64,
    /// Nine tenths lie below.
    pub p90: f64,
}

/// The parts of the cold time to first token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TtftParts {
    /// Choosing chunks.
    pub retrieve: Spread,
    /// Embedding the query.
    pub encode: Spread,
    /// Laying out the prompt.
    pub assemble: Spread,
    /// Reading the prompt, to the first token's id.
    pub prefill: Spread,
}

/// One lane minus another over the same tasks, with 95 % bootstrap intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Differences {
    /// Percentage points.
    pub exact_match: Interval,
    /// Percentage points.
    pub edit_similarity: Interval,
    /// Milliseconds.
    pub ttft_cold_ms: Interval,
}

/// A kernel against the ceiling that binds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelSpeed {
    /// `bytes/s` or `FLOP/s`.
    pub unit: String,
    /// What it reached.
    pub achieved: f64,
    /// `achieved` over the ceiling of the same unit.
    pub fraction_of_ceiling: f64,
    /// `[rows, out_features, in_features]` it was measured on.
    pub shape: [usize; 3],
}

/// The device's own limits, measured in the same run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// A kernel that only reads.
    pub read_bytes_per_s: f64,
    /// A kernel that only multiplies and adds: floats on a GPU, 16-bit integers on the processor's threads.
    pub flops_per_s: f64,
}

/// Speed of embedding and projecting chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexSpeed {
    /// Chunks measured.
    pub chunks: usize,
    /// Chunks a second.
    pub chunks_per_s: f64,
    /// Parts of these chunks, a soft token each.
    pub parts: usize,
    /// Those embedded: chunks share the others.
    pub embedded_parts: usize,
    /// Bytes that the index's vectors take in memory, over its chunks.
    #[serde(default)]
    pub bytes_per_chunk: f64,
    /// Multiplications and additions a second that embedding took, padding not counted.
    #[serde(default)]
    pub flops_per_s: f64,
    /// `flops_per_s` over [`Ceilings::flops_per_s`]; `None` where that was not measured.
    #[serde(default)]
    pub fraction_of_ceiling: Option<f64>,
}

/// A difference of means with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// mean(a) − mean(b).
    pub difference: f64,
    /// 2.5th percentile of the resampled differences.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}
