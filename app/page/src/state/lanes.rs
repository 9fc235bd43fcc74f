//! A lane's run: what is shown of one completion while it is made, and after.

use llavacode_api::completion::{Completion, CompletionEvent, Lane, RetrievedChunk, StopReason, Ttft};

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Never asked, or stopped.
    #[default]
    Idle,
    /// Asked for; its turn has not come.
    Queued,
    /// At work.
    Running,
    /// Whole.
    Done,
    /// Failed.
    Error,
}

impl Phase {
    /// Its name in `data-state`. Who waits for a result need not know that lanes take turns.
    pub fn key(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Queued | Self::Running => "running",
            Self::Done => "done",
            Self::Error => "error",
        }
    }
}

/// One lane's newest run. Numbers of the run before stand until new ones take their place, so that
/// nothing jumps; [`LaneRun::text_is_old`] and its like say when.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaneRun {
    /// How far it is.
    pub phase: Phase,
    /// The completion so far.
    pub text: String,
    /// Chunks in the prompt, best first.
    pub chunks: Vec<RetrievedChunk>,
    /// Parts of the time to the first token.
    pub ttft: Option<Ttft>,
    /// The finished completion's numbers and prompt.
    pub done: Option<Completion>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether the first token of this run has come.
    started: bool,
    /// Whether the text is the run's before and stands until this one has some.
    kept: bool,
}

impl LaneRun {
    /// It was asked for. Asked `again` at the place that the text shown is for, that stands until
    /// another comes; else until the lane's turn.
    pub fn ask(&mut self, again: bool) {
        self.phase = Phase::Queued;
        self.error = None;
        self.started = false;
        self.kept = again;
    }

    /// Whether an answer is to come.
    pub fn is_awaited(&self) -> bool {
        matches!(self.phase, Phase::Queued | Phase::Running)
    }

    /// Stops waiting for an answer; what has come stays.
    pub fn stop(&mut self) {
        if self.is_awaited() {
            self.phase = Phase::Idle;
            self.kept = false;
        }
    }

    /// It failed.
    pub fn fail(&mut self, message: String) {
        self.phase = Phase::Error;
        self.error = Some(message);
    }

    /// Takes in what the engine said.
    pub fn apply(&mut self, event: CompletionEvent) {
        match event {
            CompletionEvent::Retrieved { chunks } => {
                self.phase = Phase::Running;
                self.chunks = chunks;
                if !self.kept {
                    self.text.clear();
                }
            }
            CompletionEvent::FirstToken { ttft } => {
                self.started = true;
                self.ttft = Some(ttft);
            }
            CompletionEvent::Text { text } => {
                if std::mem::take(&mut self.kept) {
                    self.text.clear();
                }
                self.text.push_str(&text);
            }
            CompletionEvent::Done(completion) => {
                self.phase = Phase::Done;
                self.kept = false;
                self.text.clone_from(&completion.text);
                self.ttft = Some(completion.ttft);
                self.done = Some(completion);
            }
            CompletionEvent::Failed { message } => self.fail(message),
        }
    }

    /// Whether the text shown belongs to an earlier place of the cursor.
    pub fn text_is_old(&self) -> bool {
        self.phase == Phase::Queued || self.kept
    }

    /// Whether the time to the first token shown is the run's before.
    pub fn ttft_is_old(&self) -> bool {
        self.is_awaited() && !self.started
    }

    /// Whether the other numbers are the run's before.
    pub fn numbers_are_old(&self) -> bool {
        self.is_awaited()
    }
}

/// The lanes to ask for: that of the ghost text first, since a user waits for it; then the others on
/// offer, if all are compared.
pub fn to_ask(ghost: Lane, compare: bool, offered: &[Lane]) -> Vec<Lane> {
    let others = offered.iter().copied().filter(|&lane| compare && lane != ghost);
    std::iter::once(ghost).chain(others).collect()
}

/// A lane's name for a user.
pub fn title(lane: Lane) -> &'static str {
    match lane {
        Lane::Base => "Base",
        Lane::FullRag => "Full RAG",
        Lane::Cached => "Cached RAG",
        Lane::Digest => "Digest",
        Lane::Excerpt => "Excerpt",
        Lane::Compressed => "Compressed",
        Lane::Expansion => "Expansion",
        Lane::Xrag => "xRAG",
    }
}

/// What a lane does, in one line.
pub fn explanation(lane: Lane) -> &'static str {
    match lane {
        Lane::Base => "no retrieved context",
        Lane::FullRag => "retrieved chunks as text",
        Lane::Cached => "chunks as text, read once and kept",
        Lane::Digest => "chunks as signatures and names",
        Lane::Excerpt => "the chunks' few lines that fit best",
        Lane::Compressed => "as soft tokens",
        Lane::Expansion => "the best chunk as text, the others as soft tokens",
        Lane::Xrag => "by xRAG's projector",
    }
}

/// The lanes that the introduction explains, of those on offer.
pub fn introduced(offered: &[Lane]) -> Vec<Lane> {
    offered.iter().copied().filter(|&lane| introduction(lane).is_some()).collect()
}

