//! The engine's side of the conversation: requests become jobs, jobs run one at a time, and what
//! happens is told in events.

mod device;
mod fetch;
mod files;
mod host;
mod jobs;
mod run;
mod storage;

use std::{cell::RefCell, rc::Rc};

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::MessageEvent;

use jobs::Jobs;
use llavacode_app::protocol::{Event, Reply, RequestId};
use run::Runner;

/// Starts to listen. The page's first message is a `Load`.
pub(super) fn start() {
    let jobs = Rc::new(RefCell::new(Jobs::default()));
    let runner = Rc::new(RefCell::new(Some(Runner::default())));
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        match serde_wasm_bindgen::from_value(message.data()) {
            Ok(envelope) => jobs.borrow_mut().accept(envelope, files::chosen_files(&message.data())),
            Err(error) => log::error!("a message that is no request: {error}"),
        }
        // The runner is away while it works; it looks for new jobs itself before it comes back.
        if let Some(mut at_work) = runner.borrow_mut().take() {
            let (jobs, runner) = (jobs.clone(), runner.clone());
            wasm_bindgen_futures::spawn_local(async move {
                at_work.run_all(&jobs).await;
                *runner.borrow_mut() = Some(at_work);
            });
        }
    });
    host::scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // It listens as long as the worker lives.
    on_message.forget();
}

/// Tells the page what happened.
fn send(id: RequestId, event: Event) {
    match serde_wasm_bindgen::to_value(&Reply { id, event }) {
        Ok(value) => {
            if let Err(error) = host::scope().post_message(&value) {
                log::error!("a reply was not sent: {}", host::describe(error));
            }
        }
        Err(error) => log::error!("a reply was not sent: {error}"),
    }
}
