//! The workspace's files, and how others get in.

use std::collections::BTreeSet;

use leptos::attr::custom::custom_attribute;
use leptos::ev::KeyboardEvent;
use leptos::html::Input;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::control;
use crate::files::pick;
use crate::state::engine::{IndexState, duration, percent};
use crate::state::notices::Action;
use crate::state::tree::{Row, rows};

/// The left column.
#[component]
pub(super) fn Explorer() -> impl IntoView {
    let control = control();
    let workspace = control.state.workspace;
    let name = move || {
        workspace.with(|w| if w.name.is_empty() { "No workspace".to_owned() } else { w.name.clone() })
    };
    view! {
        <nav class="explorer" aria-label="Explorer">
            <h2 class="workspace-name" data-testid="workspace-name">{name}</h2>
            <Choosers/>
            <p class="hint importing" role="status">
                {move || match control.state.importing.get() {
                    Some(count) => format!("Reading files: {count} so far"),
                    None => "UTF-8 text up to 1 MiB; dependencies and build folders are left out.".to_owned(),
                }}
            </p>
            <Tree/>
            <SkippedFiles/>
            <Index/>
        </nav>
    }
}

/// Buttons that open folders and files.
#[component]
fn Choosers() -> impl IntoView {
    let control = control();
    let folder_input = NodeRef::<Input>::new();
    let file_input = NodeRef::<Input>::new();
    let take = move |input: NodeRef<Input>| {
        if let Some(input) = input.get_untracked() {
            let selection = pick::from_input(&input);
            control.import(async move { Ok(Some(selection)) });
        }
    };
    let choose_folder = move |_| {
        if pick::has_directory_picker() {
            control.import(pick::directory());
        } else if let Some(input) = folder_input.get_untracked() {
            input.click();
        }
    };
    let choose_files = move |_| {
        if let Some(input) = file_input.get_untracked() {
            input.click();
        }
    };
    let reset = move |_| {
        if control.may_replace_workspace() {
            leptos::task::spawn_local(control.open_demo());
        }
    };
    view! {
        <div class="choosers">
            <button on:click=choose_folder data-testid="open-folder" aria-label="Open folder" title="Open a folder">"Folder"</button>
            <button on:click=choose_files data-testid="open-files" aria-label="Open files" title="Open files">"Files"</button>
            <button
                on:click=reset data-testid="open-demo"
                title=move || {
                    let open = control.state.workspace.with(|w| w.is_demo);
                    if open { "Load the demo again, without your changes" } else { "Go back to the demo" }
                }
            >"Demo"</button>
            <input
                type="file" multiple=true hidden=true tabindex="-1" aria-label="Files to open"
                data-testid="file-input" node_ref=file_input on:change=move |_| take(file_input)
            />
            <input
                type="file" multiple=true hidden=true tabindex="-1" aria-label="Folder to open"
                data-testid="folder-input" {..custom_attribute("webkitdirectory", "")} node_ref=folder_input
                on:change=move |_| take(folder_input)
            />
        </div>
    }
}

/// The files as a tree.
#[component]
fn Tree() -> impl IntoView {
    let control = control();
    let (closed, set_closed) = signal(BTreeSet::<String>::new());
    let shown = Memo::new(move |_| {
        control
            .state
            .workspace
            .with(|w| closed.with(|closed| rows(w.files.keys().map(String::as_str), closed)))
    });
    let active = move || control.state.tabs.with(|tabs| tabs.active.clone());
    // One row can be reached with Tab: the active file's, or the first.
    let entry = Memo::new(move |_| {
        let active = active().unwrap_or_default();
        shown.with(|rows| {
            rows.iter().find(|row| row.path == active).or(rows.first()).map(|row| row.path.clone())
        })
    });
    let activate = move |row: &Row| {
        if row.open.is_some() {
            set_closed.update(|closed| {
                if !closed.remove(&row.path) {
                    closed.insert(row.path.clone());
                }
            });
        } else {
            control.open(&row.path);
        }
    };
    view! {
        <div class="tree" role="tree" aria-label="Files" data-testid="file-tree" on:keydown=move_focus>
            <For each=move || shown.get() key=|row| (row.path.clone(), row.level) let(row)>
                {
                    let path = row.path.clone();
                    let (current, first, edited) = (path.clone(), path.clone(), path.clone());
                    let is_active = move || active().as_deref() == Some(current.as_str());
                    let is_edited = move || control.state.workspace.with(|w| w.edited.contains(&edited));
                    let label = row.name.clone();
                    let folder = path.clone();
                    let is_folder = row.open.is_some();
                    let open = Memo::new(move |_| is_folder.then(|| closed.with(|c| !c.contains(&folder))));
                    let marker = move || match open.get() {
                        Some(true) => "▾",
                        Some(false) => "▸",
                        None => "",
                    };
                    view! {
                        <button
                            class="row" role="treeitem" class:active=is_active.clone()
                            class:folder=row.open.is_some()
                            style=format!("--level: {}", row.level)
                            title=path data-path=row.path.clone()
                            {..custom_attribute("aria-level", row.level.to_string())}
                            aria-expanded=move || open.get().map(|open| open.to_string())
                            aria-selected=move || is_active().to_string()
                            tabindex=move || if entry.get().as_deref() == Some(first.as_str()) { "0" } else { "-1" }
                            on:click=move |_| activate(&row)
                        >
                            <span class="marker" aria-hidden="true">{marker}</span>
                            <span class="row-name">{label}</span>
                            <span class="edited" hidden=move || !is_edited() title="Changed by you"></span>
                        </button>
                    }
                }
            </For>
        </div>
    }
}

