//! The lanes side by side, and what was retrieved for them.

use leptos::prelude::*;
use llavacode_api::completion::Lane;

use super::chunks::Chunks;
use super::control;
use super::lane_card::LaneCard;
use super::places::Places;
use super::toggle::Toggle;
use crate::state::axis::Axis;
use crate::state::choice::Offer;
use crate::state::engine::bytes;
use crate::state::lanes::Phase;

/// The panel.
#[component]
pub(super) fn Lanes() -> impl IntoView {
    let control = control();
    let lanes = control.state.lanes;
    let busy =
        move || lanes.iter().any(|lane| lane.with(|run| matches!(run.phase, Phase::Running | Phase::Queued)));
    let compare = Signal::derive(move || control.state.settings.with(|settings| settings.compare));
    // One for all cards.
    let axis = Memo::new(move |_| {
        let shown = control.state.shown.get();
        let ttft = |lane: Lane| control.state.lane(lane).with(|run| run.ttft);
        Axis::over(shown.into_iter().filter_map(ttft).map(|ttft| ttft.total_ms))
    });
    let act = move |_| {
        if untrack(busy) {
            control.stop();
        } else {
            control.complete(true);
            // Where Tab accepts.
            control.focus_editor();
        }
    };
    view! {
        <div class="lanes-bar">
            <Toggle
                label="Compare" title="Run every lane at the cursor, one after another" testid="compare"
                get=|s| s.compare set=|s, on| s.compare = on
            />
            <Toggle
                label="Cold" testid="cold" disabled=Signal::derive(move || !compare.get())
                title="While comparing, each lane starts from an empty KV cache and reads its whole prompt"
                get=|s| s.cold set=|s, on| s.cold = on
            />
            <Toggle
                label="Same file" title="Let far-away parts of the open file be retrieved too" testid="same-file"
                get=|s| s.same_file set=|s, on| s.same_file = on
            />
            <button
                class="primary" data-testid="complete"
                disabled=move || control.state.engine.with(|engine| !engine.is_ready()) on:click=act
            >{move || if busy() { "Stop" } else { "Complete" }}</button>
        </div>
        <Places/>
        {move || control.state.offer.get().map(|offer| view! { <BetterModel offer/> })}
        <div class="lane-list">{Lane::ALL.map(|lane| view! { <LaneCard lane=lane axis=axis/> })}</div>
        <Chunks/>
    }
}

/// A better model is there: what it would cost here, and the user's choice.
#[component]
fn BetterModel(offer: Offer) -> impl IntoView {
    let control = control();
    let Offer { name, bytes: size, tokens_a_second, estimate } = offer;
    let text = format!(
        "{name} ({}) is here too and completes more lines. On this device it would take about {} to its \
         first token at a new place, by the lane, estimated from the {tokens_a_second:.0} tokens a second that \
         pico reads.",
        bytes(size),
        estimate.words()
    );
    view! {
        <div class="offer" role="region" aria-label="A better model" data-testid="offer">
            <p>{text}</p>
            <button data-testid="offer-accept" on:click=move |_| control.answer_offer(true)>
                {format!("Use {name} all the same")}
            </button>
            <button class="quiet" data-testid="offer-decline" on:click=move |_| control.answer_offer(false)>
                "Keep pico"
            </button>
        </div>
    }
}
