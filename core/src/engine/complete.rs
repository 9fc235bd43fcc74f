//! One completion: retrieve → assemble → prefill → decode.

use std::collections::HashMap;

use burn::tensor::{Tensor, TensorData};
use llavacode_api::completion::{Completion, CompletionEvent, Lane, RetrievedChunk, Ttft};

use super::{
    CancelFlag, Engine, Host,
    generation::Generation,
    place::Place,
    session::{Position, Session},
};
use crate::{
    Error, Result,
    bundle::{PROJECTOR, XRAG_PROJECTOR},
    index::{ChunkId, Index, RetrievedHit},
    model::token_ids,
    prompt::{Prompt, PromptChunk, Segment},
    workspace::{VectorCache, Workspace},
};

impl<H: Host> Engine<H> {
    /// Completes at a place in one lane, with what the workspace has for it, telling what happens as it
    /// happens; `Done` comes last. What the lanes share is made once a place.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once `cancel` is set, [`Error::LaneMissing`] for a lane that is not among
    /// [`Engine::lanes`], [`Error::ContextOverflow`] if the budgets exceed the reader's context,
    /// [`Error::Device`] if the device fails.
    pub async fn complete<C: VectorCache>(
        &mut self,
        workspace: &mut Workspace<C>,
        place: &mut Place,
        lane: Lane,
        cancel: &CancelFlag,
        mut emit: impl FnMut(CompletionEvent),
    ) -> Result<Completion> {
        if !self.lanes().contains(&lane) {
            let file = match lane {
                Lane::Xrag => XRAG_PROJECTOR,
                Lane::Cached => "prompt.sink_token in bundle.json",
                Lane::Digest => "prompt.digest_tokens in bundle.json",
                Lane::Excerpt => "prompt.excerpt_tokens in bundle.json",
                Lane::Expansion if self.projector.is_some() => "prompt.expansion_tokens in bundle.json",
                _ => PROJECTOR,
            };
            return Err(Error::LaneMissing { lane: lane.key(), file });
        }
        let (hits, retrieve_ms) = match lane.retrieves() {
            true => place.hits(self, workspace).await?,
            false => (Vec::new(), 0.0),
        };
        // What was not embedded yet is wanted now.
        let (encoded_chunks, encode_ms) = match lane.has_soft_tokens() {
            true => place.embed(self, workspace, &hits).await?,
            false => (0, 0.0),
        };
        let index = workspace.index();
        let (local, tokenise_ms) = place.local_part(self);
        let assembling = self.host.now_ms();
        let chunks = prompt_chunks(index, &hits);
        let prompt = self.prompts.build(lane, local, &chunks);
        let assembled = self.host.now_ms();
        emit(CompletionEvent::Retrieved { chunks: shown(index, &hits[..prompt.chunks]) });

        let assemble_ms = tokenise_ms + assembled - assembling;
        let total_ms = retrieve_ms + encode_ms + assemble_ms;
        let begun = Ttft { retrieve_ms, encode_ms, encoded_chunks, assemble_ms, prefill_ms: 0.0, total_ms };
        let mut session = self.take_session(lane, &prompt)?;
        let mut kept = std::mem::take(&mut self.read_chunks);
        let mut generation = Generation::new(self, index, lane, &prompt, place, chunks);
        let outcome = generation.run(&mut session, &mut kept, cancel, &mut emit, begun).await;
        session.forget_generated();
        self.sessions.insert(lane, session);
        self.read_chunks = kept;
        let completion = outcome?;
        emit(CompletionEvent::Done(completion.clone()));
        Ok(completion)
    }

    /// The lane's session, which is put back when the completion is over.
    fn take_session(&mut self, lane: Lane, prompt: &Prompt) -> Result<Session> {
        let capacity = self.capacity();
        let needed = prompt.prompt_tokens + self.manifest.prompt.max_new_tokens;
        if needed > capacity {
            return Err(Error::ContextOverflow { needed, capacity });
        }
        Ok(self.sessions.remove(&lane).unwrap_or_else(|| self.session()))
    }

    /// The prompt, position by position.
    pub(super) fn positions(&self, index: &Index, prompt: &Prompt) -> Vec<Position> {
        let mut positions = Vec::with_capacity(prompt.prompt_tokens);
        for segment in &prompt.segments {
            match segment {
                Segment::Tokens(ids) | Segment::Alone(ids) => {
                    positions.extend(ids.iter().map(|&id| Position::Token(id)))
                }
                Segment::Soft(id) => {
                    let numbers = 0..self.manifest.prompt.soft_tokens.get();
                    let chunk = index.chunk(*id);
                    positions.extend(chunk.into_iter().flat_map(|chunk| {
                        numbers.clone().map(|number| Position::Soft(*id, chunk.hash, number))
                    }));
                }
            }
        }
        positions
    }

    /// Input vectors of some positions, `[positions, hidden]`.
    pub(super) fn embed_positions(&self, index: &Index, lane: Lane, positions: &[Position]) -> Tensor<2> {
        let same_kind =
            |a: &Position, b: &Position| matches!(a, Position::Token(_)) == matches!(b, Position::Token(_));
        let runs: Vec<_> = positions
            .chunk_by(same_kind)
            .map(|run| match run[0] {
                Position::Token(_) => {
                    let ids: Vec<u32> = run.iter().filter_map(|p| p.token()).collect();
                    self.reader.embed(token_ids(&ids, &self.device))
                }
                Position::Soft(..) => self.embed_soft(index, lane, run.iter().filter_map(|p| p.soft())),
            })
            .collect();
        Tensor::cat(runs, 0)
    }

    fn embed_soft(
        &self,
        index: &Index,
        lane: Lane,
        soft: impl Iterator<Item = (ChunkId, usize)>,
    ) -> Tensor<2> {
        let width = self.reader.config().hidden_size;
        let mut chunks: HashMap<ChunkId, Option<Vec<f32>>> = HashMap::new();
        let mut values = Vec::new();
        for (id, number) in soft {
            let vectors = chunks.entry(id).or_insert_with(|| self.soft_vectors(index, lane, id));
            let vector = vectors.as_deref().and_then(|vectors| vectors.chunks_exact(width).nth(number));
            values.extend_from_slice(vector.unwrap_or_default());
        }
        let rows = values.len() / width;
        Tensor::from_data(TensorData::new(values, [rows, width]), &self.device)
    }
}

fn prompt_chunks<'i>(index: &'i Index, hits: &[RetrievedHit]) -> Vec<PromptChunk<'i>> {
    let chunk = |hit: &RetrievedHit| {
        let chunk = index.chunk(hit.id)?;
        Some(PromptChunk { id: hit.id, span: &chunk.span, text: &chunk.text })
    };
    hits.iter().filter_map(chunk).collect()
}

fn shown(index: &Index, hits: &[RetrievedHit]) -> Vec<RetrievedChunk> {
    let show = |hit: &RetrievedHit| {
        let chunk = index.chunk(hit.id)?;
        Some(RetrievedChunk {
            span: chunk.span.clone(),
            text: chunk.text.to_string(),
            score: hit.score,
            ranks: hit.ranks,
        })
    };
    hits.iter().filter_map(show).collect()
}
