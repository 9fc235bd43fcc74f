//! The measurement and its tables.

use leptos::prelude::*;
use llavacode_protocol::Measurement;

use super::chunks;
use super::control;
use super::released::Released;
use super::task_results::TaskResults;
use crate::state::engine::percent;
use crate::state::lanes::title;
use crate::state::measure::{
    MeasureState, RANKER_COLUMNS, differences, facts, kernels, lane_rows, lanes, ranker_rows, to_json,
};

/// Lines to choose from for a measurement on one's own files.
const COUNTS: [usize; 4] = [20, 60, 200, 600];

/// The panel.
#[component]
pub(super) fn Measure() -> impl IntoView {
    let control = control();
    let measure = control.state.measure;
    let running = move || measure.with(|measure| matches!(measure, MeasureState::Running { .. }));
    let is_demo = move || control.state.workspace.with(|w| w.is_demo());
    let ready = move || control.state.engine.with(|engine| engine.is_ready());
    let count = RwSignal::new(COUNTS[1]);
    let compare_rankers = RwSignal::new(false);
    let line = move || {
        measure.with(|measure| match measure {
            MeasureState::Idle | MeasureState::Done(_) if is_demo() => {
                "Every lane on the demo's tasks, from an empty KV cache, and the device's own ceilings."
                    .to_owned()
            }
            MeasureState::Idle | MeasureState::Done(_) => {
                "Every lane on lines of your own Python files: each is masked, completed and compared with \
                 what stood there. Nothing leaves this device."
                    .to_owned()
            }
            MeasureState::Running { stage, total: 0, .. } => stage.clone(),
            MeasureState::Running { stage, done, total, .. } => format!("{stage}: {done} of {total}"),
            MeasureState::Stopped { results } => format!("Stopped after {} lines.", results.len()),
            MeasureState::Failed { message } => message.clone(),
        })
    };
    let share = move || {
        measure.with(|measure| match measure {
            MeasureState::Running { done, total, .. } => percent(*done as u64, *total as u64),
            MeasureState::Done(_) => 100,
            _ => 0,
        })
    };
    let act = move |_| {
        if untrack(running) {
            control.stop_measuring();
        } else {
            control.measure(count.get_untracked(), compare_rankers.get_untracked());
        }
    };
    view! {
        <div
            class="measure" data-testid="measure"
            data-state=move || measure.with(|measure| measure.key())
        >
            <div class="measure-bar">
                <button
                    class="primary" data-testid="measure-run" disabled=move || !ready() && !running() on:click=act
                >{move || if running() { "Stop" } else { "Measure" }}</button>
                <label class="field" hidden=is_demo title="How many lines are completed, each in every lane">
                    <select
                        aria-label="Lines" data-testid="measure-count" disabled=running
                        on:change=move |event| {
                            if let Ok(chosen) = event_target_value(&event).parse() {
                                count.set(chosen);
                            }
                        }
                    >
                        {COUNTS.map(|choice| view! {
                            <option value=choice.to_string() selected=move || count.get() == choice>
                                {format!("{choice} lines")}
                            </option>
                        })}
                    </select>
                </label>
                <label
                    class="toggle"
                    title="Each ranker completes every line in the lane of full RAG, too: that takes as long again as four lanes of it"
                >
                    <input
                        type="checkbox" role="switch" data-testid="measure-rankers" disabled=running
                        prop:checked=move || compare_rankers.get()
                        on:change=move |event| compare_rankers.set(event_target_checked(&event))
                    />
                    <span>"compare rankers"</span>
                </label>
                <p role="status">{line}</p>
            </div>
            <progress max="100" prop:value=share class:done=move || !running() aria-label="Measuring"></progress>
            {move || measure.with(|measure| match measure {
                MeasureState::Done(measurement) => Some(view! { <Summary measurement=measurement.clone()/> }),
                _ => None,
            })}
            <TaskResults/>
            <Released/>
        </div>
    }
}

#[component]
fn Summary(measurement: Box<Measurement>) -> impl IntoView {
    let (lanes, rows) = (lanes(&measurement), lane_rows(&measurement));
    let facts = facts(&measurement);
    let kernels = kernels(&measurement);
    let differences = differences(&measurement);
    let rankers = ranker_rows(&measurement);
    let json = to_json(&measurement, true);
    view! {
        <script type="application/json" data-testid="measure-report">{json}</script>
        <table>
            <thead><tr><th scope="col">"Lane"</th>
                {lanes.into_iter().map(|lane| view! { <th scope="col">{title(lane)}</th> }).collect_view()}</tr></thead>
            <tbody>
                {rows.into_iter().map(|row| view! {
                    <tr>
                        <th scope="row">{row.label}</th>
                        {row.cells.into_iter().map(|cell| view! { <td>{cell}</td> }).collect_view()}
                    </tr>
                }).collect_view()}
            </tbody>
        </table>
        {(!rankers.is_empty()).then(|| view! {
            <table data-testid="rankers-compared">
                <caption>
                    "Full RAG with the chunks of each ranker. In brackets: what it differs by from the one in use, with its \
                     95 % interval."
                </caption>
                <thead><tr><th scope="col">"Ranker"</th>
                    {RANKER_COLUMNS.map(|column| view! { <th scope="col">{column}</th> })}</tr></thead>
                <tbody>
                    {rankers.into_iter().map(|row| view! {
                        <tr>
                            <th scope="row">{chunks::name(row.ranker)}</th>
                            {row.cells.map(|cell| view! { <td>{cell}</td> })}
                        </tr>
                    }).collect_view()}
                </tbody>
            </table>
        })}
        {(!differences.is_empty()).then(|| view! {
            <table>
                <thead><tr><th scope="col">"Paired difference"</th><th scope="col">"Mean"</th>
                    <th scope="col">"95 % interval"</th></tr></thead>
                <tbody>
                    {differences.into_iter().map(|(name, mean, interval)| view! {
                        <tr><th scope="row">{name}</th><td>{mean}</td><td>{interval}</td></tr>
                    }).collect_view()}
                </tbody>
            </table>
        })}
        {(!kernels.is_empty()).then(|| view! {
            <table>
                <thead><tr><th scope="col">"Kernel"</th><th scope="col">"Of the device's ceiling"</th></tr></thead>
                <tbody>
                    {kernels.into_iter().map(|(name, fraction)| {
                        let share = format!("{:.0} %", fraction * 100.0);
                        view! {
                            <tr><th scope="row">{name}</th>
                                <td><meter min="0" max="1" value=fraction.to_string()></meter>{share}</td></tr>
                        }
                    }).collect_view()}
                </tbody>
            </table>
        })}
        <dl class="facts">
            {facts.into_iter().map(|(label, value)| view! { <div><dt>{label}</dt><dd>{value}</dd></div> }).collect_view()}
        </dl>
    }
}
