//! Prefill and decoding of one completion: from its prompt's positions to its text.

use burn::tensor::{Int, Tensor, Transaction};
use llavacode_api::completion::{Completion, CompletionEvent, CompletionRequest, Lane, StopReason, Ttft};

use super::{
    CancelFlag, Engine, Host,
    prefill::{Prefill, steps},
    read_chunks::ReadChunks,
    session::{Position, Session},
    stop::StopRule,
};
use crate::{
    Error, Result,
    device::has_kernels,
    index::Index,
    kernel::{self, Likeliest},
    model::token_ids,
    prompt::{Healing, Prompt, Segment},
    tokenize::StreamDecoder,
};

/// A completion under way.
pub(super) struct Generation<'a, H> {
    engine: &'a Engine<H>,
    index: &'a Index,
    lane: Lane,
    prompt: &'a Prompt,
    positions: Vec<Position>,
    rule: StopRule,
    healing: Healing,
    decoder: StreamDecoder,
    /// Everything generated, what the stop rule will cut off included.
    text: String,
    /// How much of it was told.
    told: usize,
    /// ln of the probability of each token that brought new text.
    log_probabilities: Vec<f32>,
    /// Tokens generated, those that healing took back included.
    generated: usize,
}

/// A token that was chosen.
struct NextToken {
    /// Its id.
    id: u32,
    /// ln of its probability, among the tokens that could be chosen.
    log_probability: f32,
    /// The same on the device, `[1]`.
    on_device: Tensor<1, Int>,
}

impl<'a, H: Host> Generation<'a, H> {
    pub(super) fn new(
        engine: &'a Engine<H>,
        index: &'a Index,
        request: &CompletionRequest,
        lane: Lane,
        prompt: &'a Prompt,
    ) -> Self {
        Self {
            engine,
            index,
            lane,
            prompt,
            positions: engine.positions(index, prompt),
            rule: StopRule::new(&request.prefix, &request.suffix, request.multi_line, engine.prompts.style()),
            healing: Healing::new(&prompt.taken_back),
            decoder: StreamDecoder::new(),
            text: String::new(),
            told: 0,
            log_probabilities: Vec::new(),
            generated: 0,
        }
    }

    /// Completes; `ttft` is what was spent on it before.
    pub(super) async fn run(
        &mut self,
        session: &mut Session,
        kept: &mut ReadChunks,
        cold: bool,
        cancel: &CancelFlag,
        emit: &mut impl FnMut(CompletionEvent),
        mut ttft: Ttft,
    ) -> Result<Completion> {
        let engine = self.engine;
        let started = engine.host.now_ms();
        let prefill = self.prefill(session.reuse(&self.positions, cold));
        let (chunks, chunks_read) = prefill.chunks(kept, cancel).await?;
        let chunks_there = engine.host.now_ms();
        let (last, positions_read) = prefill.fill(session, chunks, kept, cold, cancel).await?;
        let reused_tokens = self.prompt.prompt_tokens - positions_read - chunks_read.positions;
        let mut chosen = self.choose(engine.reader.logits(last)).await?;
        session.hold(&self.positions);
        while self.stands_before_cursor(chosen.id) {
            cancel.check()?;
            self.heal(chosen.id);
            chosen = self.step(chosen, session).await?;
        }
        let first_token = engine.host.now_ms();
        if chunks_read.chunks > 0 {
            ttft.encoded_chunks = chunks_read.chunks;
            ttft.encode_ms += chunks_there - started;
        }
        ttft.total_ms += first_token - started;
        ttft.prefill_ms = ttft.total_ms - ttft.retrieve_ms - ttft.encode_ms - ttft.assemble_ms;
        emit(CompletionEvent::FirstToken { ttft });

        let mut launches_per_step = None;
        let (end, stop) = loop {
            if let Some(stop) = self.accept(&chosen, emit) {
                break stop;
            }
            cancel.check()?;
            let before = kernel::launches();
            chosen = self.step(chosen, session).await?;
            let launches = (kernel::launches() - before) as usize;
            launches_per_step = (launches > 0).then_some(launches);
            if !has_kernels(&engine.device) {
                engine.host.yield_now().await;
            }
        };
        let decode_seconds = (engine.host.now_ms() - first_token) / 1e3;
        self.text.truncate(end);
        let end = self.rule.before_rest(&self.text).max(self.told);
        self.text.truncate(end);
        self.tell(end, emit);
        let new_tokens = self.log_probabilities.len();
        Ok(Completion {
            text: std::mem::take(&mut self.text),
            prompt_tokens: self.prompt.prompt_tokens,
            soft_tokens: self.prompt.soft_tokens,
            reused_tokens,
            new_tokens,
            log_probabilities: std::mem::take(&mut self.log_probabilities),
            stop,
            ttft,
            decode_tokens_per_s: (new_tokens > 1).then(|| (new_tokens - 1) as f64 / decode_seconds),
            launches_per_step,
            prompt: self.prompt.parts.clone(),
        })
    }

