//! A place of the cursor: what the lanes' completions there have in common.

use llavacode_api::completion::CompletionRequest;

use super::{Engine, Host, lookup::Lookup};
use crate::{
    Result,
    index::{ChunkId, Query, RetrievedHit, SAME_FILE_DISTANCE, lexical::query_window},
    prompt::{Cursor, LocalPart, PromptChunk},
    workspace::{VectorCache, Workspace},
};

/// A place of the cursor. What the lanes share there is made by the first lane that needs it, and
/// kept for the others together with the time it took.
///
/// It belongs to the workspace as it was: of a chunk that goes between two completions the second
/// has nothing.
#[derive(Debug)]
pub struct Place {
    request: CompletionRequest,
    local: Option<Timed<LocalPart>>,
    hits: Option<Timed<Vec<RetrievedHit>>>,
    /// How many; their vectors are in the workspace.
    embedded: Option<Timed<usize>>,
    /// The chunks' texts in tokens, the best last.
    chunk_tokens: Option<Vec<Vec<u32>>>,
}

/// Something, and the milliseconds it took.
#[derive(Debug, Clone)]
struct Timed<T> {
    value: T,
    ms: f64,
}

impl Place {
    /// A place at which nothing was done yet.
    pub fn new(request: CompletionRequest) -> Self {
        Self { request, local: None, hits: None, embedded: None, chunk_tokens: None }
    }

    /// What was asked for.
    pub fn request(&self) -> &CompletionRequest {
        &self.request
    }

    /// The chunks that could help, best first, and what finding them took.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the query has to be embedded and the device fails.
    pub(super) async fn hits(
        &mut self,
        engine: &Engine<impl Host>,
        workspace: &mut Workspace<impl VectorCache>,
    ) -> Result<(Vec<RetrievedHit>, f64)> {
        if let Some(Timed { value, ms }) = &self.hits {
            return Ok((value.clone(), *ms));
        }
        let request = &self.request;
        let started = engine.host.now_ms();
        let lines = workspace.index().chunking().lines;
        let embedding = match request.ranker.is_dense() {
            true => engine.embed_query(query_window(&request.prefix, lines)).await?,
            false => None,
        };
        let products = match &embedding {
            Some(embedding) if engine.searches_on_device(workspace.index()) => {
                workspace.products_on(&engine.device, embedding).await?
            }
            _ => None,
        };
        let most = engine.manifest.prompt.top_k;
        let value = workspace.index().retrieve(&Query {
            path: &request.path,
            prefix: &request.prefix,
            same_file: request.same_file.then_some(SAME_FILE_DISTANCE),
            // The bundle's soft tokens and caches are made for no more than it says.
            top_k: request.top_k.map_or(most, |wanted| wanted.clamp(1, most.max(1))),
            leave_out: &request.leave_out,
            ranker: request.ranker,
            embedding: embedding.as_deref(),
            products: products.as_deref(),
        });
        let ms = engine.host.now_ms() - started;
        self.hits = Some(Timed { value: value.clone(), ms });
        Ok((value, ms))
    }

    /// Sees to it that these chunks have vectors; says how many were embedded for it, and what that took.
    pub(super) async fn embed<C: VectorCache>(
        &mut self,
        engine: &Engine<impl Host>,
        workspace: &mut Workspace<C>,
        hits: &[RetrievedHit],
    ) -> Result<(usize, f64)> {
        if let Some(Timed { value, ms }) = self.embedded {
            return Ok((value, ms));
        }
        let started = engine.host.now_ms();
        let ids: Vec<ChunkId> = hits.iter().map(|hit| hit.id).collect();
        let value = workspace.embed_now(engine, &ids).await?;
        let ms = engine.host.now_ms() - started;
        self.embedded = Some(Timed { value, ms });
        Ok((value, ms))
    }

    /// The text around the cursor in tokens, and what cutting it took.
    pub(super) fn local_part(&mut self, engine: &Engine<impl Host>) -> (&LocalPart, f64) {
        let CompletionRequest { path, prefix, suffix, .. } = &self.request;
        let cut = || timed(&engine.host, || engine.prompts.local_part(Cursor { path, prefix, suffix }));
        let Timed { value, ms } = self.local.get_or_insert_with(cut);
        (value, *ms)
    }

    /// What draft tokens are looked up in: these chunks, if any, and the text around the cursor.
    pub(super) fn lookup(&mut self, engine: &Engine<impl Host>, chunks: &[PromptChunk<'_>]) -> Lookup {
        let mut lookup = Lookup::default();
        if !chunks.is_empty() {
            let encode = || chunks.iter().rev().map(|chunk| engine.tokenizer.encode(chunk.text)).collect();
            let chunks = self.chunk_tokens.get_or_insert_with(encode);
            chunks.iter().for_each(|tokens| lookup.add(tokens));
        }
        let (local, _) = self.local_part(engine);
        lookup.add(&local.after);
        lookup.add(&local.before);
        lookup
    }
}

fn timed<T>(host: &impl Host, make: impl FnOnce() -> T) -> Timed<T> {
    let started = host.now_ms();
    let value = make();
    Timed { value, ms: host.now_ms() - started }
}
