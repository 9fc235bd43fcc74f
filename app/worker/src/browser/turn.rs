//! A turn of the worker's event loop.
//!
//! A timeout of nought would do, but from the fifth one on browsers make each wait four milliseconds, which
//! is longer than pico takes for a token. A message to oneself waits behind those that are there already,
//! and for nothing else. (The bindings are written out: web-sys's features are burn's, too, and another one
//! would have all of it compiled anew.)

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    type MessageChannel;

    #[wasm_bindgen(constructor)]
    fn new() -> MessageChannel;

    #[wasm_bindgen(method, getter)]
    fn port1(this: &MessageChannel) -> Port;

    #[wasm_bindgen(method, getter)]
    fn port2(this: &MessageChannel) -> Port;

    #[wasm_bindgen(js_name = MessagePort)]
    type Port;

    #[wasm_bindgen(method, setter)]
    fn set_onmessage(this: &Port, handler: &Function);

    #[wasm_bindgen(method, js_name = postMessage)]
    fn post_message(this: &Port, message: &JsValue);
}

/// Both ends of a channel, and who waits for its messages.
struct Turns {
    sender: Port,
    _receiver: Port,
    waiting: Rc<RefCell<VecDeque<Function>>>,
    // Held so that the browser may call it.
    _on_message: Closure<dyn FnMut()>,
}

impl Turns {
    fn new() -> Self {
        let channel = MessageChannel::new();
        let waiting = Rc::new(RefCell::new(VecDeque::<Function>::new()));
        let first = Rc::clone(&waiting);
        let on_message = Closure::<dyn FnMut()>::new(move || {
            let resolve = first.borrow_mut().pop_front();
            // A promise's resolver does not throw.
            let _ = resolve.map(|resolve| resolve.call0(&JsValue::NULL));
        });
        let receiver = channel.port1();
        receiver.set_onmessage(on_message.as_ref().unchecked_ref());
        Self { sender: channel.port2(), _receiver: receiver, waiting, _on_message: on_message }
    }
}

thread_local! {
    static TURNS: Turns = Turns::new();
}

/// Waits until the messages that are there have been handled.
pub(super) async fn turn() {
    let promise = TURNS.with(|turns| {
        let promise = Promise::new(&mut |resolve, _| turns.waiting.borrow_mut().push_back(resolve));
        turns.sender.post_message(&JsValue::NULL);
        promise
    });
    // It is never rejected.
    let _ = JsFuture::from(promise).await;
}
