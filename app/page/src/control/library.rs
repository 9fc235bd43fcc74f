//! Models on this device: fetched, used and deleted. A worker of its own fetches, so that completions
//! go on; what it wrote is there whatever becomes of it.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::models::absolute;
use super::{Control, ModelChoice};
use crate::client::{Client, Incoming};
use crate::state::known::{self, Place};
use crate::state::library::{self, Library, Order};
use crate::state::notices::{Action, Severity};
use llavacode_browser::model_store::{ModelFile, name_of, opfs};
use llavacode_protocol::{BundleSource, DeviceChoice, Event, Reply, Request, RequestId};

/// The worker that fetches.
pub(super) struct Fetcher {
    client: Client,
    request: RequestId,
    /// The model it fetches is used once it is here, on this device.
    then_use: DeviceChoice,
}

impl Control {
    /// The files of a model, by its id.
    pub fn model_files(&self, id: &str) -> Vec<ModelFile> {
        let with_encoder = self.state.settings.with(|settings| settings.with_encoder);
        library::files(id, with_encoder, absolute)
    }

    pub(super) fn model_files_untracked(self, id: &str) -> Vec<ModelFile> {
        untrack(|| self.model_files(id))
    }

    /// What has to be loaded to use a model.
    pub(super) fn bundle_of(self, id: &str) -> BundleSource {
        let files = self.model_files_untracked(id);
        let mut urls = files.into_iter().map(|file| file.url);
        match known::find(id).map(|known| known.place) {
            Some(Place::BuiltIn) => ModelChoice::default().bundle,
            Some(Place::Beside) => BundleSource::Url { url: absolute(&format!("models/{id}/")) },
            Some(Place::Elsewhere(_)) | None => {
                let reader = urls.next().unwrap_or_else(|| id.to_owned());
                BundleSource::Gguf { reader, encoder: urls.next() }
            }
        }
    }

    /// Whether the model in use is this one.
    pub fn is_in_use(&self, id: &str) -> bool {
        self.bundle() == self.bundle_of(id)
    }

    /// A model's name for a user.
    pub fn model_name(&self, id: &str) -> String {
        known::find(id).map_or_else(|| name_of(id).to_owned(), |known| known.name.to_owned())
    }

    /// Looks at what this device keeps.
    pub async fn look_at_library(self) {
        match opfs::list().await {
            Ok(kept) => {
                let room = opfs::room().await;
                self.state.library.update(|library| library.refresh(kept, room));
            }
            Err(reason) => {
                log::warn!("models are not kept: {reason}");
                self.state.library.update(|library| library.there = Some(false));
            }
        }
    }

    /// Looks at it without waiting.
    pub fn refresh_library(self) {
        spawn_local(self.look_at_library());
    }

    /// Uses a model: at once where it is on this device, else once it is.
    pub(super) fn fetch_and_use(self, id: &str, device: DeviceChoice) {
        let id = id.to_owned();
        spawn_local(async move {
            self.look_at_library().await;
            let files = self.model_files_untracked(&id);
            let (there, here) =
                self.state.library.with_untracked(|library| (library.there, library.has(&files)));
            if here || there == Some(false) {
                self.bring_model(&id, device);
                return;
            }
            // A user chose it: their browser may be asked to keep it.
            opfs::ask_to_persist().await;
            self.begin_fetching(Order { id, files }, device);
        });
    }

    fn begin_fetching(self, order: Order, device: DeviceChoice) {
        let mut begun = None;
        self.state.library.update(|library| begun = library.order(order));
        if let Some(order) = begun {
            self.fetch(order, device);
        }
    }

    fn fetch(self, order: Order, device: DeviceChoice) {
        let started = Client::spawn(move |incoming| self.on_fetcher(incoming)).and_then(|client| {
            let request = client.send(Request::Fetch { files: order.files })?;
            Ok(Fetcher { client, request, then_use: device })
        });
        match started {
            Ok(fetcher) => {
                self.inner().fetcher.replace(Some(fetcher));
            }
            Err(message) => self.on_fetch_ended(Err(Some(message))),
        }
    }