/// What a lane reads, for who sees the lanes the first time: the end of a sentence that begins with its name.
pub fn introduction(lane: Lane) -> Option<&'static str> {
    match lane {
        Lane::Base => Some("reads your file alone"),
        Lane::FullRag => Some("reads the chunks of your other files that fit best, as text, before it"),
        Lane::Cached => Some("the same text, of which it keeps what it has read"),
        Lane::Excerpt => Some("only the few of their lines that fit best"),
        Lane::Compressed => {
            Some("each of the chunks as a soft token or a few, so that its prompt stays short")
        }
        Lane::Digest | Lane::Expansion | Lane::Xrag => None,
    }
}

/// Why a completion ended, in a few words.
pub fn stop_reason(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndOfLine => "end of line",
        StopReason::EndOfText => "end of text",
        StopReason::MaxTokens => "token budget",
        StopReason::EndOfBlock => "end of block",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttft(total_ms: f64) -> Ttft {
        Ttft { total_ms, ..Ttft::default() }
    }

    fn completion(text: &str) -> Completion {
        Completion {
            text: text.into(),
            prompt_tokens: 40,
            soft_tokens: 3,
            reused_tokens: 0,
            new_tokens: 2,
            stop: StopReason::EndOfLine,
            ttft: ttft(12.0),
            decode_tokens_per_s: Some(80.0),
            launches_per_step: Some(42),
            log_probabilities: Vec::new(),
            draft_tokens: 0,
            accepted_tokens: 0,
            prompt: Vec::new(),
        }
    }

    const RETRIEVED: CompletionEvent = CompletionEvent::Retrieved { chunks: Vec::new() };

    #[test]
    fn text_streams_and_the_finished_one_wins() {
        let mut run = LaneRun::default();
        run.ask(false);
        run.apply(RETRIEVED);
        run.apply(CompletionEvent::FirstToken { ttft: ttft(11.0) });
        run.apply(CompletionEvent::Text { text: "retu".into() });
        run.apply(CompletionEvent::Text { text: "rn x ".into() });
        assert_eq!((run.text.as_str(), run.phase.key()), ("return x ", "running"));
        run.apply(CompletionEvent::Done(completion("return x")));
        assert_eq!((run.text.as_str(), run.phase.key()), ("return x", "done"));
        assert_eq!(run.ttft.map(|t| t.total_ms), Some(12.0));
    }

    #[test]
    fn numbers_of_the_run_before_stay_until_new_ones_come() {
        let mut run = LaneRun::default();
        run.ask(false);
        run.apply(CompletionEvent::Done(completion("a")));
        run.ask(false);
        assert!(run.text_is_old() && run.ttft_is_old() && run.numbers_are_old());
        assert_eq!(run.text, "a");
        run.apply(RETRIEVED);
        assert!(!run.text_is_old() && run.text.is_empty() && run.ttft.is_some());
        run.apply(CompletionEvent::FirstToken { ttft: ttft(3.0) });
        assert!(!run.ttft_is_old() && run.numbers_are_old());
    }

    #[test]
    fn asked_again_at_the_same_place_the_text_stands_until_another_comes() {
        let mut run = LaneRun::default();
        run.ask(false);
        run.apply(CompletionEvent::Done(completion("by the first model")));
        run.ask(true);
        run.apply(RETRIEVED);
        run.apply(CompletionEvent::FirstToken { ttft: ttft(3.0) });
        assert!(run.text_is_old());
        assert_eq!(run.text, "by the first model");
        run.apply(CompletionEvent::Text { text: "by the ".into() });
        run.apply(CompletionEvent::Text { text: "second".into() });
        assert!(!run.text_is_old());
        assert_eq!(run.text, "by the second");
    }

    #[test]
    fn stopping_keeps_what_is_finished() {
        let mut run = LaneRun::default();
        run.ask(false);
        run.apply(CompletionEvent::Done(completion("a")));
        run.stop();
        assert_eq!(run.phase, Phase::Done);
        run.ask(false);
        run.stop();
        assert_eq!((run.phase, run.is_awaited()), (Phase::Idle, false));
    }

    #[test]
    fn a_lane_fails_with_its_sentence() {
        let mut run = LaneRun::default();
        run.ask(false);
        run.apply(CompletionEvent::Failed { message: "The prompt is too long.".into() });
        assert_eq!((run.phase.key(), run.is_awaited()), ("error", false));
        assert_eq!(run.error.as_deref(), Some("The prompt is too long."));
    }

    #[test]
    fn the_introduction_explains_the_lanes_on_offer() {
        let offered = [Lane::Base, Lane::FullRag, Lane::Cached, Lane::Xrag];
        assert_eq!(introduced(&offered), [Lane::Base, Lane::FullRag, Lane::Cached]);
        // The sentence goes on from one lane to the next.
        assert_eq!(introduced(&Lane::ALL)[..2], [Lane::Base, Lane::FullRag]);
    }

    #[test]
    fn the_ghosts_lane_goes_first() {
        let compared = to_ask(Lane::Compressed, true, &[Lane::Base, Lane::FullRag, Lane::Compressed]);
        assert_eq!(compared, [Lane::Compressed, Lane::Base, Lane::FullRag]);
        assert_eq!(to_ask(Lane::Base, false, &Lane::ALL), [Lane::Base]);
    }
}
