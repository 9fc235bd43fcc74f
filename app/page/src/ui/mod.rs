//! What a user sees.
#![expect(unreachable_pub, reason = "what `#[component]` expands to is `pub`")]

mod chunks;
mod divider;
mod editor;
mod explorer;
mod files;
mod find;
mod go_to_file;
mod header;
mod incoming;
mod intro;
mod keys;
mod lane_card;
mod lanes;
mod measure;
mod models;
mod notices;
mod places;
mod prompt_view;
mod released;
mod status;
mod task_results;
mod toggle;

use leptos::ev::{self, DragEvent};
use leptos::prelude::*;
use web_sys::HtmlElement;

use crate::control::Control;
use crate::files::drop;
use crate::state::State;
use crate::state::settings::Settings;
use crate::state::suggestions::Suggestions;
use divider::{Divider, Side};

/// The page's control, from anywhere in it.
fn control() -> Control {
    expect_context::<Control>()
}

/// Scrolls a list, to which its items' places relate, no further than an item needs.
fn bring_into_sight(list: &HtmlElement, item: &HtmlElement) {
    let (top, bottom) = (item.offset_top(), item.offset_top() + item.offset_height());
    let lowest = bottom - list.client_height();
    list.set_scroll_top(list.scroll_top().clamp(lowest, top.max(lowest)));
}

/// The page.
#[component]
pub fn App() -> impl IntoView {
    let control = Control::new(State::new(Settings::load()));
    control.state.suggestions.set(Suggestions::load());
    provide_context(control);
    header::follow_theme(control);
    keys::listen(control);

    // What was typed last is kept when the page goes away.
    window_event_listener(ev::pagehide, move |_| control.keep_edits());
    window_event_listener(ev::visibilitychange, move |_| {
        if document().hidden() {
            control.keep_edits();
        }
    });
    window_event_listener(ev::beforeunload, move |event| {
        if control.asks_before_leaving() {
            event.prevent_default();
            // Older browsers ask because of this.
            event.set_return_value("unsaved");
        }
    });

    let (dragging, set_dragging) = signal(false);
    // Text that is dragged about in the editor is the editor's.
    let drag_over = move |event: DragEvent| {
        if event.data_transfer().is_some_and(|transfer| drop::carries_files(&transfer)) {
            event.prevent_default();
            set_dragging.set(true);
        }
    };
    let dropped = move |event: DragEvent| {
        set_dragging.set(false);
        let Some(transfer) = event.data_transfer().filter(drop::carries_files) else { return };
        event.prevent_default();
        let entries = drop::entries(&transfer);
        control.import(async move { drop::walk(entries).await.map(Some) });
    };
    let settings = control.state.settings;
    let explorer_width = move || format!("{}px", settings.with(|settings| settings.explorer_width));
    let lanes_width = move || format!("{}px", settings.with(|settings| settings.lanes_width));

    view! {
        <div
            class="app"
            class:dragging=dragging
            style=("--explorer-width", explorer_width)
            style=("--lanes-width", lanes_width)
            on:dragover=drag_over
            on:dragleave=move |event| {
                if event.related_target().is_none() {
                    set_dragging.set(false);
                }
            }
            on:drop=dropped
        >
            <a class="skip" href="#editor" on:click=move |event| {
                event.prevent_default();
                control.focus_editor();
            }>"Skip to the editor"</a>
            <header::Header/>
            <intro::Intro/>
            <main class="columns">
                <explorer::Explorer/>
                <Divider side=Side::Explorer/>
                <editor::EditorPane/>
                <Divider side=Side::Lanes/>
                <SidePanel/>
            </main>
            <notices::NoticeArea/>
            <status::StatusLine/>
            <models::ModelsDialog/>
            <prompt_view::PromptDialog/>
            <go_to_file::GoToFile/>
            <incoming::IncomingDialog/>
            <div class="visually-hidden" role="status" aria-live="polite" data-testid="announcement">
                {move || control.state.announcement.get()}
            </div>
            <div class="drop-hint" aria-hidden="true">"Drop files, a folder or a zip archive"</div>
        </div>
    }
}

/// Lanes and measurement, one at a time.
#[component]
fn SidePanel() -> impl IntoView {
    let (measuring, show_measure) = signal(false);
    let switch = move |event: ev::KeyboardEvent| {
        if matches!(event.key().as_str(), "ArrowLeft" | "ArrowRight") {
            event.prevent_default();
            show_measure.update(|shown| *shown = !*shown);
            let id = if measuring.get_untracked() { "tab-measure" } else { "tab-lanes" };
            if let Some(tab) = document().get_element_by_id(id) {
                use wasm_bindgen::JsCast;
                // The tab is there: it is this component's own.
                let _ = tab.unchecked_into::<web_sys::HtmlElement>().focus();
            }
        }
    };
    let tab_index = move |selected: bool| if selected { "0" } else { "-1" };
    view! {
        <aside class="side" aria-label="Completions">
            <div class="side-tabs" role="tablist" on:keydown=switch>
                <button
                    id="tab-lanes" role="tab" aria-controls="panel-lanes" data-testid="tab-lanes"
                    aria-selected=move || (!measuring.get()).to_string()
                    tabindex=move || tab_index(!measuring.get())
                    on:click=move |_| show_measure.set(false)
                >"Lanes"</button>
                <button
                    id="tab-measure" role="tab" aria-controls="panel-measure" data-testid="tab-measure"
                    aria-selected=move || measuring.get().to_string()
                    tabindex=move || tab_index(measuring.get())
                    on:click=move |_| show_measure.set(true)
                >"Measure"</button>
            </div>
            <div
                class="side-body" id="panel-lanes" role="tabpanel" aria-labelledby="tab-lanes"
                hidden=move || measuring.get()
            ><lanes::Lanes/></div>
            <div
                class="side-body" id="panel-measure" role="tabpanel" aria-labelledby="tab-measure"
                hidden=move || !measuring.get()
            ><measure::Measure/></div>
        </aside>
    }
}
