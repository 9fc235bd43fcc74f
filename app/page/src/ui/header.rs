//! The page's head: name, models, theme.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::MediaQueryList;

use super::control;
use super::intro::IntroButton;
use crate::control::Control;
use crate::state::Dialog;
use crate::state::settings::Theme;

fn dark_query() -> Option<MediaQueryList> {
    window().match_media("(prefers-color-scheme: dark)").ok().flatten()
}

/// The theme in force: the user's choice, or the system's.
fn theme(control: Control, system_is_dark: ReadSignal<bool>) -> Theme {
    let system = if system_is_dark.get() { Theme::Dark } else { Theme::Light };
    control.state.settings.with(|settings| settings.theme).unwrap_or(system)
}

/// Keeps document and editor in the theme in force.
pub(super) fn follow_theme(control: Control) {
    let query = dark_query();
    let (system_is_dark, set_system) = signal(query.as_ref().is_some_and(MediaQueryList::matches));
    if let Some(query) = query {
        let source = query.clone();
        let changed = Closure::<dyn Fn()>::new(move || set_system.set(source.matches()));
        // It lives as long as the page.
        let _ = query.add_event_listener_with_callback("change", changed.into_js_value().unchecked_ref());
    }
    Effect::new(move |_| {
        let chosen = control.state.settings.with(|settings| settings.theme);
        if let Some(root) = document().document_element() {
            let set = match chosen {
                Some(theme) => root.set_attribute("data-theme", theme.key()),
                None => root.remove_attribute("data-theme"),
            };
            if let Err(error) = set {
                log::warn!("the theme could not be set: {error:?}");
            }
        }
        control.show_theme(theme(control, system_is_dark));
    });
}

/// The head.
#[component]
pub(super) fn Header() -> impl IntoView {
    let control = control();
    let is_dark = move || control.state.dark.get();
    let toggle = move |_| {
        let next = if untrack(is_dark) { Theme::Light } else { Theme::Dark };
        control.settings(|settings| settings.theme = Some(next));
    };
    view! {
        <header class="head">
            <h1 class="brand"><img src="icon.svg" alt="" width="20" height="20"/>"LlavaCode"</h1>
            <p class="tagline">"Code completion from soft tokens, in your browser"</p>
            <IntroButton/>
            <button
                class="quiet" data-testid="models-open"
                on:click=move |_| control.state.dialog.set(Some(Dialog::Models))
            >"Models"</button>
            <button
                class="quiet" data-testid="theme-toggle"
                aria-label=move || if is_dark() { "Switch to the light theme" } else { "Switch to the dark theme" }
                on:click=toggle
            >{move || if is_dark() { "Light" } else { "Dark" }}</button>
        </header>
    }
}
