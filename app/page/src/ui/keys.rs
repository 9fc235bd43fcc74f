//! Keys that work anywhere in the page.

use leptos::ev::{self, KeyboardEvent};
use leptos::prelude::*;

use crate::control::Control;
use crate::state::Dialog;
use crate::state::keys::{Command, Press, command};

/// Whether the keyboard is a Mac's.
pub(super) fn is_mac() -> bool {
    window().navigator().platform().is_ok_and(|platform| platform.starts_with("Mac"))
}

/// Listens for them as long as the page lives.
pub(super) fn listen(control: Control) {
    let is_mac = is_mac();
    let pressed = move |event: KeyboardEvent| {
        let (key, code) = (event.key(), event.code());
        let press = Press {
            key: &key,
            code: &code,
            control: event.ctrl_key(),
            meta: event.meta_key(),
            shift: event.shift_key(),
            alt: event.alt_key(),
        };
        let Some(command) = command(press, is_mac) else { return };
        // The browser's own: saving the page, printing it.
        event.prevent_default();
        if event.repeat() {
            return;
        }
        match command {
            Command::Save => control.save(),
            Command::SaveAll => control.save_all(),
            Command::GoToFile => {
                if control.state.dialog.get_untracked().is_none() {
                    control.state.dialog.set(Some(Dialog::GoToFile));
                }
            }
            Command::FindInFiles => control.find_in_files(),
        }
    };
    // Held by the window, which outlives everything here.
    let _ = window_event_listener(ev::keydown, pressed);
}
