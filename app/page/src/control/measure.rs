//! Measuring the lanes: on the demo's tasks, or on lines of the user's own files.

use leptos::prelude::*;
use llavacode_protocol::{Options, Request, Tasks};

use super::Control;
use crate::fetch::fetch_json;
use crate::state::engine::EngineState;
use crate::state::measure::MeasureState;

/// The demo's tasks, beside the page.
const TASKS: &str = "demo/tasks.json";

impl Control {
    /// Measures on so many lines of the workspace; on the demo's tasks, all of them, where the demo is
    /// open. The measurement that is under way is stopped first.
    pub fn measure(self, count: usize, compare_rankers: bool) {
        self.stop_measuring();
        self.stop();
        let started = |stage: &str| MeasureState::Running {
            stage: stage.to_owned(),
            done: 0,
            total: 0,
            results: Vec::new(),
        };
        let (is_demo, files) = self.state.workspace.with_untracked(|w| (w.is_demo(), w.sources()));
        if !is_demo {
            self.state.measure.set(started("choosing lines"));
            self.measure_on(Tasks::Cut { files, count }, compare_rankers);
            return;
        }
        self.state.measure.set(started("reading the tasks"));
        leptos::task::spawn_local(async move {
            match fetch_json(TASKS).await {
                Ok(tasks) => self.measure_on(Tasks::Given { tasks }, compare_rankers),
                Err(message) => self.state.measure.set(MeasureState::Failed { message }),
            }
        });
    }

    fn measure_on(self, tasks: Tasks, compare_rankers: bool) {
        // It may have been stopped meanwhile.
        if !self.state.measure.with_untracked(|measure| matches!(measure, MeasureState::Running { .. })) {
            return;
        }
        let embeds = self.state.engine.with_untracked(EngineState::embeds);
        let ranker = self.state.settings.with_untracked(|settings| settings.ranker(embeds));
        match self.send(Request::Measure { tasks, options: Options { ranker, compare_rankers } }) {
            Some(id) => self.inner().measure.set(Some(id)),
            None => self.state.measure.set(MeasureState::Idle),
        }
    }

    /// Stops measuring. What was completed stays.
    pub fn stop_measuring(self) {
        if self.state.measure.with_untracked(|measure| matches!(measure, MeasureState::Running { .. })) {
            self.state.measure.update(MeasureState::stop);
        }
        if let Some(target) = self.inner().measure.take() {
            self.send(Request::Cancel { target });
            self.take_over();
        }
    }
}
