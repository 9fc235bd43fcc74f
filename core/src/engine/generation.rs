//! Prefill and decoding of one completion: from its prompt's positions to its text.

use std::{collections::VecDeque, ops::Range};

use burn::tensor::{Int, Tensor, Transaction};
use llavacode_api::completion::{Completion, CompletionEvent, Lane, StopReason, Ttft};

use super::{
    CancelFlag, Engine, Host,
    ahead::{Begun, Queued},
    lookup::Lookup,
    place::Place,
    prefill::{Prefill, steps},
    read_chunks::ReadChunks,
    session::{Asked, Position, Session},
    stop::StopRule,
};
use crate::{
    Error, Result,
    device::{self, has_kernels},
    index::Index,
    kernel::{self, Likeliest},
    model::token_ids,
    prompt::{Healing, Prompt, PromptChunk},
    tokenize::StreamDecoder,
};

/// A completion under way.
pub(super) struct Generation<'a, H> {
    engine: &'a Engine<H>,
    index: &'a Index,
    lane: Lane,
    prompt: &'a Prompt,
    place: &'a mut Place,
    /// What was retrieved, best first.
    chunks: Vec<PromptChunk<'a>>,
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
    generated: Vec<u32>,
    /// Where draft tokens are found.
    lookup: Lookup,
    /// Draft tokens that were checked, and those that were right.
    draft_tokens: usize,
    accepted_tokens: usize,
    /// Kernel launches of a pass that read one token.
    launches_per_step: Option<usize>,
}

/// A token that was chosen.
#[derive(Clone, Copy)]
struct Token {
    id: u32,
    /// ln of its probability, among the tokens that could be chosen.
    log_probability: f32,
}

/// What was chosen behind the tokens of a pass.
struct Chosen {
    /// The draft tokens that are those chosen.
    right: Vec<Token>,
    /// The one behind them.
    next: Token,
    /// Its id on the device, `[1]`.
    on_device: Tensor<1, Int>,
}

impl<'a, H: Host> Generation<'a, H> {
    pub(super) fn new(
        engine: &'a Engine<H>,
        index: &'a Index,
        lane: Lane,
        prompt: &'a Prompt,
        place: &'a mut Place,
        chunks: Vec<PromptChunk<'a>>,
    ) -> Self {
        let request = place.request();
        let style = engine.prompts.style();
        Self {
            engine,
            index,
            lane,
            prompt,
            positions: engine.positions(index, prompt),
            rule: StopRule::new(&request.prefix, &request.suffix, request.multi_line, style),
            place,
            chunks,
            healing: Healing::new(&prompt.taken_back),
            decoder: StreamDecoder::new(),
            text: String::new(),
            told: 0,
            log_probabilities: Vec::new(),
            generated: Vec::new(),
            lookup: Lookup::default(),
            draft_tokens: 0,
            accepted_tokens: 0,
            launches_per_step: None,
        }
    }

