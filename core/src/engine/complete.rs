//! One completion: retrieve → assemble → prefill → decode.

use burn::tensor::{Int, Tensor, TensorData};

use super::{
    CancelFlag, Completion, CompletionEvent, CompletionRequest, Engine, Host, Lane, RetrievedChunk,
    StopReason, Ttft,
    session::{Position, Session},
    stop::StopRule,
};
use crate::{
    Error, Result,
    bundle::XRAG_PROJECTOR,
    index::{ChunkId, Query, Ranker, RetrievedHit, SAME_FILE_DISTANCE},
    kernel,
    model::reader::token_ids,
    prompt::{Prompt, PromptChunk, Segment},
    tokenize::StreamDecoder,
};

/// Rows read in one pass. Between passes a newer request can cancel this one.
const PREFILL_ROWS: usize = 512;

impl<H: Host> Engine<H> {
    /// Completes at a cursor, telling what happens as it happens; `Done` comes last.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once `cancel` is set, [`Error::LaneMissing`] for a lane that is not among
    /// [`Engine::lanes`], [`Error::ContextOverflow`] if the budgets exceed the reader's context,
    /// [`Error::Device`] if the device fails.
    pub async fn complete(
        &mut self,
        request: &CompletionRequest,
        cancel: &CancelFlag,
        mut emit: impl FnMut(CompletionEvent),
    ) -> Result<Completion> {
        if !self.lanes().contains(&request.lane) {
            return Err(Error::LaneMissing { lane: request.lane.key(), file: XRAG_PROJECTOR });
        }
        let started = self.host.now_ms();
        let hits = self.retrieve(request);
        let retrieved = self.host.now_ms();
        let prompt = self.assemble(request, &hits);
        let assembled = self.host.now_ms();
        emit(CompletionEvent::Retrieved { chunks: self.shown(&hits[..prompt.chunks]) });

        let mut session = self.take_session(request.lane, &prompt)?;
        let mut generation = Generation::new(self, request, &prompt);
        let ttft = |now: f64| Ttft {
            retrieve_ms: retrieved - started,
            encode_ms: 0.0,
            assemble_ms: assembled - retrieved,
            prefill_ms: now - assembled,
            total_ms: now - started,
        };
        let outcome = generation.run(&mut session, request.cold, cancel, &mut emit, ttft).await;
        session.forget_generated();
        self.sessions.insert(request.lane, session);
        let completion = outcome?;
        emit(CompletionEvent::Done(completion.clone()));
        Ok(completion)
    }

    fn retrieve(&self, request: &CompletionRequest) -> Vec<RetrievedHit> {
        if request.lane == Lane::Base {
            return Vec::new();
        }
        let mut hits = self.index.retrieve(&Query {
            path: &request.path,
            prefix: &request.prefix,
            same_file: request.same_file.then_some(SAME_FILE_DISTANCE),
            top_k: self.manifest.prompt.top_k,
            ranker: Ranker::Jaccard,
        });
        if request.lane != Lane::FullRag {
            // A chunk not embedded yet has no soft tokens.
            hits.retain(|hit| self.soft_vectors(request.lane, hit.id).is_some());
        }
        hits
    }

    fn assemble(&self, request: &CompletionRequest, hits: &[RetrievedHit]) -> Prompt {
        let chunks: Vec<_> = hits
            .iter()
            .filter_map(|hit| {
                let chunk = self.index.chunk(hit.id)?;
                Some(PromptChunk { id: hit.id, place: &chunk.place, text: &chunk.text })
            })
            .collect();
        self.prompts.build(request.lane, &request.prefix, &request.suffix, &chunks)
    }

    fn shown(&self, hits: &[RetrievedHit]) -> Vec<RetrievedChunk> {
        let show = |hit: &RetrievedHit| {
            let chunk = self.index.chunk(hit.id)?;
            Some(RetrievedChunk {
                place: chunk.place.clone(),
                text: chunk.text.to_string(),
                score: hit.score,
            })
        };
        hits.iter().filter_map(show).collect()
    }

