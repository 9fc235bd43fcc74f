//! The chunks that retrieval chose.

use leptos::prelude::*;
use llavacode_api::completion::{Lane, RetrievedChunk};

use super::control;
use crate::state::prompt::lines_label;

/// The list. The compressed lane holds the most chunks; those that full RAG's budget had room for as
/// text are marked.
#[component]
pub(super) fn Chunks() -> impl IntoView {
    let control = control();
    let compressed = control.state.lane(Lane::Compressed);
    let full = control.state.lane(Lane::FullRag);
    let chunks = Memo::new(move |_| {
        let of = |lane: Lane| control.state.lane(lane).with(|run| run.chunks.clone());
        let chunks = of(Lane::Compressed);
        if chunks.is_empty() { of(Lane::FullRag) } else { chunks }
    });
    let old = move || compressed.with(|run| run.text_is_old()) && full.with(|run| run.text_is_old());
    view! {
        <section class="chunks" class:old=old aria-label="Retrieved chunks" data-testid="chunks">
            <h3>"Retrieved chunks "<span class="hint">{move || chunks.with(Vec::len)}</span></h3>
            <Show when=move || chunks.with(Vec::is_empty)>
                <p class="hint">"Nothing yet. They come from other files of the workspace."</p>
            </Show>
            <ol>{move || chunks.get().into_iter().map(|chunk| view! { <Chunk chunk/> }).collect_view()}</ol>
        </section>
    }
}

#[component]
fn Chunk(chunk: RetrievedChunk) -> impl IntoView {
    let control = control();
    let RetrievedChunk { place, text, score } = chunk;
    let (own, path, lines) = (place.clone(), place.path.clone(), lines_label(&place));
    let as_text = move || {
        let full = control.state.lane(Lane::FullRag);
        full.with(|run| run.chunks.iter().any(|chunk| chunk.place == own))
    };
    view! {
        <li>
            <button class="chunk" title="Open this place" on:click=move |_| control.open_place(&place)>
                <span class="chunk-head">
                    <span class="chunk-place">{path}<span class="chunk-lines">":"{lines}</span></span>
                    <span class="tag" hidden=move || !as_text() title="Full RAG's budget had room for it">"as text"</span>
                    <span class="score" title="Score of the ranker">{format!("{score:.2}")}</span>
                </span>
                <code class="chunk-text">{text.trim_start_matches(['\r', '\n']).to_owned()}</code>
            </button>
        </li>
    }
}