    /// Stops fetching a model. What came stays.
    pub fn pause_model(self, id: &str) {
        let mut under_way = false;
        self.state.library.update(|library| {
            under_way = library.is_under_way(id);
            library.forget_waiting(id);
        });
        if under_way {
            let inner = self.inner();
            let fetcher = inner.fetcher.borrow();
            if let Some(Fetcher { client, request, .. }) = fetcher.as_ref()
                && let Err(message) = client.send(Request::Cancel { target: *request })
            {
                self.notify(Severity::Warning, message, &[]);
            }
        }
    }

    /// Deletes what this device has of a model. The model in use goes on until another is chosen.
    pub fn remove_model(self, id: &str) {
        let Some(file) = self.model_files_untracked(id).into_iter().next() else { return };
        let id = id.to_owned();
        spawn_local(async move {
            if let Err(reason) = opfs::remove(&file.url).await {
                let text = format!("{} was not deleted: {reason}.", self.model_name(&id));
                self.notify(Severity::Warning, text, &[]);
            }
            if self.state.settings.with_untracked(|settings| settings.model.as_deref() == Some(&*id)) {
                self.settings(|settings| settings.model = None);
            }
            self.state.library.update(|library| library.forget_failure(&id));
            self.look_at_library().await;
        });
    }

    fn on_fetcher(self, incoming: Incoming) {
        match incoming {
            Incoming::Reply(Reply { event: Event::Fetching { url, step }, .. }) => {
                let now = window().performance().map_or(0.0, |performance| performance.now());
                self.state.library.update(|library| library.on_step(&url, step, now));
            }
            Incoming::Reply(Reply { event: Event::Fetched, .. }) => self.on_fetch_ended(Ok(())),
            Incoming::Reply(Reply { event: Event::Cancelled, .. }) => self.on_fetch_ended(Err(None)),
            Incoming::Reply(Reply { event: Event::Failed { message }, .. }) | Incoming::Crashed(message) => {
                self.on_fetch_ended(Err(Some(message)))
            }
            Incoming::Reply(_) => {}
        }
    }

    /// A model is here, or was stopped (`None`), or could not be fetched.
    fn on_fetch_ended(self, outcome: Result<(), Option<String>>) {
        // Ends its worker, and with it whatever it held.
        let then_use = self.inner().fetcher.take().map(|fetcher| fetcher.then_use);
        let device = then_use.unwrap_or_else(|| self.device());
        let failed = outcome.as_ref().err().cloned().flatten();
        spawn_local(async move {
            self.look_at_library().await;
            let mut ended = (None, None);
            self.state.library.update(|library| ended = library.on_end(failed.clone()));
            let (order, next) = ended;
            if let Some(next) = next {
                self.fetch(next, device);
            }
            let Some(order) = order else { return };
            match (outcome, failed) {
                (Ok(()), _) => self.bring_model(&order.id, device),
                (Err(_), Some(message)) => {
                    let name = self.model_name(&order.id);
                    let text = format!("{name} was not fetched. {message}");
                    let kept = |library: &Library| library.amount(&order.files).read > 0;
                    let in_part = self.state.library.with_untracked(kept);
                    self.inner().unfetched.replace(Some(order.id));
                    // Where nothing came the Models dialog lets one try again.
                    let actions = [Action::Resume];
                    self.notify(Severity::Warning, text, if in_part { &actions } else { &[] });
                }
                (Err(_), None) => {}
            }
        });
    }

    /// Fetches on what was interrupted last.
    pub(super) fn resume(self) {
        if let Some(id) = self.inner().unfetched.take() {
            self.use_model(&id, self.device());
        }
    }

    fn bring_model(self, id: &str, device: DeviceChoice) {
        let chosen = ModelChoice { bundle: self.bundle_of(id), files: Vec::new(), device };
        self.bring(chosen, &self.model_name(id));
    }
}
