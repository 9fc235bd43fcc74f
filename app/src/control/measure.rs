//! Measuring the lanes on the demo's tasks.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::Control;
use crate::client::describe;
use crate::protocol::{Request, Task};
use crate::state::measure::{MeasureState, Report};

/// The demo's tasks, beside the page.
const TASKS: &str = "demo/tasks.json";

impl Control {
    /// Measures; the measurement that is under way is stopped first.
    pub fn measure(self) {
        self.stop_measuring();
        self.stop();
        let stage = "reading the tasks".to_owned();
        self.state.measure.set(MeasureState::Running { stage, done: 0, total: 0 });
        leptos::task::spawn_local(async move {
            match fetch_json::<Vec<Task>>(TASKS).await {
                Ok(tasks) => match self.send(Request::Measure { tasks }) {
                    Some(id) => self.inner().measure.set(Some(id)),
                    None => self.state.measure.set(MeasureState::Idle),
                },
                Err(message) => self.state.measure.set(MeasureState::Failed { message }),
            }
        });
    }

    /// Stops measuring.
    pub fn stop_measuring(self) {
        if let Some(target) = self.inner().measure.take() {
            self.send(Request::Cancel { target });
            self.state.measure.set(MeasureState::Idle);
            self.take_over();
        }
    }

    pub(super) fn on_measured(&self, report: String) {
        self.state.measure.set(match Report::parse(report) {
            Ok(report) => MeasureState::Done(report),
            Err(message) => MeasureState::Failed { message },
        });
    }
}

/// Fetches a JSON file that lies beside the page.
pub(super) async fn fetch_json<T: serde::de::DeserializeOwned>(url: &str) -> Result<T, String> {
    let read = async {
        let response: Response = JsFuture::from(window().fetch_with_str(url)).await?.unchecked_into();
        if !response.ok() {
            return Ok(Err(format!("the server answered {}", response.status())));
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
