//! The editor with its tabs and options.

use leptos::html::Div;
use leptos::prelude::*;
use llavacode_api::completion::Lane;

use super::control;
use super::files::Unsaved;
use super::keys::is_mac;
use super::toggle::Toggle;
use crate::state::lanes::title;
use crate::state::prompt::file_name;
use crate::state::workspace::Home;

/// The middle column.
#[component]
pub(super) fn EditorPane() -> impl IntoView {
    let control = control();
    let host = NodeRef::<Div>::new();
    host.on_load(move |host| control.start(&host));
    let path = move || control.state.tabs.with(|tabs| tabs.active.clone());
    let unsaved = move || path().is_some_and(|path| control.state.workspace.with(|w| w.is_unsaved(&path)));
    let in_folder = move || control.state.workspace.with(|w| w.home == Home::Folder);
    view! {
        <section class="editor-pane" aria-label="Editor">
            <Tabs/>
            <div class="editor-bar">
                <span class="place">
                    <span class="path" data-testid="path">{move || path().unwrap_or_default()}</span>
                    <Unsaved show=unsaved/>
                    <button
                        class="small" data-testid="save" hidden=move || !unsaved() on:click=move |_| control.save()
                        title=move || if in_folder() {
                            "Write it to disk"
                        } else {
                            "Download it: this project is in no folder that the page may write to"
                        }
                    >{move || if in_folder() { "Save" } else { "Download" }}</button>
                </span>
                <Options/>
            </div>
            <div class="editor-host" id="editor" data-testid="editor" node_ref=host></div>
            <div class="editor-empty" hidden=move || path().is_some()>
                <p>"No file is open."</p>
                <p class="hint">"Choose one in the explorer, or drop files here."</p>
            </div>
            <Hints/>
        </section>
    }
}

/// The open files.
#[component]
fn Tabs() -> impl IntoView {
    let control = control();
    let tabs = control.state.tabs;
    view! {
        <div class="tabs" role="group" aria-label="Open files">
            <For each=move || tabs.with(|tabs| tabs.open.clone()) key=Clone::clone let(path)>
                {
                    let (shown, unsaved, opened, closed) = (path.clone(), path.clone(), path.clone(), path.clone());
                    let active = Memo::new(move |_| tabs.with(|tabs| tabs.active.as_deref() == Some(shown.as_str())));
                    let unsaved = move || control.state.workspace.with(|w| w.is_unsaved(&unsaved));
                    let name = file_name(&path).to_owned();
                    let label = format!("Close {name}");
                    view! {
                        <div class="tab" class:active=active>
                            <button
                                class="tab-name" title=path.clone()
                                aria-current=move || active.get().then_some("true")
                                on:click=move |_| {
                                    control.open(&opened);
                                    control.focus_editor();
                                }
                            >
                                {name}
                                <Unsaved show=unsaved/>
                            </button>
                            <button class="tab-close" aria-label=label on:click=move |_| control.close(&closed)>
                                "×"
                            </button>
                        </div>
                    }
                }
            </For>
        </div>
    }
}

/// How completions are made.
#[component]
fn Options() -> impl IntoView {
    let control = control();
    let settings = control.state.settings;
    let choose = move |event| {
        let value = event_target_value(&event);
        if let Some(lane) = Lane::ALL.into_iter().find(|lane| lane.key() == value) {
            control.settings(|settings| settings.ghost_lane = lane);
        }
    };
    let pause = move |event| {
        if let Ok(pause_ms) = event_target_value(&event).parse::<u32>() {
            control.settings(|settings| settings.set_pause_ms(pause_ms));
        }
    };
    view! {
        <div class="options">
            <label class="field" title="Whose completion is shown in the editor">
                <span>"Ghost text"</span>
                <select
                    data-testid="ghost-lane"
                    on:change=choose
                >
                    {move || control.state.offered.get().into_iter().map(|lane| {
                        let chosen = move || control.state.ghost_lane() == lane;
                        view! { <option value=lane.key() selected=chosen>{title(lane)}</option> }
                    }).collect_view()}
                </select>
            </label>
            <Toggle
                label="Several lines" title="Go on after the end of the line" testid="multi-line"
                get=|s| s.multi_line set=|s, on| s.multi_line = on
            />
            <Toggle
                label="On pause" title="Ask by itself when you pause; Ctrl+Space asks at any time"
                testid="automatic" get=|s| s.automatic set=|s, on| s.automatic = on
            />
            <label class="field" title="How long a pause is">
                <input
                    type="number" min="50" max="5000" step="50" aria-label="Pause in milliseconds"
                    data-testid="pause-ms" prop:value=move || settings.with(|s| s.pause_ms.to_string())
                    disabled=move || settings.with(|s| !s.automatic) on:change=pause
                />
                <span>"ms"</span>
            </label>
            <button
                class="small" data-testid="copy-link" on:click=move |_| control.copy_link()
                title="A link with these settings and, in the demo, this place; no source text is in it"
            >"Copy link"</button>
        </div>
    }
}

/// The keys.
#[component]
fn Hints() -> impl IntoView {
    let command = if is_mac() { "⌘" } else { "Ctrl" };
    // Those marked are left out where there is little room.
    let keys = [
        ("Tab".to_owned(), "accept", false),
        (format!("{command} →"), "a word", false),
        (format!("{command} ↓"), "a line", true),
        ("Alt ]".to_owned(), "another lane's", true),
        ("Esc".to_owned(), "dismiss", false),
        ("Ctrl Space".to_owned(), "complete", false),
        (format!("{command} S"), "save", false),
        (format!("{command} P"), "go to file", true),
        (format!("{command} F"), "find", true),
        (format!("{command} Shift F"), "in all files", true),
        ("Esc Tab".to_owned(), "leave the editor", false),
    ];
    view! {
        <p class="keys">
            {keys.map(|(key, meaning, more)| view! { <span class:more=more><kbd>{key}</kbd>" "{meaning}</span> })}
        </p>
    }
}