    /// The lane's session, which is put back when the completion is over.
    fn take_session(&mut self, lane: Lane, prompt: &Prompt) -> Result<Session> {
        let capacity = self.capacity();
        let needed = prompt.prompt_tokens + self.manifest.prompt.max_new_tokens;
        if needed > capacity {
            return Err(Error::ContextOverflow { needed, capacity });
        }
        let session = self.sessions.remove(&lane);
        Ok(session.unwrap_or_else(|| Session::new(self.reader.cache(1, capacity))))
    }

    /// The prompt, position by position.
    fn positions(&self, prompt: &Prompt) -> Vec<Position> {
        let mut positions = Vec::with_capacity(prompt.prompt_tokens);
        for segment in &prompt.segments {
            match segment {
                Segment::Tokens(ids) => positions.extend(ids.iter().map(|&id| Position::Token(id))),
                Segment::Soft(id) => {
                    let numbers = 0..self.manifest.prompt.soft_tokens.get();
                    let chunk = self.index.chunk(*id);
                    positions.extend(chunk.into_iter().flat_map(|chunk| {
                        numbers.clone().map(|number| Position::Soft(*id, chunk.hash, number))
                    }));
                }
            }
        }
        positions
    }

    /// Input vectors of some positions, `[positions, hidden]`.
    fn embed_positions(&self, lane: Lane, positions: &[Position]) -> Tensor<2> {
        let same_kind =
            |a: &Position, b: &Position| matches!(a, Position::Token(_)) == matches!(b, Position::Token(_));
        let runs: Vec<_> = positions
            .chunk_by(same_kind)
            .map(|run| match run[0] {
                Position::Token(_) => {
                    let ids: Vec<u32> = run.iter().filter_map(|p| p.token()).collect();
                    self.reader.embed(token_ids(&ids, &self.device))
                }
                Position::Soft(..) => self.embed_soft(lane, run.iter().filter_map(|p| p.soft())),
            })
            .collect();
        Tensor::cat(runs, 0)
    }

    fn embed_soft(&self, lane: Lane, soft: impl Iterator<Item = (ChunkId, usize)>) -> Tensor<2> {
        let width = self.reader.config().hidden_size;
        let vector = |(id, number)| self.soft_vectors(lane, id)?.chunks_exact(width).nth(number);
        let values: Vec<f32> = soft.filter_map(vector).flatten().copied().collect();
        let rows = values.len() / width;
        Tensor::from_data(TensorData::new(values, [rows, width]), &self.device)
    }
}

/// A completion under way.
struct Generation<'a, H> {
    engine: &'a Engine<H>,
    lane: Lane,
    prompt: &'a Prompt,
    positions: Vec<Position>,
    rule: StopRule,
    decoder: StreamDecoder,
    /// Everything generated, what the stop rule will cut off included.
    text: String,
    /// How much of it was told.
    told: usize,
    new_tokens: usize,
}

impl<'a, H: Host> Generation<'a, H> {
    fn new(engine: &'a Engine<H>, request: &CompletionRequest, prompt: &'a Prompt) -> Self {
        Self {
            engine,
            lane: request.lane,
            prompt,
            positions: engine.positions(prompt),
            rule: StopRule::new(&request.prefix, &request.suffix, request.multi_line),
            decoder: StreamDecoder::new(),
            text: String::new(),
            told: 0,
            new_tokens: 0,
        }
    }

