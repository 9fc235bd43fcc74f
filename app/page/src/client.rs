//! The engine's worker, as the page sees it: requests out, replies in.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use gloo::timers::callback::Interval;
use js_sys::{Array, Object, Reflect};
use leptos::prelude::window;
use llavacode_browser::describe;
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker};

use crate::files::PickedFile;
use crate::state::engine::{device_lost, duration};
use crate::state::heartbeat::{Heartbeat, PERIOD_MS};
use llavacode_protocol::{Envelope, Event, Reply, Request, RequestId};

/// The worker's script, beside the page. It starts the engine's wasm and keeps messages that come
/// before it listens (`app/js/engine_loader.js`).
const SCRIPT: &str = "engine_loader.js";

/// The next request's id. One counter for all workers: what answers a request of one is never taken
/// for an answer to another's.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// What comes from the worker.
pub enum Incoming {
    /// An answer.
    Reply(Reply),
    /// The worker died, hangs, or has lost its GPU; nothing more will come. A sentence.
    Crashed(String),
}

/// A running worker. Dropping it ends the worker and frees what it held on the device.
pub struct Client {
    worker: Worker,
    // Held so that the browser may call them.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
    // Held so that it goes on.
    _pulse: Interval,
}

impl Client {
    /// Starts a worker.
    ///
    /// # Errors
    /// A sentence, if the browser refuses.
    pub fn spawn(receive: impl Fn(Incoming) + Clone + 'static) -> Result<Self, String> {
        let worker = Worker::new(SCRIPT).map_err(|error| {
            format!("The browser refused to start the engine's worker: {}.", describe(&error))
        })?;
        let heartbeat = Rc::new(RefCell::new(Heartbeat::default()));
        let on_message = {
            let (receive, heartbeat) = (receive.clone(), Rc::clone(&heartbeat));
            Closure::<dyn FnMut(_)>::new(move |event: MessageEvent| {
                heartbeat.borrow_mut().heard();
                match serde_wasm_bindgen::from_value::<Reply>(event.data()) {
                    Ok(Reply { event: Event::Alive, .. }) => {}
                    Ok(Reply { event: Event::DeviceLost { reason }, .. }) => {
                        receive(Incoming::Crashed(device_lost(&reason)));
                    }
                    Ok(reply) => {
                        if let Event::Ready(info) = &reply.event {
                            heartbeat.borrow_mut().ready(info);
                        }
                        receive(Incoming::Reply(reply));
                    }
                    Err(error) => log::warn!("a message that is no reply: {error}"),
                }
            })
        };
        let pulse = {
            let (receive, worker) = (receive.clone(), worker.clone());
            Interval::new(PERIOD_MS, move || {
                let now = window().performance().map_or_else(js_sys::Date::now, |clock| clock.now());
                let silent = heartbeat.borrow_mut().look(now);
                match silent {
                    Some(silent) => {
                        let text = format!("The engine has not answered for {}.", duration(silent));
                        receive(Incoming::Crashed(text));
                    }
                    // What cannot be posted is not answered.
                    None => _ = post(&worker, Request::Ping, &[]),
                }
            })
        };
        let on_error = Closure::<dyn FnMut(_)>::new(move |event: ErrorEvent| {
            event.prevent_default();
            // A script that could not be fetched gives an event without a message.
            let reason = Some(event.message()).filter(|message| !message.is_empty());
            let reason = reason.unwrap_or_else(|| format!("{SCRIPT} could not be loaded"));
            let reason = reason.trim_start_matches("Uncaught ");
            receive(Incoming::Crashed(format!("The engine stopped: {}.", reason.trim_end_matches('.'))));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { worker, _on_message: on_message, _on_error: on_error, _pulse: pulse })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// A sentence, if it cannot be posted.
    pub fn send(&self, request: Request) -> Result<RequestId, String> {
        self.send_with_files(request, &[])
    }

    /// Sends a request with files beside it.
    ///
    /// # Errors
    /// A sentence, if it cannot be posted.
    pub fn send_with_files(&self, request: Request, files: &[PickedFile]) -> Result<RequestId, String> {
        post(&self.worker, request, files)
            .map_err(|error| format!("The engine could not be asked: {}.", describe(&error)))
    }
}

/// Posts a request under an id of its own.
fn post(worker: &Worker, request: Request, files: &[PickedFile]) -> Result<RequestId, JsValue> {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let message = Envelope { id, request }.serialize(&Serializer::json_compatible())?;
    if !files.is_empty() {
        let list = Array::new();
        for candidate in files {
            let entry = Object::new();
            Reflect::set(&entry, &"path".into(), &candidate.path.as_str().into())?;
            Reflect::set(&entry, &"file".into(), &candidate.file)?;
            list.push(&entry);
        }
        Reflect::set(&message, &"files".into(), &list)?;
    }
    worker.post_message(&message)?;
    Ok(id)
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
