//! Going to a file by some letters of its path.

use leptos::ev::KeyboardEvent;
use leptos::html::{Dialog as DialogElement, Input, Ul};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::prompt_view::follow;
use super::{bring_into_sight, control};
use crate::state::Dialog;
use crate::state::fuzzy::{Match, matches, split_line};
use crate::state::prompt::file_name;

/// More are not shown: a letter more finds what is meant.
const MOST: usize = 50;

/// The dialog.
#[component]
pub(super) fn GoToFile() -> impl IntoView {
    let control = control();
    let element = NodeRef::<DialogElement>::new();
    let is_open = Memo::new(move |_| control.state.dialog.get() == Some(Dialog::GoToFile));
    follow(element, move || is_open.get());
    let closed = move |_| {
        if control.state.dialog.get_untracked() == Some(Dialog::GoToFile) {
            control.state.dialog.set(None);
        }
    };
    view! {
        <dialog node_ref=element class="go-to-file" aria-label="Go to file" data-testid="go-to-file" on:close=closed>
            {move || is_open.get().then(|| view! { <Chooser element/> })}
        </dialog>
    }
}

#[component]
fn Chooser(element: NodeRef<DialogElement>) -> impl IntoView {
    let control = control();
    let input = NodeRef::<Input>::new();
    let list = NodeRef::<Ul>::new();
    let (typed, set_typed) = signal(String::new());
    let (place, set_place) = signal(0_usize);
    // Open files come first while nothing is typed.
    let open = control.state.tabs.with_untracked(|tabs| tabs.open.clone());
    let paths: Vec<String> = control.state.workspace.with_untracked(|workspace| {
        let others = workspace.files.keys().filter(|path| !open.contains(path)).cloned();
        open.iter().filter(|path| workspace.files.contains_key(*path)).cloned().chain(others).collect()
    });
    let found = Memo::new(move |_| {
        typed.with(|typed| matches(split_line(typed).0, paths.iter().map(String::as_str), MOST))
    });
    let go = move |path: &str| {
        let line = typed.with_untracked(|typed| split_line(typed).1);
        // It gives the keyboard back where it was, from where it goes on to the editor.
        if let Some(dialog) = element.get_untracked() {
            dialog.close();
        }
        control.go_to(path, line);
    };
    let keys = move |event: KeyboardEvent| {
        let count = found.with_untracked(Vec::len);
        match event.key().as_str() {
            "ArrowDown" if count > 0 => set_place.update(|place| *place = (*place + 1) % count),
            "ArrowUp" if count > 0 => set_place.update(|place| *place = (*place + count - 1) % count),
            "Enter" => {
                let path = found
                    .with_untracked(|found| found.get(place.get_untracked()).map(|found| found.path.clone()));
                if let Some(path) = path {
                    go(&path);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    Effect::new(move |_| {
        if let Some(input) = input.get()
            && input.focus().is_err()
        {
            log::warn!("the line to type into could not be focused");
        }
    });
    // What the arrows reach is in sight.
    Effect::new(move |_| {
        let place = place.get();
        let Some(list) = list.get() else { return };
        let option =
            list.children().item(place as u32).and_then(|option| option.dyn_into::<HtmlElement>().ok());
        let Some(option) = option else { return };
        bring_into_sight(&list, &option);
    });
    let option = move |(index, found): (usize, Match)| {
        let path = found.path.clone();
        let selected = move || place.get() == index;
        view! {
            <li
                id=format!("file-{index}") role="option" data-path=path.clone()
                aria-selected=move || selected().to_string() on:click=move |_| go(&path)
            >
                <Path found/>
            </li>
        }
    };
    view! {
        <input
            type="text" role="combobox" node_ref=input aria-label="Letters of a file's path" data-testid="go-to-text"
            placeholder="Go to file: letters of its path, then :line if you like" autocomplete="off" spellcheck="false"
            aria-expanded="true" aria-controls="files-found" aria-autocomplete="list"
            aria-activedescendant=move || format!("file-{}", place.get())
            on:input=move |event| {
                set_typed.set(event_target_value(&event));
                set_place.set(0);
            }
            on:keydown=keys
        />
        <ul node_ref=list id="files-found" role="listbox" aria-label="Files">
            {move || found.get().into_iter().enumerate().map(option).collect_view()}
        </ul>
        <p class="hint none" hidden=move || !found.with(Vec::is_empty)>"No file has these letters in its path."</p>
    }
}

/// A path with the letters found in bold, the file's name first.
#[component]
fn Path(found: Match) -> impl IntoView {
    let letters: Vec<char> = found.path.chars().collect();
    let name_at = letters.len() - file_name(&found.path).chars().count();
    let part = |range: std::ops::Range<usize>| {
        let places = &found.places;
        range
            .map(|at| {
                let letter = letters[at].to_string();
                if places.contains(&at) { view! { <b>{letter}</b> }.into_any() } else { letter.into_any() }
            })
            .collect_view()
    };
    view! {
        <span class="file-name">{part(name_at..letters.len())}</span>
        <span class="folder">{part(0..name_at.saturating_sub(1))}</span>
    }
}
