//! The chunks that retrieval chose, and how it ranks.

use leptos::prelude::*;
use llavacode_api::completion::{Lane, Ranker, Ranks, RetrievedChunk};

use super::control;
use crate::state::engine::EngineState;
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
            <div class="chunks-bar">
                <h3>"Retrieved chunks "<span class="hint">{move || chunks.with(Vec::len)}</span></h3>
                <RankerChoice/>
            </div>
            <Show when=move || chunks.with(Vec::is_empty)>
                <p class="hint">"Nothing yet. They come from other files of the workspace."</p>
            </Show>
            <ol>{move || chunks.get().into_iter().map(|chunk| view! { <Chunk chunk/> }).collect_view()}</ol>
        </section>
    }
}

/// Chooses the ranker, and asks again.
#[component]
fn RankerChoice() -> impl IntoView {
    let control = control();
    let embeds = Memo::new(move |_| control.state.engine.with(EngineState::embeds));
    let ranker = move || control.state.settings.with(|settings| settings.ranker(embeds.get()));
    let choose = move |event| {
        let value = event_target_value(&event);
        if let Some(ranker) = Ranker::ALL.into_iter().find(|ranker| ranker.key() == value) {
            control.settings(|settings| settings.ranker = ranker);
            control.complete(true);
        }
    };
    view! {
        <label class="field" title="How the chunks are ranked">
            <span>"ranked by"</span>
            <select data-testid="ranker" on:change=choose>
                {Ranker::ALL.map(|choice| view! {
                    <option
                        value=choice.key() selected=move || ranker() == choice
                        disabled=move || choice.is_dense() && !embeds.get()
                    >{name(choice)}</option>
                })}
            </select>
        </label>
    }
}

fn name(ranker: Ranker) -> &'static str {
    match ranker {
        Ranker::Jaccard => "shared words (Jaccard)",
        Ranker::Bm25 => "rare words (BM25)",
        Ranker::Dense => "embeddings",
        Ranker::Hybrid => "words and embeddings",
    }
}

/// The ranks that a fused score is made of; nothing where there was one ranking only.
fn ranks(ranks: Ranks) -> Option<String> {
    match (ranks.lexical, ranks.dense) {
        (Some(words), Some(embedding)) => Some(format!("words {words}, embedding {embedding}")),
        _ => None,
    }
}

/// Fused ranks are small numbers.
fn number(score: f32) -> String {
    if score.abs() < 0.1 { format!("{score:.3}") } else { format!("{score:.2}") }
}

#[component]
fn Chunk(chunk: RetrievedChunk) -> impl IntoView {
    let control = control();
    let RetrievedChunk { span, text, score, ranks: of_each } = chunk;
    let (own, path, lines) = (span.clone(), span.path.clone(), lines_label(&span));
    let as_text = move || {
        let full = control.state.lane(Lane::FullRag);
        full.with(|run| run.chunks.iter().any(|chunk| chunk.span == own))
    };
    view! {
        <li>
            <button class="chunk" title="Open this place" on:click=move |_| control.open_span(&span)>
                <span class="chunk-head">
                    <span class="chunk-place">{path}<span class="chunk-lines">":"{lines}</span></span>
                    <span class="tag" hidden=move || !as_text() title="Full RAG's budget had room for it">"as text"</span>
                    {ranks(of_each).map(|ranks| view! {
                        <span class="score ranks" title="Its place in each of the two rankings">{ranks}</span>
                    })}
                    <span class="score" title="Score of the ranker">{number(score)}</span>
                </span>
                <code class="chunk-text">{text.trim_start_matches(['\r', '\n']).to_owned()}</code>
            </button>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_shown_where_there_are_two() {
        let of = |lexical, dense| ranks(Ranks { lexical, dense });
        assert_eq!(of(Some(3), Some(12)).as_deref(), Some("words 3, embedding 12"));
        assert_eq!(of(Some(1), None), None);
    }
}
