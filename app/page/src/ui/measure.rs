//! The measurement and its tables.

use leptos::prelude::*;
use llavacode_protocol::Measurement;

use super::control;
use super::released::Released;
use super::task_results::TaskResults;
use crate::state::engine::percent;
use crate::state::lanes::title;
use crate::state::measure::{MeasureState, differences, facts, kernels, lane_rows, lanes, to_json};

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
        if untrack(running) { control.stop_measuring() } else { control.measure(count.get_untracked()) }
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