    async fn run(
        &mut self,
        session: &mut Session,
        cold: bool,
        cancel: &CancelFlag,
        emit: &mut impl FnMut(CompletionEvent),
        ttft: impl FnOnce(f64) -> Ttft,
    ) -> Result<Completion> {
        let engine = self.engine;
        let reused_tokens = session.reuse(&self.positions, cold);
        let mut next = self.prefill(session, cancel).await?;
        let mut id = read_id(&next).await?;
        session.hold(&self.positions);
        let first_token = engine.host.now_ms();
        let ttft = ttft(first_token);
        emit(CompletionEvent::FirstToken { ttft });

        let mut launches_per_step = None;
        let (end, stop) = loop {
            if let Some(stop) = self.accept(id, emit) {
                break stop;
            }
            cancel.check()?;
            let before = kernel::launches();
            // The chosen token goes to the next step on the device; only its id comes back.
            next = self.step(next, session);
            let launches = (kernel::launches() - before) as usize;
            launches_per_step = (launches > 0).then_some(launches);
            id = read_id(&next).await?;
            if !kernel::has_kernels(&engine.device) {
                engine.host.yield_now().await;
            }
        };
        let decode_seconds = (engine.host.now_ms() - first_token) / 1e3;
        self.text.truncate(end);
        self.tell(end, emit);
        Ok(Completion {
            text: std::mem::take(&mut self.text),
            prompt_tokens: self.prompt.prompt_tokens,
            soft_tokens: self.prompt.soft_tokens,
            reused_tokens,
            new_tokens: self.new_tokens,
            stop,
            ttft,
            decode_tokens_per_s: (self.new_tokens > 1).then(|| (self.new_tokens - 1) as f64 / decode_seconds),
            launches_per_step,
            prompt: self.prompt.parts.clone(),
        })
    }

    /// Reads what the session does not hold yet; gives the first token's id, on the device.
    async fn prefill(&self, session: &mut Session, cancel: &CancelFlag) -> Result<Tensor<1, Int>> {
        let mut last = None;
        for rows in self.positions[session.cache.len..].chunks(PREFILL_ROWS) {
            cancel.check()?;
            let span = session.cache.next(1, rows.len());
            let inputs = self.engine.embed_positions(self.lane, rows);
            let hidden = self.engine.reader.forward(inputs, &mut session.cache, span);
            last = Some(hidden.narrow(0, rows.len() - 1, 1));
            self.engine.host.yield_now().await;
        }
        // A prompt is never empty: it has its special tokens.
        let last = last.ok_or_else(|| Error::Device { reason: "there was nothing to read".into() })?;
        Ok(kernel::argmax(self.engine.reader.logits(last)))
    }

    /// One decode step: from a token's id to the next one's, on the device.
    fn step(&self, id: Tensor<1, Int>, session: &mut Session) -> Tensor<1, Int> {
        let span = session.cache.next(1, 1);
        let reader = &self.engine.reader;
        let hidden = reader.forward(reader.embed(id), &mut session.cache, span);
        kernel::argmax(reader.logits(hidden))
    }

    /// Takes a token in. Says where the text ends once it does, and why.
    fn accept(&mut self, id: u32, emit: &mut impl FnMut(CompletionEvent)) -> Option<(usize, StopReason)> {
        self.new_tokens += 1;
        if self.engine.tokenizer.is_special(id) {
            return Some((self.text.len(), StopReason::EndOfText));
        }
        let whole = self.decoder.push(&self.engine.tokenizer, id);
        self.text.push_str(&whole);
        if let Some(cut) = self.rule.cut(&self.text) {
            return Some(cut);
        }
        if self.new_tokens >= self.engine.manifest.prompt.max_new_tokens {
            return Some((self.text.len(), StopReason::MaxTokens));
        }
        // A line break is told with the line after it: the completion may end before it.
        self.tell(self.text.trim_end().len(), emit);
        None
    }

    fn tell(&mut self, end: usize, emit: &mut impl FnMut(CompletionEvent)) {
        if end > self.told {
            emit(CompletionEvent::Text { text: self.text[self.told..end].to_owned() });
            self.told = end;
        }
    }
}

/// Reads one id back: four bytes.
async fn read_id(id: &Tensor<1, Int>) -> Result<u32> {
    let data = id.clone().into_data_async().await.map_err(|e| Error::Device { reason: e.to_string() })?;
    let id = data.iter::<u32>().next();
    id.ok_or_else(|| Error::Device { reason: "it gave no token back".into() })
}