    /// Completes; `ttft` is what was spent on it before.
    pub(super) async fn run(
        &mut self,
        session: &mut Session,
        kept: &mut ReadChunks,
        cancel: &CancelFlag,
        emit: &mut impl FnMut(CompletionEvent),
        mut ttft: Ttft,
    ) -> Result<Completion> {
        let engine = self.engine;
        let started = engine.host.now_ms();
        let asked = Asked {
            positions: &self.positions,
            text_starts: self.text_starts(),
            reread: engine.manifest.prompt.reread_tokens,
            cold: self.place.request().cold,
        };
        let reuse = session.reuse(asked, || engine.cache());
        let (range, moved) = reuse.moved.unzip();
        let prefill = self.prefill(reuse.held, range.as_ref());
        let (chunks, chunks_read) = prefill.chunks(kept, cancel).await?;
        let chunks_there = engine.host.now_ms();
        let (last, positions_read) = prefill.fill(session, chunks, moved, cancel).await?;
        let reused_tokens = self.prompt.prompt_tokens - positions_read - chunks_read.positions;
        let mut chosen = self.choose(engine.reader.logits(last), &[]).await?;
        session.hold(&self.positions, self.text_starts());
        while self.stands_before_cursor(chosen.next.id) {
            cancel.check()?;
            self.heal(chosen.next.id);
            chosen = self.step(chosen, &[], session).await?;
        }
        let first_token = engine.host.now_ms();
        if chunks_read.chunks > 0 {
            ttft.encoded_chunks = chunks_read.chunks;
            ttft.encode_ms += chunks_there - started;
        }
        ttft.total_ms += first_token - started;
        ttft.prefill_ms = ttft.total_ms - ttft.retrieve_ms - ttft.encode_ms - ttft.assemble_ms;
        emit(CompletionEvent::FirstToken { ttft });

        let (end, stop) = self.decode(chosen, session, cancel, emit).await?;
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
            draft_tokens: self.draft_tokens,
            accepted_tokens: self.accepted_tokens,
            launches_per_step: self.launches_per_step,
            prompt: self.prompt.parts.clone(),
        })
    }

    /// Where text begins that may be moved.
    fn text_starts(&self) -> [usize; 2] {
        [self.prompt.local_start, self.prompt.before_start]
    }

    /// What a session still needs that holds so many positions of the prompt, and `moved` from another one.
    fn prefill(&self, held: usize, moved: Option<&Range<usize>>) -> Prefill<'_, H> {
        Prefill {
            engine: self.engine,
            index: self.index,
            lane: self.lane,
            positions: &self.positions,
            steps: steps(self.prompt, held, moved, self.engine.manifest.prompt.soft_tokens.get()),
        }
    }

    /// Decodes from the first token on. Says where the text ends, and why.
    async fn decode(
        &mut self,
        first: Chosen,
        session: &mut Session,
        cancel: &CancelFlag,
        emit: &mut impl FnMut(CompletionEvent),
    ) -> Result<(usize, StopReason)> {
        let mut queued = VecDeque::new();
        let outcome = self.decode_from(first, &mut queued, session, cancel, emit).await;
        // Of a read that is given up the buffer stays mapped, and no later one could use it.
        for Queued { chosen, .. } in queued {
            drop(chosen.value().await);
        }
        outcome
    }

    async fn decode_from(
        &mut self,
        mut chosen: Chosen,
        queued: &mut VecDeque<Queued<Result<Vec<Token>>>>,
        session: &mut Session,
        cancel: &CancelFlag,
        emit: &mut impl FnMut(CompletionEvent),
    ) -> Result<(usize, StopReason)> {
        let engine = self.engine;
        if engine.draft_tokens > 0 {
            self.lookup = self.place.lookup(engine, &self.chunks);
            self.generated.iter().for_each(|&token| self.lookup.push(token));
        }
        loop {
            for token in chosen.right.iter().chain([&chosen.next]) {
                if let Some(stop) = self.accept(*token, emit) {
                    return Ok(stop);
                }
            }
            cancel.check()?;
            chosen = match engine.draft_tokens == 0 && self.healing.is_over() {
                true => self.next(chosen, queued, session).await?,
                false => {
                    let draft = self.draft();
                    let chosen = self.step(chosen, &draft, session).await?;
                    self.draft_tokens += draft.len();
                    self.accepted_tokens += chosen.right.len();
                    chosen
                }
            };
            if !has_kernels(&engine.device) {
                engine.host.yield_now().await;
            }
        }
    }

    /// Tokens to be checked beside the last one: few enough that all of them may be taken in.
    fn draft(&self) -> Vec<u32> {
        let engine = self.engine;
        let left = engine.manifest.prompt.max_new_tokens.saturating_sub(self.generated.len() + 1);
        let most = if self.healing.is_over() { engine.draft_tokens.min(left) } else { 0 };
        let multi_line = self.place.request().multi_line;
        let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let ends = |token| {
            engine.tokenizer.is_special(token)
                || !multi_line && engine.tokenizer.token_bytes(token).iter().any(is_line_end)
        };
        self.lookup.draft(most, ends).to_vec()
    }

    /// One decode step: from the token chosen last, and a draft of what follows it, to the next one. The
    /// cache then ends before that one.
    async fn step(&self, last: Chosen, draft: &[u32], session: &mut Session) -> Result<Chosen> {
        let start = session.cache.len;
        // The chosen token goes to the next step on the device.
        let ids = match draft {
            [] => last.on_device,
            draft => Tensor::cat(vec![last.on_device, token_ids(draft, &self.engine.device)], 0),
        };
        let chosen = self.choose(self.read_tokens(ids, session), draft).await?;
        session.cache.truncate(start + 1 + chosen.right.len());
        Ok(chosen)
    }

    /// The next token, with the steps behind it queued that may be wanted. The cache then ends behind those.
    async fn next(
        &mut self,
        last: Chosen,
        queued: &mut VecDeque<Queued<Result<Vec<Token>>>>,
        session: &mut Session,
    ) -> Result<Chosen> {
        let engine = self.engine;
        let left = engine.manifest.prompt.max_new_tokens.saturating_sub(self.generated.len());
        while queued.len() < left.clamp(1, 1 + engine.steps_ahead) {
            let ids = queued.back().map_or(&last.on_device, |step| &step.ids).clone();
            let before = kernel::launches();
            let likeliest = kernel::argmax(self.read_tokens(ids, session));
            let launches = (kernel::launches() - before) as usize;
            if launches > 0 {
                self.launches_per_step = Some(launches);
            }
            let ids = likeliest.ids.clone();
            queued.push_back(Queued { ids, chosen: Begun::new(read(likeliest)) });
        }
        let Queued { ids, chosen } = queued.pop_front().ok_or_else(no_token)?;
        let next = chosen.value().await?.first().copied().ok_or_else(no_token)?;
        Ok(Chosen { right: Vec::new(), next, on_device: ids })
    }

    /// Reads tokens behind what the cache holds: logits behind each of them.
    fn read_tokens(&self, ids: Tensor<1, Int>, session: &mut Session) -> Tensor<2> {
        let reader = &self.engine.reader;
        let span = session.cache.next(1, ids.dims()[0]);
        reader.logits(reader.forward(reader.embed(ids), &mut session.cache, span))
    }

    /// The likeliest token behind each row, as far as the draft was right; while text before the cursor is
    /// being written anew, which is done without a draft, the likeliest of those that do.
    async fn choose(&self, logits: Tensor<2>, draft: &[u32]) -> Result<Chosen> {
        if self.healing.is_over() {
            let likeliest = kernel::argmax(logits);
            let ids = likeliest.ids.clone();
            let tokens = read(likeliest).await?;
            let is_right = |(token, drafted): &(&Token, &u32)| token.id == **drafted;
            let right = tokens.iter().zip(draft).take_while(is_right).count();
            let next = *tokens.get(right).ok_or_else(no_token)?;
            let on_device = match draft {
                [] => ids,
                _ => ids.narrow(0, right, 1),
            };
            return Ok(Chosen { right: tokens[..right].to_vec(), next, on_device });
        }
        let logits = device::read(logits).await?;
        // The text that was taken back is made of tokens, so one of them is allowed.
        let (id, log_probability) = self.healing.choose(&self.engine.tokenizer, &logits).unwrap_or_default();
        let on_device = token_ids(&[id], &self.engine.device);
        Ok(Chosen { right: Vec::new(), next: Token { id, log_probability }, on_device })
    }

    /// Whether a token brings nothing new: it stands before the cursor, and there is room for more.
    fn stands_before_cursor(&self, id: u32) -> bool {
        let bytes = self.engine.tokenizer.token_bytes(id).len();
        (1..=self.healing.left()).contains(&bytes)
            && self.generated.len() + 1 < self.engine.manifest.prompt.max_new_tokens
    }

    /// Takes in a token that stands before the cursor.
    fn heal(&mut self, id: u32) {
        self.generated.push(id);
        self.healing.advance(self.engine.tokenizer.token_bytes(id));
    }

    /// Takes a token in. Says where the text ends once it does, and why.
    fn accept(
        &mut self,
        Token { id, log_probability }: Token,
        emit: &mut impl FnMut(CompletionEvent),
    ) -> Option<(usize, StopReason)> {
        self.log_probabilities.push(log_probability);
        self.generated.push(id);
        self.lookup.push(id);
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
        if self.generated.len() >= self.engine.manifest.prompt.max_new_tokens {
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

/// Reads the rows' ids and log-probabilities back, in one go.
async fn read(likeliest: Likeliest) -> Result<Vec<Token>> {
    let both = Transaction::default().register(likeliest.log_probabilities).register(likeliest.ids);
    let data = both.execute_async().await.map_err(|e| Error::Device { reason: e.to_string() })?;
    let [log_probabilities, ids] = &data[..] else { return Err(no_token()) };
    let rows = ids.iter::<u32>().zip(log_probabilities.iter::<f32>());
    Ok(rows.map(|(id, log_probability)| Token { id, log_probability }).collect())
}

fn no_token() -> Error {
    Error::Device { reason: "it gave no token back".into() }
}
