//! Finding in all files: what is looked for, and where it stands.

use std::time::Duration;

use leptos::ev::KeyboardEvent;
use leptos::html::Input;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::control;
use crate::state::find::{Found, Hit, Query, find};
use crate::state::prompt::file_name;

/// What is typed is looked for after this pause.
const PAUSE: Duration = Duration::from_millis(150);

/// The panel, there only while something is looked for.
#[component]
pub(super) fn Find() -> impl IntoView {
    let control = control();
    let open = Memo::new(move |_| control.state.find.with(Option::is_some));
    view! { {move || open.get().then(|| view! { <Panel/> })} }
}

#[component]
fn Panel() -> impl IntoView {
    let control = control();
    let input = NodeRef::<Input>::new();
    // The key pressed again comes back here.
    Effect::new(move |_| {
        control.state.find.track();
        if let Some(input) = input.get()
            && control.state.find_asked.try_update(std::mem::take) == Some(true)
        {
            input.select();
            if input.focus().is_err() {
                log::warn!("the search could not be focused");
            }
        }
    });
    let query = move || control.state.find.get().unwrap_or_default();
    let change = move |change: &dyn Fn(&mut Query)| {
        control.state.find.update(|query| {
            if let Some(query) = query {
                change(query);
            }
        });
    };
    let typed = leptos::leptos_dom::helpers::debounce(PAUSE, move |text: String| {
        change(&|query| query.text.clone_from(&text))
    });
    let results = Memo::new(move |_| control.state.workspace.with(|w| find(&query(), &w.files)));
    let close = move || {
        control.state.find.set(None);
        control.focus_editor();
    };
    let keys = move |event: KeyboardEvent| match event.key().as_str() {
        "Escape" => {
            event.prevent_default();
            close();
        }
        "ArrowDown" | "ArrowUp" => {
            event.prevent_default();
            move_among_hits(&event);
        }
        _ => {}
    };
    let initial = query().text;
    let toggle = move |label, title, testid, get: fn(&Query) -> bool, set: fn(&mut Query, bool)| {
        view! {
            <label title=title>
                <input
                    type="checkbox" data-testid=testid prop:checked=move || get(&query())
                    on:change=move |event| change(&|query| set(query, event_target_checked(&event)))
                />
                {label}
            </label>
        }
    };
    view! {
        <section class="find" aria-label="Find in all files" data-testid="find" on:keydown=keys>
            <div class="find-line">
                <input
                    type="text" node_ref=input prop:value=initial aria-label="Find in all files"
                    placeholder="Find in all files" autocomplete="off" spellcheck="false" data-testid="find-text"
                    on:input={
                        let mut typed = typed;
                        move |event| typed(event_target_value(&event))
                    }
                />
                <button class="small" aria-label="Close the search" data-testid="find-close" on:click=move |_| close()>
                    "×"
                </button>
            </div>
            <div class="find-options">
                {toggle("Case", "Capital letters differ from small ones", "find-case", |q| q.match_case, |q, on| q.match_case = on)}
                {toggle("Whole word", "Only as a word of its own", "find-word", |q| q.whole_word, |q, on| q.whole_word = on)}
            </div>
            <p class="hint" role="status" data-testid="find-summary">
                {move || results.with(|results| results.summary(&query()))}
            </p>
            <div class="hits">
                <For each=move || results.with(|results| results.files.clone()) key=|found| (found.path.clone(), found.hits.clone()) let(found)>
                    <InFile found/>
                </For>
            </div>
        </section>
    }
}

/// A file's places.
#[component]
fn InFile(found: Found) -> impl IntoView {
    let control = control();
    let Found { path, hits } = found;
    let (name, count) = (file_name(&path).to_owned(), hits.len());
    let folder = path.strip_suffix(&name).map(|folder| folder.trim_end_matches('/').to_owned());
    let hits: Vec<_> = hits
        .into_iter()
        .map(|hit| {
            let path = path.clone();
            let Hit { line, before, text, after, .. } = hit.clone();
            view! {
                <button
                    class="hit" data-testid="hit" data-path=path.clone() data-line=(line + 1).to_string()
                    on:click=move |_| control.open_hit(&path, &hit)
                >
                    <span class="hit-line">{line + 1}</span>
                    <span class="hit-text">{before}<mark>{text}</mark>{after}</span>
                </button>
            }
        })
        .collect();
    view! {
        <h3 title=path.clone()>{name}" "<span class="hint">{folder}</span><span class="count">{count}</span></h3>
        {hits}
    }
}

/// Moves the keyboard from the line typed to the places, and among them.
fn move_among_hits(event: &KeyboardEvent) {
    let Some(at) = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok()) else { return };
    let Ok(Some(panel)) = at.closest(".find") else { return };
    let Ok(all) = panel.query_selector_all(".hit, .find-line input") else { return };
    let all: Vec<HtmlElement> = (0..all.length()).filter_map(|i| all.get(i)?.dyn_into().ok()).collect();
    let Some(place) = all.iter().position(|element| *element == at) else { return };
    let next = if event.key() == "ArrowDown" { place + 1 } else { place.saturating_sub(1) };
    if let Some(next) = all.get(next) {
        // It is there: it was just found.
        let _ = next.focus();
    }
}
