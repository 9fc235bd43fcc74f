//! The engine's host inside a worker: the performance clock, and the event loop to yield to.

use gloo::{timers::future::TimeoutFuture, utils::errors::JsError};
use llavacode_core::engine::Host;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::DedicatedWorkerGlobalScope;

/// The worker's global scope.
pub(super) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// What a rejected promise or a thrown value says, as a sentence's part.
pub(super) fn describe(error: JsValue) -> String {
    match JsError::try_from(error) {
        Ok(error) => error.message,
        Err(other) => other.to_string(),
    }
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkerHost;

impl Host for WorkerHost {
    fn now_ms(&self) -> f64 {
        scope().performance().map_or_else(js_sys::Date::now, |performance| performance.now())
    }

    /// Waits for a timeout, before which waiting messages are handled.
    async fn yield_now(&self) {
        TimeoutFuture::new(0).await;
    }
}
