//! The workspace's files, and how others get in.

use leptos::attr::custom::custom_attribute;
use leptos::ev::SubmitEvent;
use leptos::html::Input;
use leptos::prelude::*;

use super::control;
use super::files::Files;
use super::find::Find;
use crate::files::pick;
use crate::state::engine::{IndexState, duration, percent};
use crate::state::notices::Action;

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
                    None => "Text up to 1 MiB, without dependencies and what .gitignore names.".to_owned(),
                }}
            </p>
            <Find/>
            <Files/>
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
            <button on:click=choose_files data-testid="open-files" aria-label="Open files or a zip archive" title="Open files or a zip archive">"Files"</button>
            <button
                on:click=reset data-testid="open-demo"
                title=move || {
                    let open = control.state.workspace.with(|w| w.is_demo());
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
                let shared = info.shared.map(|parts| format!(", {parts} parts from the shared index"));
                let shared = shared.unwrap_or_default();
                format!("{} new in {}{shared}, {kept}", info.embedded, duration(info.elapsed_ms))
            }
            _ => String::new(),
        })
    };
    let chunks = move || index.with(|i| if let IndexState::Ready(info) = i { info.chunks } else { 0 });
    let took = move || index.with(|i| if let IndexState::Ready(info) = i { info.elapsed_ms } else { 0.0 });
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
            data-ms=move || took().to_string()
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
            <SharedIndex/>
        </section>
    }
}

/// Where vectors are read that somebody else has made, folded.
#[component]
fn SharedIndex() -> impl IntoView {
    let control = control();
    let address = NodeRef::<Input>::new();
    let (files, folder) = (NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let at = move || control.state.settings.with(|settings| settings.shared_index.clone());
    let chosen = Memo::new(move |_| control.state.settings.with(|settings| settings.shared_files.clone()));
    let in_use = move || at().is_some() || chosen.with(Option::is_some);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        if let Some(input) = address.get_untracked() {
            control.use_shared_index(&input.value());
        }
    };
    let choose = |input: NodeRef<Input>| {
        move |_| {
            if let Some(input) = input.get_untracked() {
                input.click();
            }
        }
    };
    let take = move |input: NodeRef<Input>| {
        move |_| {
            if let Some(input) = input.get_untracked() {
                control.use_shared_files(pick::from_input(&input));
            }
        }
    };
    let words = move || {
        chosen.with(|files| match files {
            Some(files) => format!(
                "Chosen: {}. After a reload choose them again; the vectors they gave are kept.",
                files.words()
            ),
            None => String::new(),
        })
    };
    view! {
        <details class="shared-index" data-testid="shared-index">
            <summary>{move || if in_use() { "Shared index, chosen" } else { "Shared index" }}</summary>
            <form on:submit=submit>
                <input
                    type="text" inputmode="url" spellcheck="false" autocomplete="off" node_ref=address
                    aria-label="Address of a shared index's folder" placeholder="https://…/index/"
                    data-testid="shared-index-address" prop:value=move || at().unwrap_or_default()
                />
                <button class="small" data-testid="shared-index-use">"Use"</button>
            </form>
            <div class="shared-index-choosers">
                <button class="small" data-testid="shared-index-files" on:click=choose(files)
                    aria-label="Choose the files of a shared index">"Files"</button>
                <button class="small" data-testid="shared-index-folder" on:click=choose(folder)
                    aria-label="Choose the folder of a shared index">"Folder"</button>
                <button class="small" data-testid="shared-index-none" hidden=move || !in_use()
                    on:click=move |_| control.use_shared_index("")>"Use none"</button>
            </div>
            <p class="hint" role="status" data-testid="shared-index-chosen" hidden=move || chosen.with(Option::is_none)>
                {words}
            </p>
            <p class="hint">
                "Vectors that your team computed once are read from an address, or from files on your disk, instead of \
                 being computed here. No source text is in them, and none is sent."
            </p>
            <input
                type="file" multiple=true hidden=true tabindex="-1" aria-label="Files of a shared index"
                data-testid="shared-index-files-input" node_ref=files on:change=take(files)
            />
            <input
                type="file" multiple=true hidden=true tabindex="-1" aria-label="Folder of a shared index"
                data-testid="shared-index-folder-input" {..custom_attribute("webkitdirectory", "")} node_ref=folder
                on:change=take(folder)
            />
        </details>
    }
}
