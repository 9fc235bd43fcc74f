//! What the lanes are, for who sees them the first time.

use leptos::prelude::*;

use super::control;

/// A sentence and a picture above everything, until they are put away; the head's "?" brings them back.
#[component]
pub(super) fn Intro() -> impl IntoView {
    let control = control();
    let known = move || control.state.settings.with(|settings| settings.lanes_known);
    view! {
        <section class="intro" id="intro" aria-label="What the lanes are" data-testid="intro" hidden=known>
            <Picture/>
            <p>
                "The same line is completed side by side: "<b>"Base"</b>" reads your file alone, "<b>"Full RAG"</b>
                " reads the chunks of your other files that fit best, as text, before it, and "<b>"Compressed"</b>
                " reads each of these chunks as a soft token or a few, so that its prompt stays short, and "<b>"Excerpt"</b>
                " only the few of their lines that fit best."
            </p>
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
/// Widths of the file around the cursor, and of a chunk as text.
const FILE: u32 = 74;
const CHUNK: u32 = 68;
const EXCERPT: u32 = 44;
/// From one chunk, or soft token, to the next.
const CHUNK_STEP: u32 = 74;
const SOFT_STEP: u32 = 16;

/// Each lane's prompt, as long as it is against the others'.
#[component]
fn Picture() -> impl IntoView {
    let chunks = (0..3).map(|number| chunk(PROMPT + number * CHUNK_STEP, 34, CHUNK)).collect_view();
    let soft = (0..3)
        .map(|number| {
            let middle = (PROMPT + 7 + number * SOFT_STEP).to_string();
            view! { <circle class="soft" cx=middle cy="74" r="6"></circle> }
        })
        .collect_view();
    view! {
        <svg
            class="intro-picture" viewBox="0 0 384 118" role="img"
            aria-label="Prompts as bars: Base has your file only. Full RAG has three chunks of text before it and is \
                        four times as long. Compressed has three dots before it, a soft token for each chunk. Excerpt has one short \
                        piece of text before it."
        >
            {label("Base", 17)} {file(PROMPT, 4)}
            {label("Full RAG", 47)} {chunks} {file(PROMPT + 3 * CHUNK_STEP, 34)}
            {label("Compressed", 78)} {soft} {file(PROMPT + 3 * SOFT_STEP + 6, 65)}
            {label("Excerpt", 108)} {chunk(PROMPT, 95, EXCERPT)} {file(PROMPT + EXCERPT + 6, 95)}
        </svg>
    }
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
fn chunk(x: u32, y: u32, width: u32) -> impl IntoView {
    let lines = [(5, 65), (9, 76), (13, 44)].map(|(down, percent)| {
        let (from, to, y) = (x + 8, x + 8 + width * percent / 100, (y + down).to_string());
        view! { <line class="code" x1=from.to_string() x2=to.to_string() y1=y.clone() y2=y></line> }
    });
    view! {
        <rect
            class="chunk-block" x=x.to_string() y=y.to_string() width=width.to_string() height=BLOCK.to_string() rx="4"
        ></rect>
        {lines}
    }
}
