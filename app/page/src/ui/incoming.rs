//! Where files go that were opened: into the workspace, or in its place.

use leptos::html::Dialog as DialogElement;
use leptos::prelude::*;

use super::control;
use super::prompt_view::follow;
use crate::control::IncomingPlace;
use crate::state::Dialog;

/// The question.
#[component]
pub(super) fn IncomingDialog() -> impl IntoView {
    let control = control();
    let element = NodeRef::<DialogElement>::new();
    follow(element, move || control.state.dialog.get() == Some(Dialog::Incoming));
    let answer = move |place| control.answer_incoming(place);
    let words = move || {
        control.state.incoming.with(|incoming| incoming.as_ref().map(|i| i.words()).unwrap_or_default())
    };
    let name = move || control.state.workspace.with(|workspace| workspace.name.clone());
    view! {
        <dialog
            node_ref=element class="incoming" aria-labelledby="incoming-title" data-testid="incoming"
            on:close=move |_| answer(IncomingPlace::Nowhere)
        >
            <header><h2 id="incoming-title">{move || format!("Open {}", words())}</h2></header>
            <section>
                <p>{move || format!("Add to the project “{}”, or open in its place?", name())}</p>
                <div class="actions">
                    <button class="primary" data-testid="incoming-join" on:click=move |_| answer(IncomingPlace::Join)>
                        "Add to the project"
                    </button>
                    <button data-testid="incoming-replace" on:click=move |_| answer(IncomingPlace::Replace)>
                        "Replace the project"
                    </button>
                    <button class="quiet" on:click=move |_| answer(IncomingPlace::Nowhere)>"Cancel"</button>
                </div>
            </section>
        </dialog>
    }
}
