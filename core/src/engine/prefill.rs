//! How a prompt's positions get into the KV cache: read, or put there from what was read before.

use std::ops::Range;

use burn::tensor::Tensor;
use llavacode_api::completion::Lane;

use super::{
    CancelFlag, Engine, Host,
    read_chunks::ReadChunks,
    session::{Position, Session},
};
use crate::{
    Error, Result,
    index::Index,
    model::{reader::States, token_ids},
    prompt::{Prompt, Segment},
};

/// Rows read in one pass. Between passes a newer request can cancel this one.
const PREFILL_ROWS: usize = 512;

/// A stretch of a prompt that is not in the cache yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Positions to read behind what is there.
    Read(Range<usize>),
    /// The end of a chunk that is read by itself.
    Chunk {
        /// The chunk's tokens.
        tokens: Vec<u32>,
        /// How many of them are in the cache.
        held: usize,
    },
    /// Text whose keys and values are there from another prompt.
    Moved,
}

/// What is to do for a prompt of which the cache holds the first `held` positions, and `moved` from another
/// prompt; `soft_tokens` are a chunk's.
pub(super) fn steps(
    prompt: &Prompt,
    held: usize,
    moved: Option<&Range<usize>>,
    soft_tokens: usize,
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut start = 0;
    for segment in &prompt.segments {
        let len = match segment {
            Segment::Tokens(tokens) | Segment::Alone(tokens) => tokens.len(),
            Segment::Soft(_) => soft_tokens,
        };
        let end = start + len;
        let missing = start.max(held)..end;
        if !missing.is_empty() {
            match (segment, steps.last_mut()) {
                (Segment::Alone(tokens), _) => {
                    steps.push(Step::Chunk { tokens: tokens.clone(), held: missing.start - start });
                }
                (_, Some(Step::Read(read))) => read.end = end,
                _ => steps.push(Step::Read(missing)),
            }
        }
        start = end;
    }
    // What is moved is text behind all context: a part of the last stretch that would be read.
    if let (Some(moved), Some(Step::Read(read))) = (moved, steps.last().cloned()) {
        steps.pop();
        steps.extend((read.start < moved.start).then_some(Step::Read(read.start..moved.start)));
        steps.push(Step::Moved);
        steps.push(Step::Read(moved.end..read.end));
    }
    steps
}

/// Chunks that had to be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChunksRead {
    pub(super) chunks: usize,
    pub(super) positions: usize,
}

/// A prompt that gets into a cache.
pub(super) struct Prefill<'a, H> {
    pub(super) engine: &'a Engine<H>,
    pub(super) index: &'a Index,
    pub(super) lane: Lane,
    /// The prompt, position by position.
    pub(super) positions: &'a [Position],
    /// What is to do for it.
    pub(super) steps: Vec<Step>,
}

impl<H: Host> Prefill<'_, H> {
    /// Reads the chunks that are not kept yet; gives the states of all that the steps ask for, in their
    /// order, and says how many chunks were read, and how many positions that was.
    ///
    /// # Errors
    /// [`Error::Cancelled`]: what was read until then is kept.
    pub(super) async fn chunks(
        &self,
        kept: &mut ReadChunks,
        cancel: &CancelFlag,
    ) -> Result<(Vec<States>, ChunksRead)> {
        let (mut states, mut read) = (Vec::new(), ChunksRead::default());
        for step in &self.steps {
            let Step::Chunk { tokens, held } = step else { continue };
            let chunk = match kept.get(tokens) {
                Some(chunk) => chunk,
                None => {
                    cancel.check()?;
                    let chunk = self.engine.read_alone(tokens);
                    kept.put(tokens, chunk.clone());
                    read.chunks += 1;
                    read.positions += tokens.len();
                    self.engine.host.yield_now().await;
                    chunk
                }
            };
            states.push(chunk.skip(*held));
        }
        Ok((states, read))
    }

    /// Fills the cache behind what it holds; `chunks` are the states that [`Self::chunks`] gave, `moved` those
    /// of text that stood in another prompt. Gives the hidden state of the last position, `[1, hidden]`, and
    /// how many positions were read.
    pub(super) async fn fill(
        &self,
        session: &mut Session,
        chunks: Vec<States>,
        moved: Option<States>,
        cancel: &CancelFlag,
    ) -> Result<(Tensor<2>, usize)> {
        let (mut chunks, mut last, mut positions) = (chunks.into_iter(), None, 0);
        for step in &self.steps {
            match step {
                Step::Read(range) => {
                    last = self.read(session, range.clone(), cancel).await?;
                    positions += range.len();
                }
                Step::Chunk { .. } => chunks.next().iter().for_each(|states| session.cache.append(states)),
                Step::Moved => moved.iter().for_each(|states| session.cache.append(states)),
            }
        }
        // A prompt is never empty: it has its special tokens, or its path's line.
        let last = last.ok_or_else(|| Error::Device { reason: "there was nothing to read".into() })?;
        Ok((last, positions))
    }

    /// Reads some positions behind what the cache holds; gives the last one's hidden state.
    async fn read(
        &self,
        session: &mut Session,
        range: Range<usize>,
        cancel: &CancelFlag,
    ) -> Result<Option<Tensor<2>>> {
        let mut last = None;
        for rows in self.positions[range].chunks(PREFILL_ROWS) {
            cancel.check()?;
            let span = session.cache.next(1, rows.len());
            let inputs = self.engine.embed_positions(self.index, self.lane, rows);
            last = Some(self.engine.reader.forward_last(inputs, &mut session.cache, span));
            self.engine.host.yield_now().await;
        }
        Ok(last)
    }
}

