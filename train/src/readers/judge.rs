//! What a reader says at a cursor, and how likely the true line is to it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use burn::tensor::{Tensor, TensorData};
use llavacode_core::model::{reader::Cache, token_ids};

use super::{
    bundle::{Asking, BundleReader, Question, SOFT_TOKEN},
    held::{keep_agreeing, likeliest, nats},
};
use crate::samples::Sample;

/// Rows read in one pass: of 64 to 512 what took a processor least time.
const ROWS: usize = 256;

/// What a reader holds from one question to the next.
#[derive(Debug)]
pub struct Session {
    cache: Cache,
    /// The tokens whose keys and values the cache has.
    tokens: Vec<u32>,
    many: Speed,
    one: Speed,
}

/// How fast rows were read.
#[derive(Debug, Clone, Copy, Default)]
struct Speed {
    rows: usize,
    took: Duration,
}

impl Speed {
    fn add(&mut self, rows: usize, took: Duration) {
        self.rows += rows;
        self.took += took;
    }

    fn rows_per_s(self) -> f64 {
        self.rows as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

impl Session {
    /// Positions a second, as a person reads it.
    pub fn speed(&self) -> String {
        format!(
            "{:.0} positions/s in long passes, {:.1} one by one",
            self.many.rows_per_s(),
            self.one.rows_per_s()
        )
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What it completes the line with.
    pub text: String,
    /// −ln of the target's probability.
    pub nats: f64,
    /// Tokens that hold some of the target.
    pub target_tokens: usize,
    /// Of the prompt.
    pub positions: usize,
}

impl BundleReader {
    /// An empty session.
    pub fn session(&self) -> Session {
        Session {
            cache: self.reader.cache(1, self.capacity()),
            tokens: Vec::new(),
            many: Speed::default(),
            one: Speed::default(),
        }
    }

    /// Asks for a task's line. `drafts` are guesses at what it says, which save time where they are
    /// right and change nothing where they are not.
    ///
    /// # Errors
    /// If the prompt is longer than the reader can read.
    pub fn judge(
        &self,
        session: &mut Session,
        lane: Asking,
        sample: &Sample,
        drafts: &[String],
    ) -> Result<Judged> {
        self.answer(session, &self.question(lane, sample)?, &sample.target, drafts)
    }

    /// Answers a question whose true answer is `target`.
    ///
    /// # Errors
    /// If it is longer than the reader can read.
    pub fn answer(
        &self,
        session: &mut Session,
        question: &Question,
        target: &str,
        drafts: &[String],
    ) -> Result<Judged> {
        // The true line is read in one pass; what the reader would have said at each place is a
        // greedy completion as long as both agree.
        let natural = self.tokenizer.encode(&format!("{}{target}", question.held));
        self.read_alone(session, question);
        self.move_text(session, question);
        if let Some(&(first, _)) = question.soft.first() {
            // A soft token's vector may be another one than the last question's.
            session.cache.truncate(first);
            session.tokens.truncate(first);
        }
        let mut rows = self.read(session, question, &question.tokens, &natural)?;
        let mut answer = Answer::new(self, question);
        let (mut sum, mut target_tokens, mut said) = (0.0, 0, Vec::new());
        for (row, &token) in rows.iter_mut().zip(&natural) {
            keep_agreeing(row, &self.tokenizer, &question.held, &said);
            sum += nats(row, token);
            said.extend_from_slice(self.tokenizer.token_bytes(token));
            target_tokens += usize::from(said.len() > question.held.len());
        }
        answer.follow(&natural, &mut rows);
        for draft in drafts {
            let draft = self.tokenizer.encode(&format!("{}{draft}\n", question.held));
            self.decode(session, question, &mut answer, &draft)?;
        }
        self.decode(session, question, &mut answer, &[])?;
        Ok(Judged { text: answer.text(), nats: sum, target_tokens, positions: question.tokens.len() })
    }

    /// Fills a session with what of a question is read by itself.
    fn read_alone(&self, session: &mut Session, question: &Question) {
        let Some(last) = question.alone.last() else { return };
        session.cache.truncate(0);
        session.tokens.clear();
        let sink = &question.tokens[..question.sink];
        let first = question.alone[0].start;
        self.pass(&mut session.cache, &question.tokens[..first]);
        for range in &question.alone {
            let tokens = [sink, &question.tokens[range.clone()]].concat();
            let mut cache = self.reader.cache(1, tokens.len());
            self.pass(&mut cache, &tokens);
            session.cache.append(&cache.states(sink.len()..tokens.len()));
        }
        session.tokens.extend_from_slice(&question.tokens[..last.end]);
    }

    /// Fills a session up to where a question is read anew, its text being moved from another one's prompt, as
    /// the page does.
    fn move_text(&self, session: &mut Session, question: &Question) {
        let Some((before, reread)) = &question.moved else { return };
        let (start, old_start) = (question.before_start, before.before_start);
        let same = |(a, b): &(&u32, &u32)| a == b;
        let shared =
            question.tokens[start..].iter().zip(&before.tokens[old_start..]).take_while(same).count();
        let end = (start + shared).min(question.tokens.len().saturating_sub(*reread)).max(start);
        let mut old = self.reader.cache(1, before.tokens.len());
        self.pass(&mut old, &before.tokens);
        session.cache.truncate(0);
        self.pass(&mut session.cache, &question.tokens[..start]);
        if end > start {
            session.cache.append(&old.states(old_start..old_start + end - start));
        }
        session.tokens = question.tokens[..end].to_vec();
    }

    /// Reads tokens whose hidden states nobody asks for.
    fn pass(&self, cache: &mut Cache, tokens: &[u32]) {
        for rows in tokens.chunks(ROWS) {
            let span = cache.next(1, rows.len());
            let inputs = self.reader.embed(token_ids(rows, &self.reader.device()));
            self.reader.forward(inputs, cache, span);
        }
    }

    /// Decodes as far as a draft agrees with what is said; to the line's end without one.
    fn decode(
        &self,
        session: &mut Session,
        question: &Question,
        answer: &mut Answer<'_>,
        draft: &[u32],
    ) -> Result<()> {
        while !answer.is_over() {
            let said = answer.tokens.len();
            let guess = if draft.is_empty() { &answer.tokens[..] } else { draft };
            if !guess.starts_with(&answer.tokens) || (!draft.is_empty() && draft.len() <= said + 1) {
                return Ok(());
            }
            let before = [&question.tokens[..], &answer.tokens].concat();
            let guess = guess[said..].to_vec();
            let mut rows = self.read(session, question, &before, &guess)?;
            answer.follow(&guess, &mut rows);
        }
        Ok(())
    }

    /// Reads `before`, which begins with the question, and `after`, as far as the session does not hold
    /// it; gives the logits that follow `before` and each token of `after`.
    fn read(
        &self,
        session: &mut Session,
        question: &Question,
        before: &[u32],
        after: &[u32],
    ) -> Result<Vec<Vec<f32>>> {
        let tokens = [before, after].concat();
        let wanted = after.len() + 1;
        ensure!(!before.is_empty(), "the prompt is empty");
        ensure!(
            tokens.len() <= session.cache.capacity,
            "a prompt and its line have {} tokens and the reader {} positions: lower the budgets in bundle.json",
            tokens.len(),
            session.cache.capacity
        );
        let same = tokens.iter().zip(&session.tokens).take_while(|(a, b)| a == b).count();
        let from = same.min(tokens.len() - wanted);
        session.cache.truncate(from);
        session.tokens.truncate(from);
        let started = Instant::now();
        let mut hidden = Vec::new();
        for rows in tokens[from..].chunks(ROWS) {
            let span = session.cache.next(1, rows.len());
            let inputs = self.inputs(question, session.tokens.len(), rows);
            let out = self.reader.forward(inputs, &mut session.cache, span);
            session.tokens.extend_from_slice(rows);
            let keep = (session.tokens.len() + wanted).saturating_sub(tokens.len()).min(rows.len());
            if keep > 0 {
                hidden.push(out.narrow(0, rows.len() - keep, keep));
            }
        }
        let logits = self.reader.logits(Tensor::cat(hidden, 0));
        let width = logits.dims()[1];
        let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let read = tokens.len() - from;
        let speed = if read == 1 { &mut session.one } else { &mut session.many };
        speed.add(read, started.elapsed());
        Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }
}

impl BundleReader {
    /// Input vectors of tokens that stand from position `at` on.
    fn inputs(&self, question: &Question, at: usize, tokens: &[u32]) -> Tensor<2> {
        let device = self.reader.device();
        let known: Vec<u32> = tokens.iter().map(|&id| if id == SOFT_TOKEN { 0 } else { id }).collect();
        let inputs = self.reader.embed(token_ids(&known, &device));
        let here = at..at + tokens.len();
        let mut soft = question.soft.iter().filter(|(position, _)| here.contains(position)).peekable();
        if soft.peek().is_none() {
            return inputs;
        }
        let [rows, width] = inputs.dims();
        let mut values: Vec<f32> = inputs.into_data().iter::<f32>().collect();
        for (position, vector) in soft {
            values[(position - at) * width..][..width].copy_from_slice(vector);
        }
        Tensor::from_data(TensorData::new(values, [rows, width]), &device)
    }
}

/// A line as it grows.
struct Answer<'a> {
    reader: &'a BundleReader,
    held: &'a str,
    tokens: Vec<u32>,
    /// What they say, the held text included.
    bytes: Vec<u8>,
    /// Its length, once it is over.
    end: Option<usize>,
}

impl<'a> Answer<'a> {
    fn new(reader: &'a BundleReader, question: &'a Question) -> Self {
        Self { reader, held: &question.held, tokens: Vec::new(), bytes: Vec::new(), end: None }
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Takes the likeliest tokens: the first of `rows` follows what is said, the others follow
    /// `guess`, whose tokens count as long as they are the likeliest.
    fn follow(&mut self, guess: &[u32], rows: &mut [Vec<f32>]) {
        for (at, row) in rows.iter_mut().enumerate() {
            keep_agreeing(row, &self.reader.tokenizer, self.held, &self.bytes);
            let token = likeliest(row);
            self.take(token);
            if self.is_over() || guess.get(at) != Some(&token) {
                return;
            }
        }
    }

    /// Takes a token in, by the page's rules for one line.
    fn take(&mut self, token: u32) {
        let tokenizer = &self.reader.tokenizer;
        if tokenizer.is_special(token) {
            self.end = Some(self.bytes.len());
            return;
        }
        self.tokens.push(token);
        let from = self.bytes.len().max(self.held.len());
        self.bytes.extend_from_slice(tokenizer.token_bytes(token));
        let line_end = self.bytes.iter().skip(from).position(|byte| matches!(byte, b'\n' | b'\r'));
        if let Some(at) = line_end {
            self.end = Some(from + at);
        } else if self.tokens.len() >= self.reader.config.max_new_tokens {
            self.end = Some(self.bytes.len());
        }
    }

    fn text(&self) -> String {
        let end = self.end.unwrap_or(self.bytes.len());
        let line = self.bytes.get(self.held.len()..end).unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    }
}
