//! A lane's prompt, to be looked at.

use leptos::html::{self, Dialog as DialogElement};
use leptos::prelude::*;
use llavacode_api::completion::PromptPart;

use super::control;
use crate::state::Dialog;
use crate::state::lanes::title;
use crate::state::prompt::span_label;

/// Opens and closes a dialog element as `open` says. A modal one keeps the keyboard and gives it
/// back.
pub(super) fn follow(dialog: NodeRef<html::Dialog>, open: impl Fn() -> bool + 'static) {
    Effect::new(move |_| {
        let open = open();
        let Some(dialog) = dialog.get() else { return };
        if open && !dialog.open() {
            if let Err(error) = dialog.show_modal() {
                log::warn!("the dialog could not be opened: {error:?}");
            }
        } else if !open && dialog.open() {
            dialog.close();
        }
    });
}

/// The dialog.
#[component]
pub(super) fn PromptDialog() -> impl IntoView {
    let control = control();
    let element = NodeRef::<DialogElement>::new();
    let lane = move || match control.state.dialog.get() {
        Some(Dialog::Prompt(lane)) => Some(lane),
        _ => None,
    };
    follow(element, move || lane().is_some());
    let close = move || {
        if matches!(control.state.dialog.get_untracked(), Some(Dialog::Prompt(_))) {
            control.state.dialog.set(None);
        }
    };
    let completion = move || lane().and_then(|lane| control.state.lane(lane).with(|run| run.done.clone()));
    let heading = move || lane().map(|lane| format!("Prompt of the {} lane", title(lane)));
    let summary = move || {
        completion().map(|c| {
            let text = c.prompt_tokens.saturating_sub(c.soft_tokens);
            format!("{} positions: {text} tokens and {} soft tokens", c.prompt_tokens, c.soft_tokens)
        })
    };
    view! {
        <dialog class="wide" node_ref=element aria-labelledby="prompt-title" data-testid="prompt-view"
            on:close=move |_| close()>
            <header>
                <h2 id="prompt-title">{heading}</h2>
                <span class="hint">{summary}</span>
                <button class="small" data-testid="prompt-close" on:click=move |_| close()>"Close"</button>
            </header>
            <div class="prompt" tabindex="0">
                {move || completion().map(|c| c.prompt.into_iter().map(|part| view! { <Part part/> }).collect_view())}
            </div>
        </dialog>
    }
}

#[component]
fn Part(part: PromptPart) -> impl IntoView {
    let control = control();
    match part {
        PromptPart::Special { text } => view! { <span class="special">{text}</span> }.into_any(),
        PromptPart::Text { text, tokens } => {
            view! { <span class="plain" title=format!("{tokens} tokens")>{text}</span> }.into_any()
        }
        PromptPart::Soft { span, tokens } => {
            let label = span_label(&span);
            let go = move |_| {
                control.state.dialog.set(None);
                control.open_span(&span);
            };
            let title = match tokens {
                1 => "One soft token; opens its chunk".to_owned(),
                tokens => format!("{tokens} soft tokens; opens their chunk"),
            };
            view! { <button class="chip" title=title on:click=go>{label}</button> }.into_any()
        }
    }
}
