//! What lies beside the page.

use leptos::prelude::window;
use llavacode_browser::{answer::is_page, describe};
use serde::de::DeserializeOwned;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

/// Fetches a JSON file.
///
/// # Errors
/// A sentence, if it cannot be had or is none.
pub(crate) async fn fetch_json<T: DeserializeOwned>(url: &str) -> Result<T, String> {
    let read = async {
        let response: Response = JsFuture::from(window().fetch_with_str(url)).await?.unchecked_into();
        if !response.ok() {
            return Ok(Err(format!("the server answered {}", response.status())));
        }
        if is_page(response.headers().get("content-type")?.as_deref()) {
            return Ok(Err("there is no such file, the server answered with a web page".to_owned()));
        }
        let value = JsFuture::from(response.json()?).await?;
        Ok(serde_wasm_bindgen::from_value(value).map_err(|error| error.to_string()))
    };
    match read.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(reason)) => Err(format!("{url} could not be read: {reason}.")),
        Err(error) => Err(format!("{url} could not be read: {}.", describe(&error))),
    }
}
