//! The dividers between the columns, moved by pointer or arrow keys.

use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::control;
use crate::state::settings::Settings;

/// Which column a divider sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The one on the left.
    Explorer,
    /// The one on the right.
    Lanes,
}

impl Side {
    /// Narrowest and widest, in CSS pixels.
    fn range(self) -> (i32, i32) {
        match self {
            Self::Explorer => (160, 420),
            Self::Lanes => (320, 720),
        }
    }

    fn width(self, settings: &Settings) -> i32 {
        let width = match self {
            Self::Explorer => settings.explorer_width,
            Self::Lanes => settings.lanes_width,
        };
        i32::try_from(width).unwrap_or(i32::MAX)
    }

    fn set(self, settings: &mut Settings, width: i32) {
        let (narrowest, widest) = self.range();
        let width = width.clamp(narrowest, widest).unsigned_abs();
        match self {
            Self::Explorer => settings.explorer_width = width,
            Self::Lanes => settings.lanes_width = width,
        }
    }

    /// How a movement to the right changes the column's width.
    fn direction(self) -> i32 {
        match self {
            Self::Explorer => 1,
            Self::Lanes => -1,
        }
    }
}

/// A divider.
#[component]
pub(super) fn Divider(side: Side) -> impl IntoView {
    let control = control();
    // Pointer and width where a drag began.
    let (drag, set_drag) = signal(None::<(i32, i32)>);
    let width = move || control.state.settings.with(|settings| side.width(settings));
    let down = move |event: PointerEvent| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        if let Some(target) = target {
            // Without capture the drag ends at the divider's edge; nothing worse.
            let _ = target.set_pointer_capture(event.pointer_id());
        }
        set_drag.set(Some((event.client_x(), untrack(width))));
    };
    let moved = move |event: PointerEvent| {
        if let Some((from, before)) = drag.get_untracked() {
            let width = before + side.direction() * (event.client_x() - from);
            control.state.settings.update(|settings| side.set(settings, width));
        }
    };
    let up = move |_: PointerEvent| {
        if drag.get_untracked().is_some() {
            set_drag.set(None);
            control.settings(|_| {});
        }
    };
    let key = move |event: KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowLeft" => -16,
            "ArrowRight" => 16,
            _ => return,
        };
        event.prevent_default();
        control.settings(|settings| side.set(settings, side.width(settings) + side.direction() * step));
    };
    let label = match side {
        Side::Explorer => "Width of the explorer",
        Side::Lanes => "Width of the lanes",
    };
    view! {
        <div
            class="divider" role="separator" tabindex="0" aria-orientation="vertical" aria-label=label
            aria-valuenow=move || width().to_string()
            aria-valuemin=side.range().0.to_string()
            aria-valuemax=side.range().1.to_string()
            on:pointerdown=down on:pointermove=moved on:pointerup=up on:pointercancel=up on:keydown=key
        ></div>
    }
}
