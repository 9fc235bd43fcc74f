//! The CPU's other threads: workers of the engine's worker, each with an instance of its own, and between
//! them and it buffers that both see ([`threads`]).

use std::time::Duration;

use js_sys::{Array, Atomics, Function, Int32Array, Promise, Reflect, SharedArrayBuffer, Uint8Array};
use llavacode_browser::describe;
use llavacode_core::kernel::threads::{self, CHANNEL_BYTES, Channel};
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ErrorEvent, Worker};

use super::host::scope;

/// What starts a helper: `app/js/helper_loader.js`.
const SCRIPT: &str = "helper_loader.js";

/// Threads beyond which more bring little: products wait for the slowest, and cores of two kinds differ.
const MOST_THREADS: usize = 8;

/// How long a helper may take to start, in milliseconds.
const START_MS: i32 = 10_000;

const NOT_ISOLATED: &str = "one thread, because the page is not isolated from other origins: open it again, \
    or have its server send the headers that app/README.md names";

/// Bytes before those of the channel, of which the first four say whose turn it is.
const HEAD: u32 = 64;

/// How long a turn is looked for before the thread sleeps, in milliseconds. Waking takes as long as a
/// product, and a scheduler may wake two threads on one core and leave them there as long as one of them
/// sleeps most of the time; so nobody sleeps as long as tokens are computed.
const SPIN_MS: f64 = 30.0;
/// How often it is looked for between two looks at the clock.
const SPINS: usize = 200;

#[wasm_bindgen]
extern "C" {
    /// `Atomics.load`, without a way for an exception, which cannot come and costs more than the call.
    #[wasm_bindgen(js_namespace = Atomics, js_name = load)]
    fn atomic_load(array: &Int32Array, index: u32) -> i32;
}

/// Has so many threads compute, this one among them; without a number half of what the browser says there
/// are, two of two.
///
/// # Errors
/// Why it is this one alone, although there could be more.
pub(super) async fn engage(wanted: Option<usize>) -> Result<(), String> {
    let cores = scope().navigator().hardware_concurrency() as usize;
    let wanted = wanted.unwrap_or(if cores == 2 { 2 } else { cores / 2 }).clamp(1, MOST_THREADS);
    if threads::count() == wanted {
        return Ok(());
    }
    threads::engage(Vec::new());
    if wanted == 1 {
        return Ok(());
    }
    let isolated = Reflect::get(&scope(), &"crossOriginIsolated".into()).is_ok_and(|yes| yes.is_truthy());
    if !isolated {
        return Err(NOT_ISOLATED.into());
    }
    let helpers: Vec<_> = (1..wanted).map(|_| Helper::start()).collect::<Result<_, _>>()?;
    let mut channels = Vec::new();
    for helper in helpers {
        channels.push(helper.ready().await?);
    }
    threads::engage(channels);
    Ok(())
}

/// The helper's side: carries out what comes through a buffer, as long as the engine lives.
#[wasm_bindgen]
pub fn serve(buffer: &SharedArrayBuffer) {
    threads::serve(&BufferChannel::new(buffer, None));
}

/// A helper that is starting.
struct Helper {
    channel: BufferChannel,
    started: Promise,
}

impl Helper {
    fn start() -> Result<Self, String> {
        let buffer = shared_buffer().map_err(not_started)?;
        let worker = Ended(Worker::new(SCRIPT).map_err(not_started)?);
        // Its one message says that it listens.
        let started = Promise::new(&mut |resolve, reject| {
            worker.0.set_onmessage(Some(&resolve));
            let failed = reject.clone();
            let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |event: ErrorEvent| {
                // It would be taken for the engine's own.
                event.prevent_default();
                log::warn!("a helper thread failed: {}", event.message());
                let _ = failed.call1(&JsValue::NULL, &event.message().into());
            });
            worker.0.set_onerror(Some(on_error.as_ref().unchecked_ref()));
            // It listens as long as the helper lives.
            on_error.forget();
            // Where no timer can be set, the helper is waited for.
            let _ = scope().set_timeout_with_callback_and_timeout_and_arguments_1(
                &reject,
                START_MS,
                &"it did not answer".into(),
            );
        });
        worker.0.post_message(&buffer).map_err(not_started)?;
        Ok(Self { channel: BufferChannel::new(&buffer, Some(worker)), started })
    }

    async fn ready(self) -> Result<Box<dyn Channel>, String> {
        JsFuture::from(self.started).await.map_err(not_started)?;
        Ok(Box::new(self.channel))
    }
}

fn not_started(error: JsValue) -> String {
    format!("one thread, because no other could be started ({})", describe(error))
}

/// A buffer for a channel. Its constructor throws where there is no memory for it.
fn shared_buffer() -> Result<SharedArrayBuffer, JsValue> {
    let constructor: Function = Reflect::get(&scope(), &"SharedArrayBuffer".into())?.dyn_into()?;
    let bytes = JsValue::from(HEAD + CHANNEL_BYTES as u32);
    Reflect::construct(&constructor, &Array::of1(&bytes))?.dyn_into()
}

/// A worker that ends when it is dropped.
struct Ended(Worker);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.terminate();
    }
}

/// One end of a shared buffer; the engine's has the worker at the other, which goes with it.
struct BufferChannel {
    turn: Int32Array,
    bytes: Uint8Array,
    side: i32,
    _worker: Option<Ended>,
}

impl BufferChannel {
    fn new(buffer: &SharedArrayBuffer, worker: Option<Ended>) -> Self {
        let turn = Int32Array::new_with_byte_offset_and_length(buffer, 0, 1);
        let side = i32::from(worker.is_none());
        Self { turn, bytes: Uint8Array::new_with_byte_offset(buffer, HEAD), side, _worker: worker }
    }

    fn at(&self, at: usize, len: usize) -> Uint8Array {
        assert!(at + len <= self.capacity(), "{len} bytes at {at} of {}", self.capacity());
        self.bytes.subarray(at as u32, (at + len) as u32)
    }

    fn has_turn(&self) -> bool {
        atomic_load(&self.turn, 0) == self.side
    }
}

impl Channel for BufferChannel {
    fn capacity(&self) -> usize {
        self.bytes.length() as usize
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        self.at(at, bytes.len()).copy_from(bytes);
    }

    fn read(&self, at: usize, bytes: &mut [u8]) {
        self.at(at, bytes.len()).copy_to(bytes);
    }

    fn hand_over(&self) {
        let told = Atomics::store(&self.turn, 0, 1 - self.side).and_then(|_| Atomics::notify(&self.turn, 0));
        told.expect("an Int32Array of shared memory");
    }

    fn wait(&self, patience: Option<Duration>) -> bool {
        let now = || scope().performance().map_or(f64::INFINITY, |performance| performance.now());
        let until = now() + SPIN_MS;
        while now() < until {
            for _ in 0..SPINS {
                if self.has_turn() {
                    return true;
                }
            }
        }
        // Sleeps only while it is still the other's turn, and until it is no longer.
        let other = 1 - self.side;
        let slept = match patience {
            None => Atomics::wait(&self.turn, 0, other),
            Some(patience) => Atomics::wait_with_timeout(&self.turn, 0, other, patience.as_secs_f64() * 1e3),
        };
        slept.is_ok() && self.has_turn()
    }
}
