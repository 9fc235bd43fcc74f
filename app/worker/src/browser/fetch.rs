//! Fetching a file into the store: the browser's network for [`transfer`].

use std::time::Duration;

use gloo::timers::future::TimeoutFuture;
use js_sys::{Array, Promise, Reflect, Uint8Array};
use llavacode_browser::{
    answer::is_page,
    describe,
    model_store::{
        opfs::OpenFile,
        transfer::{Answer, Body, Fault, Host, transfer},
    },
};
use llavacode_core::{
    Error,
    config::ModelType,
    engine::{CancelFlag, Host as _},
};
use llavacode_protocol::{ModelFile, Step};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{AbortController, Headers, ReadableStreamDefaultReader, RequestCache, RequestInit, Response};

use super::{Browser, host::scope};

/// The page is told no more often.
const TELL_MS: f64 = 200.0;
/// How often a connection that gives nothing is looked at.
const LOOK_MS: u32 = 250;
/// A connection that gives nothing for so many looks is lost.
const PATIENCE: u32 = 120;

/// Fetches a file into the store.
///
/// # Errors
/// [`Error::Cancelled`] if it was told to stop; [`Error::Fetch`] with the sentence otherwise.
pub(super) async fn one(
    cancel: &CancelFlag,
    file: &ModelFile,
    mut tell: impl FnMut(Step),
) -> Result<(), Error> {
    let mut told = f64::NEG_INFINITY;
    let tell = |step: Step| {
        let now = Browser.now_ms();
        if now - told >= TELL_MS || matches!(step, Step::Waiting { .. }) {
            told = now;
            tell(step);
        }
    };
    let fetched = async {
        let mut place = OpenFile::open(&file.url).await.map_err(|refused| Fault::of(refused, file))?;
        transfer(&Network { cancel }, &mut place, file, tell).await
    };
    fetched.await.map_err(|fault| match fault {
        Fault::Stopped => Error::Cancelled,
        fault => Error::Fetch { sentence: fault.to_string() },
    })
}

struct Network<'a> {
    cancel: &'a CancelFlag,
}

/// Bytes of an answer. Dropping it ends the connection.
struct Stream {
    reader: ReadableStreamDefaultReader,
    connection: AbortController,
    cancel: CancelFlag,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Host for Network<'_> {
    const FIRST_BYTES: usize = ModelType::FIRST_BYTES;

    type Body = Stream;

    async fn get(&self, url: &str, from: u64) -> Result<Answer<Stream>, String> {
        let connection = AbortController::new().map_err(describe)?;
        let options = RequestInit::new();
        options.set_signal(Some(&connection.signal()));
        // Neither the browser's cache nor the page's is to keep a second copy.
        options.set_cache(RequestCache::NoStore);
        if from > 0 {
            // A range of this form needs no leave of the server (CORS-safelisted).
            let headers = Headers::new().map_err(describe)?;
            headers.set("range", &format!("bytes={from}-")).map_err(describe)?;
            options.set_headers_headers(&headers);
        }
        let answer = scope().fetch_with_str_and_init(url, &options);
        let answer: Response = self.while_wanted(&answer).await?.unchecked_into();
        let header = |name| answer.headers().get(name).ok().flatten();
        let length = header("content-length").and_then(|length| length.parse().ok());
        // What is packed on its way has another length there.
        let length = length.filter(|_| header("content-encoding").is_none());
        let body = answer.body().ok_or("the answer has no body")?;
        let reader = body.get_reader().unchecked_into();
        Ok(Answer {
            status: answer.status(),
            range: header("content-range").and_then(|range| parse_range(&range)),
            length,
            etag: header("etag"),
            is_page: is_page(header("content-type").as_deref()),
            body: Stream { reader, connection, cancel: self.cancel.clone() },
        })
    }

    fn is_online(&self) -> bool {
        scope().navigator().on_line()
    }

    async fn wait(&self, pause: Duration) {
        TimeoutFuture::new(u32::try_from(pause.as_millis()).unwrap_or(u32::MAX)).await;
    }

    fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }

    async fn recognise(&self, file: &str, first: &[u8]) -> Result<(), String> {
        ModelType::of_first_bytes(file, first).await.map(drop).map_err(|error| error.to_string())
    }
}

impl Network<'_> {
    async fn while_wanted(&self, promise: &Promise) -> Result<JsValue, String> {
        while_wanted(promise, self.cancel).await
    }
}

/// What a promise gives, unless it takes too long or is no longer wanted.
async fn while_wanted(promise: &Promise, cancel: &CancelFlag) -> Result<JsValue, String> {
    for _ in 0..PATIENCE {
        let look = future_to_promise(async {
            TimeoutFuture::new(LOOK_MS).await;
            Ok(JsValue::NULL)
        });
        let first = JsFuture::from(Promise::race(&Array::of2(promise, &look))).await.map_err(describe)?;
        if !first.is_null() {
            return Ok(first);
        }
        if cancel.is_cancelled() {
            return Err("it was stopped".into());
        }
    }
    Err("nothing came for half a minute".into())
}

impl Body for Stream {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let step = while_wanted(&self.reader.read(), &self.cancel).await?;
        let get = |name: &str| Reflect::get(&step, &name.into()).map_err(describe);
        match get("done")?.is_truthy() {
            true => Ok(None),
            false => Ok(Some(get("value")?.unchecked_into::<Uint8Array>().to_vec())),
        }
    }
}

/// `bytes 100-199/200`: where it begins and how long the file is.
fn parse_range(header: &str) -> Option<(u64, u64)> {
    let (range, total) = header.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()?))
}
