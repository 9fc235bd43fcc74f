//! What the bundle's release measured.

use leptos::prelude::*;

use super::control;
use crate::state::engine::EngineState;
use crate::state::lanes::title;
use crate::state::released::{Figure, LaneFigures, TaskSet, task_sets};

/// The lanes' worth, as the loaded bundle's manifest tells it; nothing where it tells none.
#[component]
pub(super) fn Released() -> impl IntoView {
    let control = control();
    let found = Memo::new(move |_| {
        control.state.engine.with(|engine| match engine {
            EngineState::Ready(info) => Some((info.model.clone(), task_sets(&info.evaluation))),
            _ => None,
        })
    });
    move || {
        let (model, sets) = found.get().filter(|(_, sets)| !sets.is_empty())?;
        Some(view! {
            <section class="released" data-testid="released">
                <h3>{format!("What {model} was released with")}</h3>
                <p class="hint">
                    "From the bundle's manifest, in percent. Below each number its difference from base, with a 95 % interval: a lane gains or loses only where the interval leaves out nought."
                </p>
                {sets.into_iter().map(table).collect_view()}
            </section>
        })
    }
}

fn table(set: TaskSet) -> impl IntoView {
    view! {
        <table>
            <caption>{set.title}</caption>
            <thead><tr><th scope="col">"Lane"</th><th scope="col">"Exact match"</th>
                <th scope="col">"Edit similarity"</th></tr></thead>
            <tbody>
                {set.rows.into_iter().map(|LaneFigures { lane, exact_match, edit_similarity }| view! {
                    <tr><th scope="row">{title(lane)}</th>{cell(exact_match)}{cell(edit_similarity)}</tr>
                }).collect_view()}
            </tbody>
        </table>
    }
}

fn cell(figure: Figure) -> impl IntoView {
    let change = figure.against_base.map(|change| {
        let verdict = change.verdict.key();
        view! {
            <small data-verdict=verdict>
                <span class="interval">{change.text}</span>" "<span class="verdict">{verdict}</span>
            </small>
        }
    });
    view! { <td>{figure.value}{change}</td> }
}
