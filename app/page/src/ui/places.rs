//! The demo's places, and what stood there.

use leptos::prelude::*;

use super::control;
use crate::state::engine::EngineState;
use crate::state::places::{DemoPlace, words};

/// A button for each place, and a sentence on the one shown.
#[component]
pub(super) fn Places() -> impl IntoView {
    let control = control();
    let places = control.state.places;
    let count = Memo::new(move |_| places.with(|places| places.places.len()));
    let hidden = move || count.get() == 0 || control.state.workspace.with(|workspace| !workspace.is_demo());
    let at = Memo::new(move |_| places.with(|places| places.at));
    let shown = move || places.with(|places| places.shown().cloned());
    let model = move || {
        control.state.engine.with(|engine| match engine {
            EngineState::Ready(info) => Some(info.model.clone()),
            _ => None,
        })
    };
    let title = move |number: usize| {
        let of = |place: &DemoPlace| format!("{}, line {}", place.path, place.line + 1);
        places.with(|places| places.places.get(number).map(of))
    };
    let buttons = move || {
        (0..count.get())
            .map(|number| {
                view! {
                    <button
                        class="small" data-testid=format!("place-{number}")
                        aria-label=move || format!("Place {} of the demo: {}", number + 1, title(number).unwrap_or_default())
                        aria-pressed=move || (at.get() == Some(number)).to_string() title=move || title(number)
                        on:click=move |_| control.show_demo_place(number)
                    >{number + 1}</button>
                }
            })
            .collect_view()
    };
    view! {
        <section class="places" aria-label="Places in the demo" data-testid="places" hidden=hidden>
            <div class="places-row"><span class="hint">"Places in the demo"</span>{buttons}</div>
            {move || shown().map(|place| view! {
                <p class="places-target">
                    <span class="hint">"Written here: "</span>
                    <code data-testid="place-target">{place.target.clone()}</code>
                </p>
                <p class="note" data-testid="place-words">{move || model().map(|model| words(&place, &model))}</p>
            })}
        </section>
    }
}
