//! Starting the engine with a bundle, on a device.

use leptos::prelude::*;
use web_sys::{Url, UrlSearchParams};

use super::Control;
use crate::client::Client;
use crate::editor::Editor;
use crate::files::PickedFile;
use crate::state::choice::Timings;
use crate::state::engine::{EngineState, IndexState};
use crate::state::lanes::LaneRun;
use crate::state::measure::MeasureState;
use crate::state::notices::{Action, Severity};
use llavacode_protocol::{BundleSource, DeviceChoice, EngineInfo, Request};

/// The bundle that comes with the page, beside it.
const BUILT_IN: &str = "bundle/";

/// A bundle and a device.
#[derive(Debug, Clone)]
pub struct ModelChoice {
    /// Where the bundle is.
    pub bundle: BundleSource,
    /// Its files, if the user chose them.
    pub files: Vec<PickedFile>,
    /// What to compute on.
    pub device: DeviceChoice,
}

impl Default for ModelChoice {
    fn default() -> Self {
        Self::at(BUILT_IN, DeviceChoice::Auto)
    }
}

impl ModelChoice {
    /// A bundle or a GGUF file at a URL, which may be relative to the page.
    pub fn at(url: &str, device: DeviceChoice) -> Self {
        let bundle = match is_gguf(url) {
            true => BundleSource::Gguf { reader: absolute(url), encoder: None },
            false => BundleSource::Url { url: absolute(&format!("{}/", url.trim().trim_end_matches('/'))) },
        };
        Self { bundle, files: Vec::new(), device }
    }

    /// What the engine is asked for; with as many threads as the page's address says: `?threads=1`.
    pub fn request(&self) -> Request {
        let threads = asked("threads").and_then(|number| number.parse().ok());
        Request::Load { bundle: self.bundle.clone(), device: self.device, threads }
    }

    /// What the page's address asks for: `?bundle=URL`, `?device=cpu` or `?device=webgpu`.
    pub fn from_query() -> Self {
        let device = match asked("device").as_deref() {
            Some("cpu") => DeviceChoice::Cpu,
            Some("webgpu") => DeviceChoice::Webgpu,
            _ => DeviceChoice::Auto,
        };
        Self::at(asked("bundle").as_deref().unwrap_or(BUILT_IN), device)
    }
}

/// What the page's address says of a key.
fn asked(key: &str) -> Option<String> {
    let search = window().location().search().unwrap_or_default();
    UrlSearchParams::new_with_str(&search).ok()?.get(key)
}

/// Whether a URL's path is that of a GGUF file.
pub fn is_gguf(url: &str) -> bool {
    url.split(['?', '#']).next().is_some_and(|path| path.trim().to_lowercase().ends_with(".gguf"))
}

/// The URL as seen from the page, without what stands behind `#`. What is no URL stays as it is: the
/// engine's sentence names it.
pub fn absolute(url: &str) -> String {
    let url = url.trim().split('#').next().unwrap_or_default();
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    Url::new_with_base(url, &base).map_or_else(|_| url.to_owned(), |url| url.href())
}

/// Tells the page's script that the network is free: it keeps the page for offline use.
fn announce_ready() {
    if let Ok(event) = web_sys::Event::new("llavacode:ready") {
        // Only a page that is being closed refuses.
        let _ = window().dispatch_event(&event);
    }
}

impl Control {
    /// Starts the engine in a new worker. The worker before ends, and with it everything it held on
    /// the device; the editor and its text are not touched. What was said of the engine before is settled.
    pub fn load(self, chosen: ModelChoice) {
        self.state.notices.update(|notices| notices.dismiss_acted_on(&Action::Restart));
        self.abandon_next();
        self.start_engine(chosen);
    }

    fn start_engine(self, chosen: ModelChoice) {
        let inner = self.inner();
        inner.client.replace(None);
        if chosen.bundle == ModelChoice::default().bundle {
            // It may run on another device than before.
            self.state.timings.set(Timings::default());
        }
        self.forget_requests();
        // What the model before suggested is not this one's; it is asked once its index stands.
        self.state.in_place.set(false);
        self.with_editor(Editor::clear_ghost);
        self.state.engine.set(EngineState::Starting);
        let number = self.next_number();
        inner.number.set(number);
        let started = Client::spawn(move |incoming| self.on_incoming(number, incoming)).and_then(|client| {
            let request = chosen.request();
            let id = client.send_with_files(request, &chosen.files)?;
            Ok((client, id))
        });
        inner.chosen.replace(Some(chosen));
        match started {
            Ok((client, id)) => {
                inner.load.set(Some(id));
                inner.client.replace(Some(client));
            }
            Err(message) => self.on_load_failed(message),
        }
    }

    /// Starts the engine anew, as it was.
    pub fn restart(self) {
        self.load(self.chosen());
    }

    /// Nothing is under way any more.
    fn forget_requests(&self) {
        let inner = self.inner();
        inner.load.set(None);
        inner.index.set(None);
        if inner.measure.take().is_some() {
            self.state.measure.update(MeasureState::stop);
        }
        inner.completion.set(None);
        inner.ghost.set(None);
        for lane in self.state.lanes {
            lane.update(LaneRun::stop);
        }
        self.state.index.set(IndexState::Waiting);
    }

    pub(super) fn on_ready(self, info: EngineInfo) {
        if let Some(reason) = &info.fallback_reason {
            let text = format!("The models run on the CPU: {}.", reason.trim_end_matches('.'));
            match info.webgpu_possible {
                true => self.notify(Severity::Info, text, &[Action::UseWebgpu]),
                false => self.notify(Severity::Warning, text, &[]),
            }
        }
        self.state.offered.set(info.lanes.clone());
        self.state.shown.set(info.lanes.clone());
        self.look_for_better(&info);
        self.state.engine.set(EngineState::Ready(info));
        announce_ready();
        self.index_all();
    }

    pub(super) fn on_load_failed(&self, message: String) {
        self.state.engine.set(EngineState::Failed { message: message.clone() });
        self.notify(Severity::Error, message, &self.ways_on());
    }

    /// The engine ended by itself, or hangs. One that has worked is started again, once; what it was asked
    /// for is asked again.
    pub(super) fn on_crash(self, message: String) {
        let inner = self.inner();
        let mut restarts = inner.restarts.get();
        let again = self.state.engine.with_untracked(EngineState::is_ready) && restarts.may();
        inner.restarts.set(restarts);
        if again {
            let owed = inner.completion.get().is_some();
            self.start_engine(self.chosen());
            inner.owed.set(owed);
            let text = format!("{message} It is being started again, and your text is kept.");
            let mut actions = self.ways_on();
            actions.retain(|action| *action != Action::Restart);
            self.notify(Severity::Warning, text, &actions);
            return;
        }
        inner.client.replace(None);
        self.forget_requests();
        self.state.engine.set(EngineState::Failed { message: message.clone() });
        self.notify(Severity::Error, format!("{message} Your text is kept."), &self.ways_on());
    }

    fn ways_on(&self) -> Vec<Action> {
        let chosen = self.chosen();
        let mut actions = vec![Action::Restart];
        if chosen.device != DeviceChoice::Cpu {
            actions.push(Action::UseCpu);
        }
        if chosen.bundle != ModelChoice::default().bundle {
            actions.push(Action::DefaultBundle);
        }
        actions
    }
}
