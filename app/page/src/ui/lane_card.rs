//! One lane's completion with its numbers.

use leptos::prelude::*;
use llavacode_api::completion::{Completion, Lane, Ttft};
use llavacode_api::text::exact_match;

use super::control;
use super::task_results::piece;
use crate::control::Control;
use crate::state::Dialog;
use crate::state::against::Against;
use crate::state::axis::Axis;
use crate::state::lanes::{Phase, explanation, stop_reason, title};
use crate::state::places::{DemoPlace, cursor_of};
use crate::state::suggestions::Suggestions;

/// What stands where there is no number yet.
const MISSING: &str = "–";

/// The parts of the time to the first token, in the order in which they pass.
fn parts(ttft: &Ttft) -> [(&'static str, f64); 4] {
    [
        ("retrieve", ttft.retrieve_ms),
        ("encode", ttft.encode_ms),
        ("assemble", ttft.assemble_ms),
        ("prefill", ttft.prefill_ms),
    ]
}

/// Milliseconds with as many digits as say something.
fn milliseconds(ms: f64) -> String {
    if ms < 9.95 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

/// How much sooner or later a lane's first token comes than another's, once both are done at the same
/// place.
fn against(control: Control, lane: Lane, other: Lane) -> Option<String> {
    let total = |lane| {
        let run = control.state.lane(lane);
        run.with(|run| run.ttft.filter(|_| run.phase == Phase::Done).map(|ttft| ttft.total_ms))
    };
    (lane != other).then_some(())?;
    change(total(lane)?, total(other)?).map(|change| format!("{change} against {}", other.name()))
}

/// A share in 0..=1.
fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// How much more or less one time is than another, in percent; `None` where there is nothing to compare.
fn change(ms: f64, other: f64) -> Option<String> {
    let change = (ms / other - 1.0) * 100.0;
    let sign = if change.round() < 0.0 { "−" } else { "+" };
    change.is_finite().then(|| format!("{sign}{:.0} %", change.abs()))
}

/// What had to be made of chunks for a lane's completion, in words.
fn encoded(lane: Lane, ttft: &Ttft) -> Option<String> {
    let made = if lane == Lane::Cached { "read" } else { "embedded" };
    match ttft.encoded_chunks {
        0 => None,
        1 => Some(format!("1 chunk {made} for it")),
        many => Some(format!("{many} chunks {made} for it")),
    }
}

/// A lane's card. Its time is drawn on an `axis` that all cards share.
#[component]
pub(super) fn LaneCard(lane: Lane, axis: Memo<Axis>) -> impl IntoView {
    let control = control();
    let run = control.state.lane(lane);
    let key = lane.key();
    let offered = move || control.state.shown.with(|lanes| lanes.contains(&lane));
    let is_ghost = move || control.state.ghost_lane() == lane;
    let off = move || control.state.settings.with(|settings| !settings.compare) && !is_ghost();
    let usable = move || {
        control.state.in_place.get() && run.with(|run| run.phase == Phase::Done && !run.text.is_empty())
    };
    let count = move || control.state.suggestions.with(|suggestions| suggestions.of(lane));
    let has_prompt = move || run.with(|run| run.done.is_some());
    let note = move || {
        let others = [Lane::Base, Lane::FullRag].map(|other| against(control, lane, other));
        let encoded = run.with(|run| run.ttft.as_ref().and_then(|ttft| encoded(lane, ttft)));
        let held = control
            .state
            .held_back
            .get()
            .filter(|&(held, _)| held == lane)
            .map(|(_, sure)| format!("held back: {} sure of it; Ctrl-Space shows it", percent(sure)));
        others.into_iter().chain([encoded, held]).flatten().collect::<Vec<_>>().join(" · ")
    };
    view! {
        <article
            class="lane" class:off=off hidden=move || !offered() data-testid=format!("lane-{key}")
            data-state=move || run.with(|run| run.phase.key())
            aria-label=format!("{} lane", title(lane))
            aria-busy=move || run.with(|run| run.phase == Phase::Running).to_string()
        >
            <header class="lane-head">
                <span class="dot" aria-hidden="true"></span>
                <h3>{title(lane)}</h3>
                <span class="hint">{explanation(lane)}</span>
                <Verdict lane=lane/>
                <span class="ghost-mark" hidden=move || !is_ghost()>"ghost"</span>
                <button
                    class="small" data-testid=format!("lane-{key}-prompt") disabled=move || !has_prompt()
                    title="Look at the prompt"
                    on:click=move |_| control.state.dialog.set(Some(Dialog::Prompt(lane)))
                >"Prompt"</button>
                <button
                    class="small" data-testid=format!("lane-{key}-use") disabled=move || !usable()
                    title="Show this text in the editor" on:click=move |_| control.show_as_ghost(lane)
                >"Use"</button>
            </header>
            <pre
                class="lane-text" tabindex="0" role="group" aria-label="Completion" data-testid=format!("lane-{key}-text")
                class:old=move || run.with(|run| run.text_is_old())
                class:failed=move || run.with(|run| run.error.is_some())
            >{move || run.with(|run| run.error.clone().unwrap_or_else(|| run.text.clone()))}</pre>
            <Difference lane=lane/>
            <div class="lane-time" class:old=move || run.with(|run| run.ttft_is_old())>
                <span
                    class="ttft" data-testid=format!("lane-{key}-ttft")
                    data-ms=move || run.with(|run| run.ttft.map(|ttft| ttft.total_ms.to_string()))
                >
                    {move || run.with(|run| run.ttft.map_or(MISSING.into(), |ttft| milliseconds(ttft.total_ms)))}
                </span>
                <span class="unit">"ms to first token"</span>
                <span
                    class="counts" data-testid=format!("lane-{key}-counts")
                    data-accepted=move || count().accepted.to_string() data-rejected=move || count().rejected.to_string()
                    title="Of this lane's suggestions that you took or turned down; kept in this browser"
                >{move || count().words()}</span>
            </div>
            <Bar lane=lane axis=axis/>
            <p class="note" class:old=move || run.with(|run| run.numbers_are_old())>{note}</p>
            <Numbers lane=lane/>
        </article>
    }
}

/// At a place of the demo: whether the lane completes the line as it was written.
#[component]
fn Verdict(lane: Lane) -> impl IntoView {
    let control = control();
    let run = control.state.lane(lane);
    let target = Memo::new(move |_| {
        let state = control.state;
        let at_place = |place: &DemoPlace| {
            state.workspace.with(|workspace| workspace.is_demo())
                && state.tabs.with(|tabs| tabs.active.as_deref() == Some(place.path.as_str()))
                && state.cursor.get() == cursor_of(place)
        };
        let shown = state.places.with(|places| places.shown().cloned());
        shown.filter(at_place).map(|place| place.target)
    });
    let right = Memo::new(move |_| {
        let target = target.get().filter(|_| control.state.in_place.get())?;
        run.with(|run| {
            (run.phase == Phase::Done && !run.text_is_old()).then(|| exact_match(&run.text, &target))
        })
    });
    view! {
        <span
            class="verdict" class:right=move || right.get() == Some(true) hidden=move || right.get().is_none()
            data-testid=format!("lane-{}-verdict", lane.key())
            title="Against the line as it was written, but for blanks at its ends"
        >{move || match right.get() {
            Some(true) => "right",
            Some(false) => "wrong",
            None => "",
        }}</span>
    }
}

/// How the suggestion differs from the one that the editor shows.
#[component]
fn Difference(lane: Lane) -> impl IntoView {
    let control = control();
    let run = control.state.lane(lane);
    let against = Memo::new(move |_| {
        // Lanes that are not asked keep what they said elsewhere.
        if control.state.settings.with(|settings| !settings.compare) {
            return Against::Nothing;
        }
        let shown = control.state.suggestions.with(Suggestions::lane);
        run.with(|run| match shown {
            Some(shown) if shown == lane => Against::of((lane, run), Some((lane, run))),
            Some(shown) => {
                control.state.lane(shown).with(|other| Against::of((lane, run), Some((shown, other))))
            }
            None => Against::Nothing,
        })
    });
    let view = move || match against.get() {
        Against::Differs(pieces) => view! {
            <span class="hint">"against shown: "</span>
            <code>{pieces.into_iter().map(piece).collect_view()}</code>
        }
        .into_any(),
        against => against.words().into_any(),
    };
    let differs = move || against.with(|against| matches!(against, Against::Differs(_)));
    view! {
        <p
            class="lane-diff" data-testid=format!("lane-{}-diff", lane.key())
            data-kind=move || against.with(Against::key)
            // What is too long is scrolled to by keys, too.
            tabindex=move || differs().then_some("0")
            title=move || differs().then_some("Underlined: only here. Struck through: only in the one shown.")
        >{view}</p>
    }
}

/// The time to the first token as a bar of its parts, on the axis of all lanes.
#[component]
fn Bar(lane: Lane, axis: Memo<Axis>) -> impl IntoView {
    let run = control().state.lane(lane);
    let ttft = move || run.with(|run| run.ttft);
    let label = move || match ttft() {
        Some(ttft) => parts(&ttft).map(|(name, ms)| format!("{name} {} ms", milliseconds(ms))).join(", "),
        None => "no time measured yet".to_owned(),
    };
    let width = move |part: usize| {
        let ms = ttft().map_or(0.0, |ttft| parts(&ttft)[part].1);
        format!("{:.2}%", axis.get().percent(ms))
    };
    let segments =
        ["retrieve", "encode", "assemble", "prefill"].into_iter().enumerate().map(|(number, name)| {
            view! { <span class=format!("part {name}") style:width=move || width(number)></span> }
        });
    let late = move || axis.get().late();
    let late_at = move || format!("{:.2}%", late().unwrap_or_default());
    view! {
        <div class="axis" title=label>
            <div class="bar" role="img" aria-label=label>{segments.collect_view()}</div>
            <span class="late" hidden=move || late().is_none() style:left=late_at></span>
        </div>
        <p class="axis-labels" data-testid=format!("lane-{}-axis", lane.key())>
            <span
                class="late-label" class:before=move || late().is_some_and(|at| at > 50.0)
                hidden=move || late().is_none() style:left=late_at
                title="A completion that comes later begins to feel late"
            >"late from 300 ms"</span>
            <span class="axis-end">{move || axis.get().end()}</span>
        </p>
        <p class="bar-legend" aria-hidden="true">
            {["retrieve", "encode", "assemble", "prefill"].map(|name| {
                let ms = move || {
                    let part = ttft().and_then(|t| parts(&t).into_iter().find(|(part, _)| *part == name));
                    part.map_or(MISSING.to_owned(), |(_, ms)| milliseconds(ms))
                };
                view! { <span class=format!("key {name}")>{name}" "<b>{ms}</b></span> }
            })}
        </p>
    }
}

/// The other numbers.
#[component]
fn Numbers(lane: Lane) -> impl IntoView {
    let run = control().state.lane(lane);
    let of = move |read: fn(&Completion) -> String| {
        move || run.with(|run| run.done.as_ref().map_or(MISSING.to_owned(), read))
    };
    // The CPU has none.
    let launches =
        move || run.with(|run| run.done.as_ref()?.launches_per_step.map(|count| count.to_string()));
    let looked_up = move || {
        run.with(|run| {
            let done = run.done.as_ref().filter(|done| done.draft_tokens > 0)?;
            Some(format!("{} of {}", done.accepted_tokens, done.draft_tokens))
        })
    };
    let cell = |name: &'static str, title: &'static str, read: fn(&Completion) -> String| {
        view! { <div title=title><dt>{name}</dt><dd>{of(read)}</dd></div> }
    };
    view! {
        <dl class="numbers" class:old=move || run.with(|run| run.numbers_are_old())>
            {cell("prompt", "Tokens in the prompt", |done| match done.soft_tokens {
                0 => done.prompt_tokens.to_string(),
                soft => format!("{} ({soft} soft)", done.prompt_tokens),
            })}
            {cell("reused", "Prompt tokens whose keys and values were kept from before", |done| {
                done.reused_tokens.to_string()
            })}
            {cell("new", "Tokens generated", |done| done.new_tokens.to_string())}
            {cell("sure", "How sure the reader is: the geometric mean of its tokens' probabilities", |done| {
                percent(done.confidence())
            })}
            {cell("tokens/s", "Tokens a second after the first", |done| {
                done.decode_tokens_per_s.map_or(MISSING.to_owned(), |rate| format!("{rate:.1}"))
            })}
            <div
                title="Tokens looked up in the prompt and the retrieved chunks that were right, of those checked: each \
                    saves a step"
                hidden=move || looked_up().is_none()
            >
                <dt>"looked up"</dt><dd>{looked_up}</dd>
            </div>
            <div title="Kernel launches of one decode step" hidden=move || launches().is_none()>
                <dt>"launches"</dt><dd>{launches}</dd>
            </div>
            {cell("stopped by", "Why the completion ended", |done| stop_reason(done.stop).to_owned())}
        </dl>
    }
}

#[cfg(test)]
mod tests {
    use llavacode_api::completion::{Lane, Ttft};

    use super::{change, encoded, milliseconds};

    #[test]
    fn short_times_keep_a_digit_after_the_point() {
        assert_eq!(milliseconds(0.04), "0.0");
        assert_eq!(milliseconds(9.94), "9.9");
        assert_eq!(milliseconds(9.96), "10");
        assert_eq!(milliseconds(1234.5), "1234");
    }

    #[test]
    fn times_are_compared_in_whole_percent() {
        assert_eq!(change(46.0, 100.0).as_deref(), Some("−54 %"));
        assert_eq!(change(120.4, 100.0).as_deref(), Some("+20 %"));
        assert_eq!(change(99.9, 100.0).as_deref(), Some("+0 %"));
        assert_eq!(change(1.0, 0.0), None);
    }

    #[test]
    fn what_was_made_of_chunks_for_a_completion_is_said() {
        let of = |lane, encoded_chunks| encoded(lane, &Ttft { encoded_chunks, ..Ttft::default() });
        assert_eq!(of(Lane::Compressed, 0), None);
        assert_eq!(of(Lane::Compressed, 1).as_deref(), Some("1 chunk embedded for it"));
        assert_eq!(of(Lane::Cached, 8).as_deref(), Some("8 chunks read for it"));
    }
}
