//! What the engine needs from where it runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{Error, Result};

/// A clock, and a way to let others run. In a worker, messages arrive only while it yields.
#[allow(async_fn_in_trait, reason = "one thread; nothing is sent")]
pub trait Host {
    /// Milliseconds since some fixed moment.
    fn now_ms(&self) -> f64;

    /// Lets pending messages be handled.
    async fn yield_now(&self);
}

/// The host of a native program: the system's clock, and nobody to yield to.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Copy)]
pub struct NativeHost {
    start: std::time::Instant,
}

#[cfg(not(target_family = "wasm"))]
impl Default for NativeHost {
    fn default() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

#[cfg(not(target_family = "wasm"))]
impl Host for NativeHost {
    fn now_ms(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1e3
    }

    async fn yield_now(&self) {}
}

/// Tells work under way to stop. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks the work to stop at its next step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`Error::Cancelled`] if it was asked to.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
