//! The status line.

use leptos::prelude::*;

use super::control;
use crate::state::choice::Arriving;
use crate::state::engine::{EngineState, IndexState, bytes, device_words, percent};
use crate::state::library::{Amount, Library};
use crate::state::notices::Action;

/// The line.
#[component]
pub(super) fn StatusLine() -> impl IntoView {
    let control = control();
    let engine = control.state.engine;
    let text = move || {
        engine.with(|engine| match engine {
            EngineState::Starting => "Starting the engine".to_owned(),
            EngineState::Loading { read, total, .. } => {
                format!("Loading the model: {} of {}", bytes(*read), bytes(*total))
            }
            EngineState::Ready(_) => "Ready".to_owned(),
            EngineState::Failed { .. } => "The engine does not run".to_owned(),
        })
    };
    let share = move || {
        engine.with(|engine| match engine {
            EngineState::Loading { read, total, .. } => percent(*read, *total),
            _ => 0,
        })
    };
    let loading = move || engine.with(|engine| engine.key() == "loading");
    let failed = move || engine.with(|engine| engine.key() == "error");
    let facts =
        move || engine.with(|engine| if let EngineState::Ready(i) = engine { Some(i.clone()) } else { None });
    let backend = move || facts().map(|info| info.backend).unwrap_or_default();
    // What is on its way: first onto this device, then into memory.
    let arriving = move || {
        let fetching = control.state.library.with(Library::fetching);
        if let Some((id, Amount { read, total })) = fetching {
            return Some(format!("{} is downloading, {} %", control.model_name(&id), percent(read, total)));
        }
        control.state.arriving.with(|arriving| {
            let Arriving { name, read, total } = arriving.as_ref()?;
            Some(format!("{name} is loading, {} %", percent(*read, *total)))
        })
    };
    let index = move || {
        control.state.index.with(|index| match index {
            IndexState::Ready(info) if info.persisted => "index kept",
            IndexState::Ready(_) => "index not kept",
            IndexState::Running { .. } => "indexing",
            _ => "",
        })
    };
    // The demo is nobody's work.
    let unsaved = move || control.state.workspace.with(|w| if w.is_demo() { 0 } else { w.unsaved().len() });
    let cursor = move || {
        let (line, column) = control.state.cursor.get();
        format!("Ln {}, Col {}", line + 1, column + 1)
    };
    view! {
        <footer
            class="status" data-testid="status" data-state=move || engine.with(|engine| engine.key())
            data-backend=backend
        >
            <span class="state" aria-live=move || if loading() { "off" } else { "polite" }><span class="dot" aria-hidden="true"></span>{text}</span>
            <progress max="100" prop:value=share hidden=move || !loading() aria-label="Loading the model"></progress>
            <button class="small" hidden=move || !failed() data-testid="restart"
                on:click=move |_| control.action(Action::Restart)>"Restart"</button>
            {move || facts().map(|info| {
                let (name, why) = device_words(&info);
                view! {
                    <span class="fact backend" title=why data-testid="backend">{name}</span>
                    <span class="fact" data-testid="adapter" hidden=info.adapter.is_empty()>{info.adapter.clone()}</span>
                    <span class="fact" data-testid="model">{info.model}</span>
                    <span class="fact arriving" data-testid="arriving" hidden=move || arriving().is_none()>
                        {move || arriving().unwrap_or_default()}
                    </span>
                    <span class="fact" data-testid="memory">{bytes(info.memory_bytes)}</span>
                }
            })}
            <span class="fact">{index}</span>
            <span class="spring"></span>
            <button
                class="small" data-testid="save-all" hidden=move || unsaved() == 0 title="Save every file that is not"
                on:click=move |_| control.save_all()
            >{move || match unsaved() {
                1 => "Save 1 file".to_owned(),
                files => format!("Save {files} files"),
            }}</button>
            <span class="fact">{cursor}</span>
        </footer>
    }
}
