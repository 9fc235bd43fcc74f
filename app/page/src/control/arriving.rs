//! A model that is loaded in a worker of its own while another answers, and takes its place.

use std::cell::Cell;

use leptos::prelude::*;
use leptos::task::spawn_local;
use llavacode_api::completion::{Completion, Lane};
use web_sys::UrlSearchParams;

use super::{Control, ModelChoice};
use crate::client::{Client, Incoming};
use crate::fetch::fetch_json;
use crate::state::choice::{self, Arriving, Plan};
use crate::state::engine::{EngineState, IndexState};
use crate::state::known::{PICO, SMOLLM2};
use crate::state::lanes::LaneRun;
use crate::state::library::Standing;
use crate::state::notices::{Action, Severity};
use llavacode_protocol::{DeviceChoice, EngineInfo, Event, IndexInfo, Reply, Request, RequestId};

/// What set-up put beside the page.
const BESIDE: &str = "models/index.json";

/// A worker that is not in use yet.
pub(super) struct Next {
    client: Client,
    /// Names it among the page's workers.
    pub(super) number: u32,
    chosen: ModelChoice,
    name: String,
    load: RequestId,
    index: Cell<Option<RequestId>>,
    info: Option<EngineInfo>,
    /// Its index stands.
    indexed: Option<IndexInfo>,
}

/// What the page's address asks for.
fn asked() -> Option<String> {
    let search = window().location().search().ok()?;
    UrlSearchParams::new_with_str(&search).ok()?.get("model")
}

impl Control {
    /// The first model is ready: looks for a better one.
    pub(super) fn look_for_better(self, info: &EngineInfo) {
        let inner = self.inner();
        if inner.looked.replace(true) || self.chosen().bundle != ModelChoice::default().bundle {
            return;
        }
        let info = info.clone();
        spawn_local(async move {
            // A server without one may answer with its start page: neither names a model.
            let index = fetch_json::<choice::Index>(BESIDE).await.unwrap_or_default();
            let chosen = self.state.settings.with_untracked(|settings| settings.model.clone());
            self.state.beside.set(index.clone());
            self.look_at_library().await;
            let standing = |id: &str| {
                let files = self.model_files_untracked(id);
                self.state.library.with_untracked(|library| library.standing(id, &files))
            };
            let brought = |id: &str| matches!(standing(id), Standing::Whole(_));
            let plan = choice::plan(asked().as_deref(), chosen.as_deref(), &index, brought, &info);
            if let Some(id) = chosen.filter(|id| matches!(standing(id), Standing::Paused(_)))
                && plan != Plan::Bring(id.clone())
            {
                let text =
                    format!("{} is here only in part: its download was interrupted.", self.model_name(&id));
                self.inner().unfetched.replace(Some(id));
                self.notify(Severity::Info, text, &[Action::Resume]);
            }
            match plan {
                Plan::Stay => {}
                Plan::Bring(id) => self.fetch_and_use(&id, self.device()),
                Plan::Offer => {
                    self.inner().may_offer.set(true);
                    self.offer_better();
                }
            }
        });
    }

    /// Says what the better model would cost, once pico's completions tell how fast the device is.
    pub(super) fn offer_better(&self) {
        let inner = self.inner();
        if !inner.may_offer.get() {
            return;
        }
        let index = self.state.beside.get_untracked();
        let offer = self.state.timings.with_untracked(|timings| choice::offer(&index, timings));
        if offer.is_some() {
            inner.may_offer.set(false);
            self.state.offer.set(offer);
        }
    }

    /// Notes what a completion of pico's took.
    pub(super) fn time(&self, lane: Lane, done: &Completion) {
        if self.chosen().bundle == ModelChoice::default().bundle {
            self.state.timings.update(|timings| timings.take(lane, done));
        }
    }

    /// The user decides about the offer, for this visit and those to come.
    pub fn answer_offer(self, accepted: bool) {
        self.state.offer.set(None);
        self.use_model(if accepted { SMOLLM2 } else { PICO }, self.device());
    }

    /// Changes to a model, for this visit and those to come: by its id, or its GGUF file's address.
    pub fn use_model(self, id: &str, device: DeviceChoice) {
        self.settings(|settings| settings.model = Some(id.to_owned()));
        self.inner().may_offer.set(false);
        self.state.offer.set(None);
        if id == PICO {
            self.abandon_next();
            let runs = self.state.engine.with_untracked(EngineState::is_ready);
            if !runs || self.chosen().bundle != ModelChoice::default().bundle || self.device() != device {
                self.load(ModelChoice { device, ..ModelChoice::default() });
            }
            return;
        }
        self.fetch_and_use(id, device);
    }

