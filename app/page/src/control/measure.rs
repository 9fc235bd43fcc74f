//! Measuring the lanes on the demo's tasks.

use leptos::prelude::*;
use llavacode_protocol::{Request, Task};

use super::Control;
use crate::fetch::fetch_json;
use crate::state::measure::MeasureState;

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
}
