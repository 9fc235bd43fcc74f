//! Sentences that wait to be read.

use std::time::Duration;

use leptos::prelude::*;

use super::control;
use crate::state::notices::{Notice, Severity};

/// What is only good to know goes by itself after this time.
const INFO_FOR: Duration = Duration::from_secs(8);
/// And what offers something after this one.
const OFFER_FOR: Duration = Duration::from_secs(30);

/// The area in which they stand.
#[component]
pub(super) fn NoticeArea() -> impl IntoView {
    let notices = control().state.notices;
    view! {
        <div class="notices" data-testid="notices" role="region" aria-label="Notices" aria-live="polite">
            <For each=move || notices.with(|n| n.list().to_vec()) key=|notice| notice.id let(notice)>
                <NoticeView notice/>
            </For>
        </div>
    }
}

#[component]
fn NoticeView(notice: Notice) -> impl IntoView {
    let control = control();
    let Notice { id, severity, text, actions } = notice;
    let dismiss = move || control.state.notices.update(|notices| notices.dismiss(id));
    if severity == Severity::Info {
        set_timeout(dismiss, if actions.is_empty() { INFO_FOR } else { OFFER_FOR });
    }
    let role = (severity == Severity::Error).then_some("alert");
    view! {
        <div class="notice" role=role data-testid="notice" data-kind=severity.key()>
            <p>{text}</p>
            <div class="notice-actions">
                {actions.into_iter().map(|action| {
                    let label = action.label();
                    view! { <button on:click=move |_| control.action(action.clone())>{label}</button> }
                }).collect_view()}
                <button class="quiet" on:click=move |_| dismiss()>"Dismiss"</button>
            </div>
        </div>
    }
}
