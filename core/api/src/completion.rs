//! What goes into the engine and what comes out, as plain data: the worker sends it as it is.

use serde::{Deserialize, Serialize};

/// How the retrieved chunks reach the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Not at all.
    Base,
    /// As text, within a token budget.
    FullRag,
    /// As the same text, each chunk read once by itself: its keys and values are kept, and turned to
    /// wherever they stand in a prompt. It attends to no other chunk.
    Cached,
    /// As signatures, and names that do not stand around the cursor already, within a smaller budget.
    Digest,
    /// As the few of their lines that look most like what comes next, within a budget as small as soft
    /// tokens'.
    Excerpt,
    /// As soft tokens.
    Compressed,
    /// The best of them as text, within a small budget, the others as soft tokens: what REFRAG (arXiv
    /// 2509.01092) calls expansion.
    Expansion,
    /// As soft tokens by the projector of xRAG (arXiv 2405.13792): the baseline of the paper.
    Xrag,
}

impl Lane {
    /// Every lane, in the order they are shown and measured.
    pub const ALL: [Self; 8] = [
        Self::Base,
        Self::FullRag,
        Self::Cached,
        Self::Digest,
        Self::Excerpt,
        Self::Compressed,
        Self::Expansion,
        Self::Xrag,
    ];

    /// Whose text is shown in the editor where a user chose none: the first of these that a bundle offers. The
    /// excerpt keeps most of what text gains for half the wait.
    pub const SHOWN: [Self; 3] = [Self::Excerpt, Self::Compressed, Self::FullRag];

    /// Whether it has retrieved chunks in its prompt.
    pub fn retrieves(self) -> bool {
        self != Self::Base
    }

    /// Whether soft tokens stand for them, or for some of them.
    pub fn has_soft_tokens(self) -> bool {
        matches!(self, Self::Compressed | Self::Expansion | Self::Xrag)
    }

    /// Its name for a user, as it stands inside a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::FullRag => "full RAG",
            Self::Cached => "cached RAG",
            Self::Digest => "digest",
            Self::Excerpt => "excerpt",
            Self::Compressed => "compressed",
            Self::Expansion => "expansion",
            Self::Xrag => "xRAG",
        }
    }

    /// Its name in JSON: `base`, `full_rag`, `cached`, `digest`, `excerpt`, `compressed`,
    /// `expansion`, `xrag`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::FullRag => "full_rag",
            Self::Cached => "cached",
            Self::Digest => "digest",
            Self::Excerpt => "excerpt",
            Self::Compressed => "compressed",
            Self::Expansion => "expansion",
            Self::Xrag => "xrag",
        }
    }
}

/// Bytes of chunks' keys and values that [`Lane::Cached`] keeps unless it is told otherwise: some fifty
/// chunks of a reader of a hundred million parameters.
pub const KEPT_CHUNK_BYTES: usize = 256 << 20;

/// How retrieved chunks are ranked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranker {
    /// By the Jaccard similarity of word sets: the paper's, and better there than BM25 and UniXcoder.
    #[default]
    Jaccard,
    /// By Okapi BM25: rare words count more, and so do words that come often.
    Bm25,
    /// By the cosine of embeddings; the text before the cursor is embedded for it.
    Dense,
    /// By Jaccard and by embeddings, fused by their ranks.
    Hybrid,
}

impl Ranker {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Jaccard, Self::Bm25, Self::Dense, Self::Hybrid];

    /// Its name in reports and settings, as in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Jaccard => "jaccard",
            Self::Bm25 => "bm25",
            Self::Dense => "dense",
            Self::Hybrid => "hybrid",
        }
    }

    /// Whether it compares embeddings.
    pub fn is_dense(self) -> bool {
        matches!(self, Self::Dense | Self::Hybrid)
    }

    /// Whether it compares words.
    pub fn is_lexical(self) -> bool {
        self != Self::Dense
    }
}

/// A chunk's place in the rankings that were made, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranks {
    /// By words; `None` if it was not ranked so, or shares no word.
    pub lexical: Option<usize>,
    /// By embeddings; `None` if it was not ranked so, or is not embedded.
    pub dense: Option<usize>,
}

/// Lines of a file of the workspace: `start_line..end_line`, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkSpan {
    /// The file's path in the workspace, with `/`.
    pub path: String,
    /// First line.
    pub start_line: usize,
    /// One past the last line.
    pub end_line: usize,
}

/// A chunk that retrieval chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetrievedChunk {
    /// Where it stands.
    pub span: ChunkSpan,
    /// Its text.
    pub text: String,
    /// The ranker's score: Jaccard similarity in 0..=1, BM25 above 0, cosine in -1..=1, or the fused
    /// reciprocal ranks.
    pub score: f32,
    /// Its place in the rankings that were made.
    pub ranks: Ranks,
}

