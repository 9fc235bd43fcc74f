//! A labelled switch over one of the settings.

use leptos::prelude::*;

use super::control;
use crate::state::settings::Settings;

/// A switch. `title` says in a sentence what it does.
#[component]
pub(super) fn Toggle(
    label: &'static str,
    title: &'static str,
    testid: &'static str,
    get: fn(&Settings) -> bool,
    set: fn(&mut Settings, bool),
    #[prop(optional, into)] disabled: Signal<bool>,
) -> impl IntoView {
    let control = control();
    view! {
        <label class="toggle" title=title>
            <input
                type="checkbox" role="switch" data-testid=testid
                prop:checked=move || control.state.settings.with(get)
                disabled=disabled
                on:change=move |event| control.settings(|settings| set(settings, event_target_checked(&event)))
            />
            <span>{label}</span>
        </label>
    }
}
