//! The engine's side of the conversation with the page: requests become jobs, jobs run one at a time,
//! and what happens is told in events.
//!
//! What decides is written against [`Platform`] and is tested natively; [`browser`] is the platform of
//! a dedicated worker.

pub mod browser;
mod jobs;
mod platform;
mod runner;
mod shared;

use std::{cell::RefCell, rc::Rc};

use llavacode_protocol::{Envelope, Event, Request};

use jobs::Jobs;
pub use platform::{Beside, OpenDevice, Platform};
use runner::Runner;

/// A worker: its queue, and who works on it. Clones are handles to the same one.
#[derive(Clone)]
pub struct Worker<P: Platform> {
    platform: P,
    jobs: Rc<RefCell<Jobs<P::Handle>>>,
    /// Away while it works; it looks for new jobs itself before it comes back.
    runner: Rc<RefCell<Option<Runner<P>>>>,
}

impl<P: Platform> Worker<P> {
    /// A worker without models; the page's first request is a `Load`.
    pub fn new(platform: P) -> Self {
        Self {
            platform: platform.clone(),
            jobs: Rc::new(RefCell::new(Jobs::default())),
            runner: Rc::new(RefCell::new(Some(Runner::new(platform)))),
        }
    }

    /// Takes a request in, with the files beside it. A cancellation is carried out at once, even while
    /// the worker works, and so is a question whether it lives.
    pub fn accept(&self, envelope: Envelope, beside: Vec<Beside<P::Handle>>) {
        match envelope.request {
            Request::Ping => self.platform.send(envelope.id, Event::Alive),
            _ => self.jobs.borrow_mut().accept(envelope, beside),
        }
    }

    /// Works until nothing waits. Nothing to do where somebody is at it already.
    pub async fn work(&self) {
        let at_work = self.runner.borrow_mut().take();
        if let Some(mut runner) = at_work {
            runner.run_all(&self.jobs).await;
            *self.runner.borrow_mut() = Some(runner);
        }
    }
}
