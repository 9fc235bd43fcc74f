//! The engine's host inside a worker: the performance clock, and the event loop to yield to.

use gloo::timers::future::TimeoutFuture;
use llavacode_core::engine::Host;
use wasm_bindgen::JsCast;
use web_sys::DedicatedWorkerGlobalScope;

use super::Browser;

/// The worker's global scope.
pub(super) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

impl Host for Browser {
    fn now_ms(&self) -> f64 {
        scope().performance().map_or_else(js_sys::Date::now, |performance| performance.now())
    }

    /// Waits for a timeout, before which waiting messages are handled.
    async fn yield_now(&self) {
        TimeoutFuture::new(0).await;
    }
}
