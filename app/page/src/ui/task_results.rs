//! A measurement line by line, while it goes on and after it.

use leptos::prelude::*;
use llavacode_api::{
    completion::{ChunkSpan, Lane},
    report::{LaneResult, TaskResult},
};

use super::control;
use crate::files::download;
use crate::state::lanes::title;
use crate::state::measure::{MeasureState, rankers_markdown, to_json};
use crate::state::notices::Severity;
use crate::state::plots::{Plot, plots};
use crate::state::task_results::{Filter, LaneSoFar, Piece, lanes_so_far, to_csv, to_markdown, word_diff};

/// The lanes over the lines that the filter lets through, the lines, and their export.
#[component]
pub(super) fn TaskResults() -> impl IntoView {
    let control = control();
    let measure = control.state.measure;
    let filter = RwSignal::new(Filter::default());
    let any = Memo::new(move |_| measure.with(|measure| !measure.results().is_empty()));
    let count = Memo::new(move |_| measure.with(|measure| measure.results().len()));
    let shown = Memo::new(move |_| {
        let filter = filter.get();
        measure.with(|measure| {
            (0..measure.results().len()).filter(|&n| filter.takes(&measure.results()[n])).collect::<Vec<_>>()
        })
    });
    let lanes = Memo::new(move |_| {
        shown.with(|shown| {
            measure.with(|measure| {
                lanes_so_far(shown.iter().filter_map(|&number| measure.results().get(number)))
            })
        })
    });
    // Drawn when a measurement is over: one under way would draw them after each line.
    let over = Memo::new(move |_| measure.with(|measure| !matches!(measure, MeasureState::Running { .. })));
    let drawn = Memo::new(move |_| {
        let results = |measure: &MeasureState| {
            shown.with(|shown| plots(shown.iter().filter_map(|&number| measure.results().get(number))))
        };
        if over.get() { measure.with(results) } else { Vec::new() }
    });
    let choose = move |event| {
        let value = event_target_value(&event);
        if let Some(chosen) = Filter::ALL.into_iter().find(|filter| filter.key() == value) {
            filter.set(chosen);
        }
    };
    // A line that is there does not change; when a new measurement begins, all of them go.
    let key = move |number: &usize| {
        (
            *number,
            measure
                .with_untracked(|measure| measure.results().get(*number).map(|r| (r.path.clone(), r.line))),
        )
    };
    view! {
        <Show when=move || any.get()>
            <section class="task-results" aria-label="Line by line" data-testid="task-results">
                <div class="measure-bar">
                    <h3>"Line by line "<span class="hint">{move || {
                        let (shown, all) = (shown.with(Vec::len), count.get());
                        if shown == all { all.to_string() } else { format!("{shown} of {all}") }
                    }}</span></h3>
                    <select aria-label="Which lines" data-testid="task-filter" on:change=choose>
                        {Filter::ALL.map(|choice| view! {
                            <option value=choice.key() selected=move || filter.get() == choice>{choice.title()}</option>
                        })}
                    </select>
                </div>
                <table>
                    <thead><tr>
                        <th scope="col">"Lane"</th><th scope="col">"Exact"</th>
                        <th scope="col" title="Of the share of exact lines (Wilson)">"95 % interval"</th>
                        <th scope="col">"Edit similarity"</th><th scope="col">"Cold TTFT"</th>
                    </tr></thead>
                    <tbody>{move || lanes.get().into_iter().map(so_far).collect_view()}</tbody>
                </table>
                <div class="plots" data-testid="plots">{move || drawn.get().into_iter().map(plot).collect_view()}</div>
                <Export/>
                <ol class="task-list">
                    <For each=move || shown.get() key=key let(number)>
                        {measure.with_untracked(|measure| measure.results().get(number).cloned()).map(|result| view! { <Line result/> })}
                    </For>
                </ol>
            </section>
        </Show>
    }
}

fn so_far(found: LaneSoFar) -> impl IntoView {
    let LaneSoFar { lane, exact, of, exact_percent: (low, high), edit_similarity, ttft_ms } = found;
    view! {
        <tr>
            <th scope="row">{title(lane)}</th>
            <td>{format!("{exact} of {of}")}</td>
            <td>{format!("{low:.0} … {high:.0} %")}</td>
            <td>{format!("{edit_similarity:.1} %")}</td>
            <td>{format!("{ttft_ms:.0} ms")}</td>
        </tr>
    }
}

