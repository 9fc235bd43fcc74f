//! The browser's errors in words.

use std::borrow::Borrow;

use wasm_bindgen::{JsCast, JsValue};

/// What a thrown value or a rejected promise says of itself, without a full stop at its end.
pub fn describe(error: impl Borrow<JsValue>) -> String {
    let error = error.borrow();
    let text = match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    };
    text.trim_end_matches('.').to_owned()
}
