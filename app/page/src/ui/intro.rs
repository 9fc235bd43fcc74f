//! What the lanes are, for who sees them the first time.

use leptos::prelude::*;
use llavacode_api::completion::Lane;

use super::control;
use crate::state::lanes::{introduced, introduction, title};

/// What is explained before a bundle has said which lanes it has: pico's.
const AT_FIRST: [Lane; 4] = [Lane::Base, Lane::FullRag, Lane::Excerpt, Lane::Compressed];

/// A sentence and a picture above everything, until they are put away; the head's "?" brings them back.
#[component]
pub(super) fn Intro() -> impl IntoView {
    let control = control();
    let known = move || control.state.settings.with(|settings| settings.lanes_known);
    let lanes = Memo::new(move |before: Option<&Vec<Lane>>| {
        match control.state.engine.with(|engine| engine.is_ready()) {
            true => introduced(&control.state.offered.get()),
            false => before.cloned().unwrap_or_else(|| AT_FIRST.to_vec()),
        }
    });
    view! {
        <section class="intro" id="intro" aria-label="What the lanes are" data-testid="intro" hidden=known>
            {move || view! { <Picture lanes=lanes.get()/> }}
            <p>"The same line is completed side by side: " {move || sentence(&lanes.get())}</p>
            <button
                class="small" data-testid="intro-close"
                on:click=move |_| {
                    control.settings(|settings| settings.lanes_known = true);
                    control.focus_editor();
                }
            >"Got it"</button>
        </section>
    }
}

/// What each lane reads, one after the other.
fn sentence(lanes: &[Lane]) -> impl IntoView + use<> {
    let last = lanes.len().saturating_sub(1);
    let part = |(number, &lane): (usize, &Lane)| {
        let before = match number {
            0 => "",
            _ if number == last => ", and ",
            _ => ", ",
        };
        let end = if number == last { "." } else { "" };
        view! { {before}<b>{title(lane)}</b>" "{introduction(lane).unwrap_or_default()}{end} }
    };
    lanes.iter().enumerate().map(part).collect_view()
}

/// Shows the introduction, or puts it away.
#[component]
pub(super) fn IntroButton() -> impl IntoView {
    let control = control();
    let known = move || control.state.settings.with(|settings| settings.lanes_known);
    view! {
        <button
            class="quiet" data-testid="intro-open" aria-label="What the lanes are" title="What the lanes are"
            aria-controls="intro" aria-expanded=move || (!known()).to_string()
            on:click=move |_| control.settings(|settings| settings.lanes_known = !settings.lanes_known)
        >"?"</button>
    }
}

/// Where a lane's label ends and its prompt begins.
const PROMPT: u32 = 84;
/// Height of what stands in a prompt.
const BLOCK: u32 = 18;
/// From one lane to the next.
const LANE_STEP: u32 = 30;
/// Widths of the file around the cursor, and of a chunk as text.
const FILE: u32 = 74;
const CHUNK: u32 = 68;
const EXCERPT: u32 = 44;
/// From one chunk, or soft token, to the next.
const CHUNK_STEP: u32 = 74;
const SOFT_STEP: u32 = 16;
/// Chunks of a prompt.
const CHUNKS: u32 = 3;

/// Each lane's prompt, as long as it is against the others'.
#[component]
fn Picture(lanes: Vec<Lane>) -> impl IntoView {
    let said: Vec<String> =
        lanes.iter().filter_map(|&lane| Some(format!("{} {}", title(lane), drawn(lane)?))).collect();
    let height = (lanes.len() as u32 * LANE_STEP).saturating_sub(2);
    let rows = (0..).zip(lanes).map(|(row, lane)| prompt(lane, row * LANE_STEP + 4)).collect_view();
    view! {
        <svg
            class="intro-picture" viewBox=format!("0 0 384 {height}") role="img"
            aria-label=format!("Prompts as bars. {}.", said.join(". "))
        >{rows}</svg>
    }
}

/// What the picture shows of a lane.
fn drawn(lane: Lane) -> Option<&'static str> {
    match lane {
        Lane::Base => Some("has your file only"),
        Lane::FullRag => Some("has three chunks of text before it and is four times as long"),
        Lane::Cached => Some("has the same three chunks, which it has read already"),
        Lane::Excerpt => Some("has one short piece of text before it"),
        Lane::Compressed => Some("has three dots before it, a soft token for each chunk"),
        Lane::Digest | Lane::Expansion | Lane::Xrag => None,
    }
}

/// A lane's label, what it has of the chunks, and the file.
fn prompt(lane: Lane, y: u32) -> impl IntoView {
    let chunks = |class: &'static str| {
        let chunk = |number: u32| chunk(class, PROMPT + number * CHUNK_STEP, y, CHUNK);
        (0..CHUNKS).map(chunk).collect_view().into_any()
    };
    let soft_token = |number: u32| {
        let (x, y) = ((PROMPT + 7 + number * SOFT_STEP).to_string(), (y + BLOCK / 2).to_string());
        view! { <circle class="soft" cx=x cy=y r="6"></circle> }
    };
    let (context, width) = match lane {
        Lane::FullRag => (chunks("chunk-block"), CHUNKS * CHUNK_STEP),
        Lane::Cached => (chunks("chunk-block kept"), CHUNKS * CHUNK_STEP),
        Lane::Excerpt => (chunk("chunk-block", PROMPT, y, EXCERPT).into_any(), EXCERPT + 6),
        Lane::Compressed => ((0..CHUNKS).map(soft_token).collect_view().into_any(), CHUNKS * SOFT_STEP + 6),
        Lane::Base | Lane::Digest | Lane::Expansion | Lane::Xrag => (().into_any(), 0),
    };
    view! { {label(title(lane), y + 13)} {context} {file(PROMPT + width, y)} }
}

fn label(text: &'static str, y: u32) -> impl IntoView {
    view! { <text class="label" x="0" y=y.to_string()>{text}</text> }
}

/// The file around the cursor.
fn file(x: u32, y: u32) -> impl IntoView {
    view! {
        <rect
            class="file" x=x.to_string() y=y.to_string() width=FILE.to_string() height=BLOCK.to_string() rx="4"
        ></rect>
        <text class="inside" x=(x + FILE / 2).to_string() y=(y + 13).to_string()>"your file"</text>
    }
}

/// Text of chunks: lines.
fn chunk(class: &'static str, x: u32, y: u32, width: u32) -> impl IntoView {
    let lines = [(5, 65), (9, 76), (13, 44)].map(|(down, percent)| {
        let (from, to, y) = (x + 8, x + 8 + width * percent / 100, (y + down).to_string());
        view! { <line class="code" x1=from.to_string() x2=to.to_string() y1=y.clone() y2=y></line> }
    });
    view! {
        <rect
            class=class x=x.to_string() y=y.to_string() width=width.to_string() height=BLOCK.to_string() rx="4"
        ></rect>
        {lines}
    }
}