    /// Loads a model in a worker of its own. The one in use goes on answering until this one can.
    pub(super) fn bring(self, chosen: ModelChoice, name: &str) {
        self.abandon_next();
        let number = self.next_number();
        let started = Client::spawn(move |incoming| self.on_incoming(number, incoming)).and_then(|client| {
            let request = chosen.request();
            let load = client.send_with_files(request, &chosen.files)?;
            Ok((client, load))
        });
        match started {
            Ok((client, load)) => {
                self.state.arriving.set(Some(Arriving { name: name.to_owned(), read: 0, total: 0 }));
                self.inner().next.replace(Some(Next {
                    client,
                    number,
                    chosen,
                    name: name.to_owned(),
                    load,
                    index: Cell::new(None),
                    info: None,
                    indexed: None,
                }));
            }
            Err(message) => self.notify(Severity::Warning, message, &[]),
        }
    }

    /// Ends what is being loaded.
    pub(super) fn abandon_next(&self) {
        self.inner().next.replace(None);
        self.state.arriving.set(None);
    }

    /// Tells the next model of a change that the one in use was told of. It must not take over with
    /// an older index.
    pub(super) fn tell_next(&self, request: impl FnOnce() -> Request) {
        let inner = self.inner();
        let mut next = inner.next.borrow_mut();
        let Some(next) = next.as_mut().filter(|next| next.info.is_some()) else { return };
        let request = request();
        let files = self.beside(&request);
        if let Ok(id) = next.client.send_with_files(request, &files) {
            next.indexed = None;
            next.index.set(Some(id));
        }
    }

    pub(super) fn on_next(self, incoming: Incoming) {
        match incoming {
            Incoming::Reply(Reply { id, event }) => self.on_next_event(id, event),
            Incoming::Crashed(message) => self.on_next_failed(&message),
        }
    }

    fn on_next_event(self, id: RequestId, event: Event) {
        match event {
            Event::Loading { read, total, .. } => self.state.arriving.update(|arriving| {
                if let Some(arriving) = arriving {
                    (arriving.read, arriving.total) = (read, total);
                }
            }),
            Event::Ready(info) => self.on_next_ready(*info),
            Event::Indexed(info) => {
                let inner = self.inner();
                if let Some(next) = inner.next.borrow_mut().as_mut().filter(|n| n.index.get() == Some(id)) {
                    next.indexed = Some(info);
                }
                self.take_over();
            }
            Event::Notice { message } => self.notify(Severity::Warning, message, &[]),
            Event::Failed { message } => self.on_next_failed(&message),
            _ => {}
        }
    }

    /// It can complete; the files are next.
    fn on_next_ready(self, info: EngineInfo) {
        if let Some(next) = self.inner().next.borrow_mut().as_mut() {
            next.info = Some(info);
        }
        self.tell_next(|| self.index_request());
    }

    fn on_next_failed(&self, message: &str) {
        let Some(next) = self.inner().next.take() else { return };
        self.state.arriving.set(None);
        let text = format!("{} could not be loaded, and the model in use goes on. {message}", next.name);
        self.notify(Severity::Warning, text, &[Action::TryModelAgain]);
        self.inner().failed.replace(Some((next.chosen, next.name)));
    }

    /// Loads again what could not be loaded.
    pub(super) fn try_again(self) {
        if let Some((chosen, name)) = self.inner().failed.take() {
            self.bring(chosen, &name);
        }
    }

    /// Whether the model in use is on its way to a suggestion, which comes before any change.
    fn suggestion_is_under_way(&self) -> bool {
        let lane = untrack(|| self.state.ghost_lane());
        self.state.lane(lane).with_untracked(LaneRun::is_awaited)
    }

    /// Puts the next model in the place of the one in use, once its index stands, the one in use has
    /// suggested what it was asked for, and nothing is being measured. Says whether it did. What is
    /// shown stays until it has completed something.
    pub(super) fn take_over(self) -> bool {
        let inner = self.inner();
        let ready = |next: &Next| next.indexed.is_some() && next.info.is_some();
        if inner.measure.get().is_some()
            || !inner.next.borrow().as_ref().is_some_and(ready)
            || self.suggestion_is_under_way()
        {
            return false;
        }
        let Some(Next {
            client, number, chosen, load, index, info: Some(info), indexed: Some(indexed), ..
        }) = inner.next.take()
        else {
            return false;
        };
        let ghost = inner.ghost.take().is_some();
        inner.completion.set(None);
        for lane in self.state.lanes {
            lane.update(LaneRun::stop);
        }
        // The worker before ends here, and gives its memory back.
        inner.client.replace(Some(client));
        inner.number.set(number);
        inner.load.set(Some(load));
        inner.index.set(index.get());
        inner.chosen.replace(Some(chosen));
        self.state.arriving.set(None);
        self.state.offer.set(None);
        self.state.offered.set(info.lanes.clone());
        self.state.index.set(IndexState::Ready(indexed));
        self.state.engine.set(EngineState::Ready(info));
        let automatic = self.state.settings.with_untracked(|settings| settings.automatic);
        if ghost && automatic && self.state.in_place.get_untracked() {
            self.complete_again();
        } else if inner.owed.take() {
            self.complete(false);
        }
        true
    }
}
