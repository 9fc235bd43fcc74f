//! The files of the workspace as a tree, and what can be done with one: new, rename, delete.

use leptos::attr::custom::custom_attribute;
use leptos::ev::{KeyboardEvent, SubmitEvent};
use leptos::html::{Div, Input};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::{bring_into_sight, control};
use crate::control::Control;
use crate::state::prompt::file_name;
use crate::state::tree::{Row, rows};

/// What a name is typed for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Naming {
    /// A new file.
    New,
    /// A row that is there.
    Rename(String),
}

/// What the parts share: the row that buttons and keys act on, and what is being named.
#[derive(Clone, Copy)]
struct Selected {
    control: Control,
    /// The row that had the keyboard last.
    focused: RwSignal<Option<String>>,
    naming: RwSignal<Option<Naming>>,
}

impl Selected {
    /// The row to act on: the one that had the keyboard last, or the open file's.
    fn row(self) -> Option<String> {
        let there = |row: &String| self.control.state.workspace.with(|w| !w.below(row).is_empty());
        let active = || self.control.state.tabs.with(|tabs| tabs.active.clone());
        self.focused.get().filter(there).or_else(active)
    }
}

/// Tree and buttons, in the place of which results stand while all files are searched.
#[component]
pub(super) fn Files() -> impl IntoView {
    let control = control();
    let chosen = Selected { control, focused: RwSignal::new(None), naming: RwSignal::new(None) };
    // Opening a file elsewhere makes it the one to act on.
    Effect::new(move |_| {
        control.state.tabs.track();
        chosen.focused.set(None);
    });
    let hidden = move || control.state.find.with(Option::is_some);
    view! {
        <div class="files" hidden=hidden>
            <FileBar chosen/>
            {move || chosen.naming.get().map(|naming| view! { <NameForm chosen naming/> })}
            <Tree chosen/>
        </div>
    }
}

/// New, rename, delete.
#[component]
fn FileBar(chosen: Selected) -> impl IntoView {
    let control = control();
    let row = Memo::new(move |_| chosen.row());
    let none = move || row.with(Option::is_none);
    let about = move |act: &str| row.get().map_or_else(|| act.to_owned(), |row| format!("{act} {row}"));
    view! {
        <div class="choosers file-bar" role="group" aria-label="Change files">
            <button
                data-testid="new-file" title="Make a new file"
                on:click=move |_| chosen.naming.set(Some(Naming::New))
            >"New"</button>
            <button
                data-testid="rename-file" disabled=none title=move || format!("{} (F2 in the tree)", about("Rename"))
                on:click=move |_| chosen.naming.set(row.get_untracked().map(Naming::Rename))
            >"Rename"</button>
            <button
                data-testid="delete-file" disabled=none
                title=move || format!("{} (Delete in the tree)", about("Delete"))
                on:click=move |_| {
                    if let Some(row) = row.get_untracked() {
                        control.delete(&row);
                    }
                }
            >"Delete"</button>
        </div>
    }
}

/// A line to type a path into.
#[component]
fn NameForm(chosen: Selected, naming: Naming) -> impl IntoView {
    let control = control();
    let input = NodeRef::<Input>::new();
    let (problem, set_problem) = signal(String::new());
    let (label, button, start) = match &naming {
        Naming::New => {
            let beside = untrack(|| chosen.row()).unwrap_or_default();
            let folder = beside.len() - beside.rsplit('/').next().map_or(0, str::len);
            ("Path of the new file".to_owned(), "Make", beside[..folder].to_owned())
        }
        Naming::Rename(row) => (format!("New path of {row}"), "Rename", row.clone()),
    };
    let (before, typed) = (start.clone(), start.clone());
    input.on_load(move |input| {
        // Once it is in the page; the name without its ending is what is usually changed.
        request_animation_frame(move || {
            let units = |text: &str| text.encode_utf16().count() as u32;
            let name = file_name(&before);
            let end = name
                .rfind('.')
                .filter(|&dot| dot > 0)
                .map_or(before.len(), |dot| before.len() - name.len() + dot);
            let selected = (units(&before[..before.len() - name.len()]), units(&before[..end]));
            if input.focus().is_err() || input.set_selection_range(selected.0, selected.1).is_err() {
                log::warn!("the name could not be selected");
            }
        });
    });
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(typed) = input.get_untracked().map(|input| input.value()) else { return };
        let done = match &naming {
            Naming::New => control.make_file(&typed),
            Naming::Rename(row) => {
                let done = if typed == *row { Ok(()) } else { control.rename(row, &typed) };
                done.inspect(|()| focus_tree())
            }
        };
        match done {
            Ok(()) => chosen.naming.set(None),
            Err(sentence) => set_problem.set(sentence),
        }
    };
    view! {
        <form
            class="name-form" on:submit=submit
            on:keydown=move |event: KeyboardEvent| {
                if event.key() == "Escape" {
                    chosen.naming.set(None);
                    focus_tree();
                }
            }
        >
            <input
                type="text" node_ref=input prop:value=typed aria-label=label data-testid="file-name"
                autocomplete="off" spellcheck="false" aria-describedby="name-problem"
                aria-invalid=move || (!problem.with(String::is_empty)).to_string()
                on:input=move |_| set_problem.set(String::new())
            />
            <div class="name-buttons">
                <button class="small primary" type="submit">{button}</button>
                <button class="small" type="button" on:click=move |_| chosen.naming.set(None)>"Cancel"</button>
            </div>
            <p class="problem" id="name-problem" role="alert">{problem}</p>
        </form>
    }
}