    /// What a session that holds so many positions of the prompt still needs.
    fn prefill(&self, held: usize) -> Prefill<'_, H> {
        let behind = self.prompt.segments.last().map_or(0, |segment| match segment {
            Segment::Tokens(tokens) => tokens.len(),
            Segment::Alone(_) | Segment::Soft(_) => 0,
        });
        Prefill {
            engine: self.engine,
            index: self.index,
            lane: self.lane,
            positions: &self.positions,
            local_start: self.positions.len() - behind,
            steps: steps(self.prompt, held, self.engine.manifest.prompt.soft_tokens.get()),
        }
    }

    /// One decode step: from a token to the next one.
    async fn step(&self, chosen: NextToken, session: &mut Session) -> Result<NextToken> {
        let span = session.cache.next(1, 1);
        let reader = &self.engine.reader;
        // The chosen token goes to the next step on the device.
        let hidden = reader.forward(reader.embed(chosen.on_device), &mut session.cache, span);
        self.choose(reader.logits(hidden)).await
    }

    /// The likeliest token; while text before the cursor is being written anew, of those that do.
    async fn choose(&self, logits: Tensor<2>) -> Result<NextToken> {
        if self.healing.is_over() {
            let likeliest = kernel::argmax(logits);
            let (id, log_probability) = read(&likeliest).await?;
            return Ok(NextToken { id, log_probability, on_device: likeliest.ids });
        }
        let data = logits.into_data_async().await.map_err(|e| Error::Device { reason: e.to_string() })?;
        let logits: Vec<f32> = data.iter().collect();
        // The text that was taken back is made of tokens, so one of them is allowed.
        let (id, log_probability) = self.healing.choose(&self.engine.tokenizer, &logits).unwrap_or_default();
        Ok(NextToken { id, log_probability, on_device: token_ids(&[id], &self.engine.device) })
    }

    /// Whether a token brings nothing new: it stands before the cursor, and there is room for more.
    fn stands_before_cursor(&self, id: u32) -> bool {
        let bytes = self.engine.tokenizer.token_bytes(id).len();
        (1..=self.healing.left()).contains(&bytes)
            && self.generated + 1 < self.engine.manifest.prompt.max_new_tokens
    }

    /// Takes in a token that stands before the cursor.
    fn heal(&mut self, id: u32) {
        self.generated += 1;
        self.healing.advance(self.engine.tokenizer.token_bytes(id));
    }

    /// Takes a token in. Says where the text ends once it does, and why.
    fn accept(
        &mut self,
        chosen: &NextToken,
        emit: &mut impl FnMut(CompletionEvent),
    ) -> Option<(usize, StopReason)> {
        let id = chosen.id;
        self.log_probabilities.push(chosen.log_probability);
        self.generated += 1;
        if self.engine.tokenizer.is_special(id) {
            return Some((self.text.len(), StopReason::EndOfText));
        }
        let bytes = self.engine.tokenizer.token_bytes(id);
        let known = self.healing.advance(bytes);
        let whole = self.decoder.push_bytes(&bytes[known..]);
        self.text.push_str(&whole);
        if let Some(cut) = self.rule.cut(&self.text) {
            return Some(cut);
        }
        if self.generated >= self.engine.manifest.prompt.max_new_tokens {
            return Some((self.text.len(), StopReason::MaxTokens));
        }
        // A line break is told with the line after it: the completion may end before it.
        self.tell(self.rule.certain(&self.text), emit);
        None
    }

    fn tell(&mut self, end: usize, emit: &mut impl FnMut(CompletionEvent)) {
        if end > self.told {
            emit(CompletionEvent::Text { text: self.text[self.told..end].to_owned() });
            self.told = end;
        }
    }
}

/// Reads a row's id and log-probability back, eight bytes in one go.
async fn read(likeliest: &Likeliest) -> Result<(u32, f32)> {
    let both =
        Transaction::default().register(likeliest.log_probabilities.clone()).register(likeliest.ids.clone());
    let data = both.execute_async().await.map_err(|e| Error::Device { reason: e.to_string() })?;
    let log_probability = data.first().and_then(|data| data.iter::<f32>().next());
    let id = data.get(1).and_then(|data| data.iter::<u32>().next());
    id.zip(log_probability).ok_or_else(|| Error::Device { reason: "it gave no token back".into() })
}