/// The text around a cursor, and how to complete it, in whichever lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// The open file's path; its own chunks are left out of retrieval.
    pub path: String,
    /// Everything before the cursor.
    pub prefix: String,
    /// Everything after the cursor.
    pub suffix: String,
    /// Go on after the end of the line.
    pub multi_line: bool,
    /// Let far-away parts of the same file be retrieved too.
    pub same_file: bool,
    /// How retrieval ranks.
    pub ranker: Ranker,
    /// Most chunks retrieved, from 1 to what the bundle says, which holds where this is `None`.
    #[serde(default)]
    pub top_k: Option<usize>,
    /// Chunks that are not to be retrieved, nor others of the same text.
    #[serde(default)]
    pub leave_out: Vec<ChunkSpan>,
    /// Start from an empty KV cache, as a measurement of cold TTFT does.
    pub cold: bool,
}

impl CompletionRequest {
    /// One line at this cursor, as the page asks for it: everything else is as a user finds it.
    pub fn at(path: impl Into<String>, prefix: impl Into<String>, suffix: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            prefix: prefix.into(),
            suffix: suffix.into(),
            multi_line: false,
            same_file: false,
            ranker: Ranker::default(),
            top_k: None,
            leave_out: Vec::new(),
            cold: false,
        }
    }
}

/// A line to complete: `prefix` and `suffix` are cut from the file at `path`, `target` is what
/// stood between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The file's path; its own chunks are left out of retrieval.
    pub path: String,
    /// Everything before the target.
    pub prefix: String,
    /// The rest of the line.
    pub target: String,
    /// Everything after it.
    pub suffix: String,
    /// Whether the target needs a name that only another file has.
    pub needs_context: bool,
}

/// What happens while a lane's completion is made, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum CompletionEvent {
    /// Retrieval is done; best first. Empty in the base lane.
    Retrieved {
        /// The chunks that stand in the prompt.
        chunks: Vec<RetrievedChunk>,
    },
    /// The first token can be read.
    FirstToken {
        /// Where the time went.
        ttft: Ttft,
    },
    /// More text.
    Text {
        /// To be appended.
        text: String,
    },
    /// The completion is whole.
    Done(Completion),
    /// There will be none, at any moment.
    Failed {
        /// A sentence that says what to do.
        message: String,
    },
}

/// Time to first token and its parts, in milliseconds. What several lanes share is done once, and
/// each lane that uses it is charged for it as if it had been alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Ttft {
    /// Choosing chunks.
    pub retrieve_ms: f64,
    /// What had to be made of retrieved chunks first: in lanes with soft tokens their vectors, in the
    /// cached lane their keys and values; 0 where they were kept, and in the other lanes.
    pub encode_ms: f64,
    /// How many chunks that were.
    pub encoded_chunks: usize,
    /// Tokenising and laying out the prompt.
    pub assemble_ms: f64,
    /// Reading the prompt and choosing the first token, until its id is readable.
    pub prefill_ms: f64,
    /// The sum of the parts.
    pub total_ms: f64,
}

/// A finished completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The text to insert at the cursor.
    pub text: String,
    /// Positions in the prompt, soft tokens included.
    pub prompt_tokens: usize,
    /// Soft tokens among them.
    pub soft_tokens: usize,
    /// Prompt positions whose keys and values were kept from before.
    pub reused_tokens: usize,
    /// Tokens generated.
    pub new_tokens: usize,
    /// ln of each one's probability, that of the token which ended it last. Where the token had to begin
    /// with text before the cursor, among the tokens that do.
    pub log_probabilities: Vec<f32>,
    /// Why it ended.
    pub stop: StopReason,
    /// Where the time to the first token went.
    pub ttft: Ttft,
    /// Tokens a second after the first; `None` where there was only one.
    pub decode_tokens_per_s: Option<f64>,
    /// Tokens that were looked up in the prompt and in the retrieved chunks, and checked beside the one
    /// before them.
    #[serde(default)]
    pub draft_tokens: usize,
    /// Those that were what the reader chose: each saved a decode step.
    #[serde(default)]
    pub accepted_tokens: usize,
    /// Kernel launches of one decode step; `None` on the CPU.
    pub launches_per_step: Option<usize>,
    /// The prompt, to be looked at.
    pub prompt: Vec<PromptPart>,
}

impl Completion {
    /// How sure the reader was: the geometric mean of its tokens' probabilities, in 0..=1.
    pub fn confidence(&self) -> f64 {
        let sum: f64 = self.log_probabilities.iter().map(|&ln| f64::from(ln)).sum();
        (sum / self.log_probabilities.len().max(1) as f64).exp()
    }
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The line ended.
    EndOfLine,
    /// The model said so.
    EndOfText,
    /// The budget of new tokens is spent.
    MaxTokens,
    /// Several lines: the block ended, or the text after the cursor was reached.
    EndOfBlock,
}

/// A stretch of a prompt, as a user would look at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum PromptPart {
    /// A special token such as `<|fim_prefix|>`.
    Special {
        /// Its text.
        text: String,
    },
    /// Ordinary tokens.
    Text {
        /// What they decode to.
        text: String,
        /// How many.
        tokens: usize,
    },
    /// A chunk's soft tokens.
    Soft {
        /// The chunk they stand for.
        span: ChunkSpan,
        /// How many.
        tokens: usize,
    },
}
