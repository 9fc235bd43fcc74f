//! The engine's worker, as the page sees it: requests out, replies in.

use std::sync::atomic::{AtomicU32, Ordering};

use js_sys::{Array, Object, Reflect};
use llavacode_browser::describe;
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker};

use crate::files::PickedFile;
use llavacode_protocol::{Envelope, Reply, Request, RequestId};

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
    /// The worker died; nothing more will come. A sentence.
    Crashed(String),
}

/// A running worker. Dropping it ends the worker and frees what it held on the device.
pub struct Client {
    worker: Worker,
    // Held so that the browser may call them.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
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
        let on_message = {
            let receive = receive.clone();
            Closure::<dyn FnMut(_)>::new(move |event: MessageEvent| {
                match serde_wasm_bindgen::from_value::<Reply>(event.data()) {
                    Ok(reply) => receive(Incoming::Reply(reply)),
                    Err(error) => log::warn!("a message that is no reply: {error}"),
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
        Ok(Self { worker, _on_message: on_message, _on_error: on_error })
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
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let post = || -> Result<(), JsValue> {
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
            self.worker.post_message(&message)
        };
        match post() {
            Ok(()) => Ok(id),
            Err(error) => Err(format!("The engine could not be asked: {}.", describe(&error))),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