/// Arrow keys walk the tree; left and right close and open folders.
fn move_focus(event: KeyboardEvent) {
    let Some(row) = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok()) else { return };
    let expanded = row.get_attribute("aria-expanded");
    let neighbour = match event.key().as_str() {
        "ArrowDown" => row.next_element_sibling(),
        "ArrowUp" => row.previous_element_sibling(),
        "Home" => row.parent_element().and_then(|tree| tree.first_element_child()),
        "End" => row.parent_element().and_then(|tree| tree.last_element_child()),
        "ArrowRight" if expanded.as_deref() == Some("false") => return row.click(),
        "ArrowLeft" if expanded.as_deref() == Some("true") => return row.click(),
        _ => return,
    };
    event.prevent_default();
    if let Some(neighbour) = neighbour.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // A row that cannot be focused is being taken away.
        let _ = neighbour.focus();
    }
}

/// What was left out and why, folded.
#[component]
fn SkippedFiles() -> impl IntoView {
    let control = control();
    let skipped = move || control.state.workspace.with(|w| w.skipped.clone());
    let count = move || control.state.workspace.with(|w| w.skipped.len());
    view! {
        <details class="skipped" hidden=move || count() == 0 data-testid="skipped">
            <summary>{move || format!("{} left out", count())}</summary>
            <ul>{move || skipped().into_iter().map(|file| view! { <li>{file.reason}</li> }).collect_view()}</ul>
        </details>
    }
}

/// Where the index stands.
#[component]
fn Index() -> impl IntoView {
    let control = control();
    let index = control.state.index;
    let files = move || control.state.workspace.with(|w| w.files.len());
    let text = move || {
        index.with(|index| match index {
            IndexState::Waiting if files() == 0 => "Nothing to index".to_owned(),
            IndexState::Waiting => format!("{} files, to be indexed when the model is loaded", files()),
            IndexState::Running { total: 0, .. } => "Indexing".to_owned(),
            IndexState::Running { done, total } => format!("Indexing {done} of {total} chunks"),
            IndexState::Ready(info) => format!("{} files, {} chunks indexed", info.files, info.chunks),
            IndexState::Cancelled => "Indexing was stopped".to_owned(),
            IndexState::Failed { message } => message.clone(),
        })
    };
    let detail = move || {
        index.with(|index| match index {
            IndexState::Ready(info) => {
                let kept = if info.persisted { "kept for the next visit" } else { "not kept" };
                format!("{} new in {}, {kept}", info.embedded, duration(info.elapsed_ms))
            }
            _ => String::new(),
        })
    };
    let chunks = move || index.with(|i| if let IndexState::Ready(info) = i { info.chunks } else { 0 });
    let share = move || {
        index.with(|index| match index {
            IndexState::Running { done, total } => percent(*done as u64, *total as u64),
            IndexState::Ready(_) => 100,
            _ => 0,
        })
    };
    let running = move || index.with(|index| matches!(index, IndexState::Running { .. }));
    let stopped = move || index.with(|i| matches!(i, IndexState::Cancelled | IndexState::Failed { .. }));
    view! {
        <section
            class="index" aria-label="Index" data-testid="index-state"
            data-state=move || index.with(|index| index.key())
            data-files=move || files().to_string() data-chunks=move || chunks().to_string()
        >
            <div class="index-line">
                <span>{text}</span>
                <button class="small" hidden=move || !running() data-testid="index-cancel"
                    on:click=move |_| control.cancel_index()>"Cancel"</button>
                <button class="small" hidden=move || !stopped() data-testid="index-again"
                    on:click=move |_| control.action(Action::Reindex)>"Index again"</button>
            </div>
            <progress max="100" prop:value=share class:done=move || !running() aria-label="Indexing"></progress>
            <p class="hint">{detail}</p>
        </section>
    }
}