impl<H: Host> Engine<H> {
    /// Keys and values of some tokens, read by themselves behind the sink.
    fn read_alone(&self, tokens: &[u32]) -> States {
        let tokens: Vec<u32> = self.prompts.sink().into_iter().chain(tokens.iter().copied()).collect();
        let mut cache = self.reader.cache(1, tokens.len());
        let span = cache.next(1, tokens.len());
        self.reader.forward_last(self.reader.embed(token_ids(&tokens, &self.device)), &mut cache, span);
        cache.states(usize::from(self.prompts.sink().is_some())..tokens.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::ChunkId;

    fn prompt(segments: Vec<Segment>) -> Prompt {
        let positions = |segment: &Segment| match segment {
            Segment::Tokens(tokens) | Segment::Alone(tokens) => tokens.len(),
            Segment::Soft(_) => 3,
        };
        let prompt_tokens = segments.iter().map(positions).sum();
        Prompt { segments, prompt_tokens, ..Prompt::default() }
    }

    #[test]
    fn tokens_and_soft_tokens_are_read_in_one_go() {
        let soft = Segment::Soft(ChunkId::new(0, 0));
        let prompt =
            prompt(vec![Segment::Tokens(vec![1; 4]), soft.clone(), soft, Segment::Tokens(vec![2; 5])]);
        assert_eq!(steps(&prompt, 0, None, 3), [Step::Read(0..15)]);
        assert_eq!(steps(&prompt, 8, None, 3), [Step::Read(8..15)]);
    }

    #[test]
    fn chunks_are_put_in_and_the_rest_is_read() {
        let chunk = |token| Segment::Alone(vec![token; 10]);
        let prompt =
            prompt(vec![Segment::Tokens(vec![0]), chunk(1), chunk(2), Segment::Tokens(vec![3; 100])]);
        let put = |token, held| Step::Chunk { tokens: vec![token; 10], held };
        let all = [Step::Read(0..1), put(1, 0), put(2, 0), Step::Read(21..121)];
        assert_eq!(steps(&prompt, 0, None, 3), all);
        assert_eq!(steps(&prompt, 13, None, 3), [put(2, 2), Step::Read(21..121)]);
        assert_eq!(steps(&prompt, 120, None, 3), [Step::Read(120..121)]);
        let moved = [put(2, 2), Step::Moved, Step::Read(90..121)];
        assert_eq!(steps(&prompt, 13, Some(&(21..90)), 3), moved);
    }

    #[test]
    fn what_is_moved_is_not_read() {
        let prompt = prompt(vec![Segment::Tokens(vec![0; 100])]);
        assert_eq!(steps(&prompt, 1, None, 3), [Step::Read(1..100)]);
        let around = [Step::Read(1..30), Step::Moved, Step::Read(70..100)];
        assert_eq!(steps(&prompt, 1, Some(&(30..70)), 3), around);
        assert_eq!(steps(&prompt, 30, Some(&(30..70)), 3), around[1..]);
    }
}
