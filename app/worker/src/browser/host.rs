//! The engine's host inside a worker: the performance clock, and the event loop to yield to.

use llavacode_core::engine::Host;
use wasm_bindgen::JsCast;
use web_sys::DedicatedWorkerGlobalScope;

use super::{Browser, turn::turn};

/// The worker's global scope.
pub(super) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

impl Host for Browser {
    fn now_ms(&self) -> f64 {
        scope().performance().map_or_else(js_sys::Date::now, |performance| performance.now())
    }

    /// Lets waiting messages be handled.
    async fn yield_now(&self) {
        turn().await;
    }
}