/// The files as a tree.
#[component]
fn Tree(chosen: Selected) -> impl IntoView {
    let control = control();
    let closed = control.state.closed_folders;
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
            closed.update(|closed| {
                if !closed.remove(&row.path) {
                    closed.insert(row.path.clone());
                }
            });
        } else {
            control.open(&row.path);
        }
    };
    let keys = move |event: KeyboardEvent| {
        let row = untrack(|| chosen.row());
        let command = event.ctrl_key() || event.meta_key();
        match (event.key().as_str(), row) {
            ("F2", Some(row)) => chosen.naming.set(Some(Naming::Rename(row))),
            ("Delete", Some(row)) => {
                focus_beside(&event, &row);
                control.delete(&row);
            }
            ("z", _) if command && !event.shift_key() => control.undo_newest(),
            _ => return move_focus(event),
        }
        event.prevent_default();
    };
    // The open file's row is in sight, wherever the file was opened.
    let tree = NodeRef::<Div>::new();
    let opened = Memo::new(move |_| active());
    Effect::new(move |_| {
        if opened.get().is_none() {
            return;
        }
        // Once its row is there.
        request_animation_frame(move || {
            let Some(tree) = tree.get_untracked() else { return };
            let row = tree.query_selector("[aria-selected='true']").ok().flatten();
            if let Some(row) = row.and_then(|row| row.dyn_into::<HtmlElement>().ok()) {
                bring_into_sight(&tree, &row);
            }
        });
    });
    view! {
        <div class="tree" node_ref=tree role="tree" aria-label="Files" data-testid="file-tree" on:keydown=keys>
            <For each=move || shown.get() key=|row| (row.path.clone(), row.level) let(row)>
                {
                    let path = row.path.clone();
                    let (current, first, unsaved, focused) = (path.clone(), path.clone(), path.clone(), path.clone());
                    let is_active = move || active().as_deref() == Some(current.as_str());
                    let is_unsaved = move || control.state.workspace.with(|w| w.is_unsaved(&unsaved));
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
                            style=("--level", row.level.to_string())
                            title=path data-path=row.path.clone()
                            {..custom_attribute("aria-level", row.level.to_string())}
                            aria-expanded=move || open.get().map(|open| open.to_string())
                            aria-selected=move || is_active().to_string()
                            tabindex=move || if entry.get().as_deref() == Some(first.as_str()) { "0" } else { "-1" }
                            on:focus=move |_| chosen.focused.set(Some(focused.clone()))
                            on:click=move |_| activate(&row)
                        >
                            <span class="marker" aria-hidden="true">{marker}</span>
                            <span class="row-name">{label}</span>
                            <Unsaved show=is_unsaved/>
                        </button>
                    }
                }
            </For>
        </div>
    }
}

/// Before a row goes, the keyboard moves to one that stays.
fn focus_beside(event: &KeyboardEvent, gone: &str) {
    let Some(row) = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok()) else { return };
    let stays = |row: &Element| !row.get_attribute("data-path").is_some_and(|path| path.starts_with(gone));
    let mut next = row.next_element_sibling();
    while next.as_ref().is_some_and(|row| !stays(row)) {
        next = next.and_then(|row| row.next_element_sibling());
    }
    let beside = next.or_else(|| row.previous_element_sibling());
    if let Some(beside) = beside.and_then(|row| row.dyn_into::<HtmlElement>().ok()) {
        // A row that cannot be focused is being taken away.
        let _ = beside.focus();
    }
}

/// Puts the keyboard back into the tree, once it shows what was done.
fn focus_tree() {
    request_animation_frame(|| {
        let row = document().query_selector(".tree [tabindex='0']").ok().flatten();
        if let Some(row) = row.and_then(|row| row.dyn_into::<HtmlElement>().ok()) {
            // A row that cannot be focused is being taken away.
            let _ = row.focus();
        }
    });
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

/// The mark of a file with something that is not saved.
#[component]
pub(super) fn Unsaved(show: impl Fn() -> bool + Send + 'static) -> impl IntoView {
    view! {
        <span class="unsaved" hidden=move || !show() title="Not saved" data-testid="unsaved">
            <span class="visually-hidden">"not saved"</span>
        </span>
    }
}
