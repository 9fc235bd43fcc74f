//! The chunks that retrieval chose, and how it ranks.

use leptos::ev::Event;
use leptos::prelude::*;
use llavacode_api::completion::{Lane, Ranker, Ranks, RetrievedChunk};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, HtmlInputElement};

use super::control;
use crate::state::engine::EngineState;
use crate::state::left_out::LeftOut;
use crate::state::prompt::lines_label;

/// The list. The compressed lane holds the most chunks; those that full RAG's budget had room for as
/// text are marked.
#[component]
pub(super) fn Chunks() -> impl IntoView {
    let control = control();
    let compressed = control.state.lane(Lane::Compressed);
    let full = control.state.lane(Lane::FullRag);
    let retrieved = Memo::new(move |_| {
        let of = |lane: Lane| control.state.lane(lane).with(|run| run.chunks.clone());
        let chunks = of(Lane::Compressed);
        if chunks.is_empty() { of(Lane::FullRag) } else { chunks }
    });
    let left_out = control.state.left_out;
    let listed =
        Memo::new(move |_| left_out.with(|left_out| retrieved.with(|chunks| left_out.listed(chunks))));
    let count = move || {
        left_out.with(|left_out| {
            listed.with(|chunks| chunks.iter().filter(|chunk| !left_out.is_out(&chunk.span)).count())
        })
    };
    let old = move || compressed.with(|run| run.text_is_old()) && full.with(|run| run.text_is_old());
    view! {
        <section class="chunks" class:old=old aria-label="Retrieved chunks" data-testid="chunks">
            <div class="chunks-bar">
                <h3>"Retrieved chunks "<span class="hint">{count}</span></h3>
                <TopK/>
                <RankerChoice/>
            </div>
            <Show when=move || listed.with(Vec::is_empty)>
                <p class="hint">"Nothing yet. They come from other files of the workspace."</p>
            </Show>
            <LeftOutLine any=Signal::derive(move || listed.with(|chunks| !chunks.is_empty()))/>
            // By their keys, so that the keyboard stays where it is when others come.
            <ol><For each=move || listed.get() key=|chunk| (chunk.span.clone(), chunk.text.clone()) let(chunk)>
                <Chunk chunk listed/>
            </For></ol>
        </section>
    }
}

/// How to leave chunks out, or how many are and until when.
#[component]
fn LeftOutLine(any: Signal<bool>) -> impl IntoView {
    let control = control();
    let count = move || control.state.left_out.with(LeftOut::count);
    let put_back = move |_| {
        control.put_all_back();
        // This button goes; the list is what it was about.
        focus(".chunk");
    };
    view! {
        <p class="left-out hint" data-testid="left-out" data-count=move || count().to_string() hidden=move || !any.get()>
            {move || match count() {
                0 => "Click one to leave it out and ask again.".to_owned(),
                count => format!("{count} left out, until the cursor moves."),
            }}
            <button
                class="small" data-testid="put-back" hidden=move || count() == 0
                disabled=move || !control.state.in_place.get() on:click=put_back
            >"Put back"</button>
        </p>
    }
}

/// Gives the keyboard to the first element that a selector finds.
fn focus(selector: &str) {
    let found = document().query_selector(selector).ok().flatten();
    if let Some(element) = found.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // A button of this list takes it.
        let _ = element.focus();
    }
}

/// How many chunks are retrieved.
#[component]
fn TopK() -> impl IntoView {
    let control = control();
    let most = Memo::new(move |_| control.state.engine.with(EngineState::top_k).unwrap_or(1));
    let wanted = move || control.state.settings.with(|settings| settings.top_k(most.get()));
    let choose = move |event: Event| {
        let most = most.get_untracked();
        let input: HtmlInputElement = event_target(&event);
        if let Ok(wanted) = input.value().parse::<usize>() {
            control.settings(|settings| settings.set_top_k(wanted, most));
            control.complete(true);
        }
        // What was typed may be out of range, or no number.
        input.set_value(&untrack(wanted).to_string());
    };
    view! {
        <label class="field" title="Most chunks retrieved; the bundle says how many there may be">
            <span>"at most"</span>
            <input
                type="number" min="1" max=move || most.get().to_string() data-testid="top-k"
                prop:value=move || wanted().to_string() on:change=choose
                disabled=move || control.state.engine.with(|engine| engine.top_k().is_none())
            />
        </label>
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

pub(super) fn name(ranker: Ranker) -> &'static str {
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

/// A chunk: a click leaves it out or takes it in again, and a button beside that opens its place.
#[component]
fn Chunk(chunk: RetrievedChunk, listed: Memo<Vec<RetrievedChunk>>) -> impl IntoView {
    let control = control();
    let (path, lines) = (chunk.span.path.clone(), lines_label(&chunk.span));
    let text = chunk.text.trim_start_matches(['\r', '\n']).to_owned();
    let chunk = StoredValue::new(chunk);
    let span = move || chunk.with_value(|chunk| chunk.span.clone());
    // Its score may be another one when others are left out.
    let now = Memo::new(move |_| {
        let span = span();
        let found = listed.with(|list| list.iter().find(|other| other.span == span).cloned());
        found.unwrap_or_else(|| chunk.get_value())
    });
    let as_text = Memo::new(move |_| {
        let span = span();
        control.state.lane(Lane::FullRag).with(|run| run.chunks.iter().any(|chunk| chunk.span == span))
    });
    let out = Memo::new(move |_| control.state.left_out.with(|left_out| left_out.is_out(&span())));
    let ranks = move || now.with(|chunk| ranks(chunk.ranks));
    view! {
        <li class:out=move || out.get()>
            <button
                class="chunk" aria-pressed=move || out.get().to_string()
                disabled=move || !control.state.in_place.get()
                title=move || if out.get() { "Take it in again and ask again" } else { "Leave it out and ask again" }
                on:click=move |_| control.leave_out(&now.get_untracked())
            >
                <span class="chunk-head">
                    <span class="chunk-place"><span class="chunk-path"><bdi>{path.clone()}</bdi></span><span class="chunk-lines">":"{lines.clone()}</span></span>
                    <span class="tag" hidden=move || !out.get()>"left out"</span>
                    <span class="tag" hidden=move || out.get() || !as_text.get() title="Full RAG's budget had room for it">"as text"</span>
                    {move || ranks().map(|ranks| view! {
                        <span class="score ranks" title="Its place in each of the two rankings">{ranks}</span>
                    })}
                    <span class="score" title="Score of the ranker">{move || now.with(|chunk| number(chunk.score))}</span>
                </span>
                <code class="chunk-text">{text}</code>
            </button>
            <button
                class="small chunk-open" aria-label=format!("Open {path}:{lines}") title="Open this place"
                on:click=move |_| control.open_span(&span())
            >"Open"</button>
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