fn plot(Plot { caption, hint, svg }: Plot) -> impl IntoView {
    view! {
        <figure class="plot">
            <figcaption>{caption}" "<span class="hint">{hint}</span></figcaption>
            <div role="img" aria-label=format!("{caption}. {hint}") inner_html=svg></div>
        </figure>
    }
}

/// A line: its place, what stood there, and what each lane made of it.
#[component]
fn Line(result: TaskResult) -> impl IntoView {
    let control = control();
    let TaskResult { path, line, before, target, needs_context, lanes } = result;
    let span = ChunkSpan { path: path.clone(), start_line: line, end_line: line + 1 };
    let of_lane = |lane: Lane| lanes.get(lane.key()).map(|found| completion(lane, found, &target));
    let completions = Lane::ALL.into_iter().filter_map(of_lane).collect_view();
    view! {
        <li class="task">
            <button class="task-place" title="Open this line" on:click=move |_| control.open_span(&span)>
                {format!("{path}:{}", line + 1)}
            </button>
            <span class="tag" hidden=!needs_context title="It needs a name that only another file has">"needs context"</span>
            <code class="task-target">
                <span class="hint">{before.trim_start().to_owned()}</span>{target.clone()}
            </code>
            <dl>{completions}</dl>
        </li>
    }
}

fn completion(lane: Lane, found: &LaneResult, target: &str) -> impl IntoView + use<> {
    let pieces = word_diff(target, &found.text);
    let nothing = found.text.trim().is_empty();
    view! {
        <div data-exact=found.exact_match.to_string()>
            <dt>{title(lane)}</dt>
            <dd>
                {match (found.exact_match, nothing) {
                    (true, _) => view! { <span class="exact">"✓ the same"</span> }.into_any(),
                    (false, true) => view! { <span class="hint">"nothing"</span> }.into_any(),
                    (false, false) => view! { <code>{pieces.into_iter().map(piece).collect_view()}</code> }.into_any(),
                }}
            </dd>
            <dd class="task-time">{format!("{:.0} ms", found.ttft_cold_ms)}</dd>
        </div>
    }
}

/// A piece of a text against another, marked by its element.
pub(super) fn piece((piece, text): (Piece, String)) -> AnyView {
    match piece {
        Piece::Same => text.into_any(),
        Piece::Added => view! { <ins>{text}</ins> }.into_any(),
        Piece::Missing => view! { <del>{text}</del> }.into_any(),
    }
}

/// The results as a file.
#[component]
fn Export() -> impl IntoView {
    let control = control();
    let source = RwSignal::new(false);
    let done = move || control.state.measure.with(|measure| matches!(measure, MeasureState::Done(_)));
    let export = move |kind: &'static str| {
        let source = source.get_untracked();
        let text = control.state.measure.with_untracked(|measure| match (kind, measure) {
            ("json", MeasureState::Done(measurement)) => to_json(measurement, source),
            ("csv", measure) => to_csv(measure.results(), source),
            (_, MeasureState::Done(measurement)) => {
                to_markdown(&measurement.report.results, source) + &rankers_markdown(measurement)
            }
            (_, measure) => to_markdown(measure.results(), source),
        });
        if let Err(error) = download::download(&format!("llavacode-report.{kind}"), text.as_bytes()) {
            let reason = llavacode_browser::describe(&error);
            control.notify(Severity::Error, format!("The report could not be saved: {reason}."), &[]);
        }
    };
    view! {
        <div class="export">
            <button data-testid="measure-download" disabled=move || !done() on:click=move |_| export("json")>"JSON"</button>
            <button data-testid="measure-csv" on:click=move |_| export("csv")>"CSV"</button>
            <button data-testid="measure-markdown" on:click=move |_| export("md")>"Markdown"</button>
            <label class="toggle" title="Lines and completions are in the file, not their numbers alone">
                <input
                    type="checkbox" role="switch" data-testid="with-source" prop:checked=move || source.get()
                    on:change=move |event| source.set(event_target_checked(&event))
                />
                <span>"with source text"</span>
            </label>
        </div>
    }
}
