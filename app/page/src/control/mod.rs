//! What the page does when a user does something, or when the engine answers.

mod arriving;
mod changes;
mod completion;
mod import;
mod indexing;
mod keeping;
mod library;
mod link;
mod measure;
mod models;
mod places;
mod saving;
mod workspace;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo::timers::callback::Timeout;
use leptos::prelude::*;
use llavacode_api::completion::Lane;
use web_sys::HtmlElement;

use crate::client::{Client, Incoming};
use crate::editor::{Editor, EditorEvent};
use crate::files::PickedFile;
use crate::files::disk::Folder;
use crate::state::State;
use crate::state::engine::{EngineState, IndexState};
use crate::state::heartbeat::Restarts;
use crate::state::link::LinkedPlace;
use crate::state::measure::MeasureState;
use crate::state::notices::{Action, Severity};
use crate::state::settings::{Settings, Theme};
use llavacode_protocol::{BundleSource, DeviceChoice, Event, Reply, Request, RequestId};

use arriving::Next;
pub use import::IncomingPlace;
use library::Fetcher;
pub use models::{ModelChoice, absolute, is_gguf};

/// Acts on the page. A copy is a handle to the same one.
#[derive(Clone, Copy)]
pub struct Control {
    /// What is shown.
    pub state: State,
    inner: StoredValue<Rc<Inner>, LocalStorage>,
}

/// What is not shown.
#[derive(Default)]
struct Inner {
    client: RefCell<Option<Client>>,
    /// Names the client in use among all that were started.
    number: Cell<u32>,
    /// The newest of these numbers.
    newest: Cell<u32>,
    /// The worker that is to take its place.
    next: RefCell<Option<Next>>,
    /// What could not be loaded, and its name.
    failed: RefCell<Option<(ModelChoice, String)>>,
    /// Fetches models onto this device.
    fetcher: RefCell<Option<Fetcher>>,
    /// The model whose fetching was interrupted last.
    unfetched: RefCell<Option<String>>,
    /// A better model was looked for.
    looked: Cell<bool>,
    /// One is there that may be too slow: to be offered once a completion was timed.
    may_offer: Cell<bool>,
    editor: RefCell<Option<Editor>>,
    /// The bundle and device in use, or last asked for.
    chosen: RefCell<Option<ModelChoice>>,
    /// The newest request of each kind; answers to older ones are not shown.
    load: Cell<Option<RequestId>>,
    index: Cell<Option<RequestId>>,
    measure: Cell<Option<RequestId>>,
    /// The completion under way.
    completion: Cell<Option<RequestId>>,
    /// One was under way when the engine ended: the next engine is asked for it.
    owed: Cell<bool>,
    /// How often an engine that ended was started again.
    restarts: Cell<Restarts>,
    /// The lane whose text is shown in the editor as it comes.
    ghost: Cell<Option<Lane>>,
    /// The user asked for it: it is shown however unsure its reader is.
    wished: Cell<bool>,
    /// Waits for the user to pause.
    pause: RefCell<Option<Timeout>>,
    /// Waits to keep what was typed.
    keep: RefCell<Option<Timeout>>,
    /// The folder that files are saved into, if one was opened.
    folder: RefCell<Option<Folder>>,
    /// It is being written to.
    saving: Cell<bool>,
    /// Waits to index it.
    reindex: RefCell<Option<Timeout>>,
    /// The files of the shared index in use, if it is read from files.
    shared_files: RefCell<Vec<PickedFile>>,
    /// How often such files were chosen.
    shared_choice: Cell<u32>,
    /// The place that the page's address named, until the workspace is there.
    linked_place: RefCell<Option<LinkedPlace>>,
    /// The settings before those of the address.
    own_settings: RefCell<Option<Settings>>,
}

impl Control {
    /// The page's control; nothing has started.
    pub fn new(state: State) -> Self {
        Self { state, inner: StoredValue::new_local(Rc::new(Inner::default())) }
    }

    fn inner(&self) -> Rc<Inner> {
        self.inner.get_value()
    }

    /// Makes the editor in its place, brings the files and starts the engine.
    pub fn start(self, parent: &HtmlElement) {
        match Editor::new(parent, move |event| self.on_editor(event), move |step| self.cycle(step)) {
            Ok(editor) => {
                editor.set_dark(self.state.dark.get_untracked());
                self.inner().editor.replace(Some(editor));
            }
            Err(message) => self.notify(Severity::Error, message, &[]),
        }
        self.open_link();
        self.load(ModelChoice::from_query());
        leptos::task::spawn_local(async move { self.restore().await });
    }

    /// Calls `act` with the editor, if there is one.
    fn with_editor<T>(&self, act: impl FnOnce(&Editor) -> T) -> Option<T> {
        self.inner().editor.borrow().as_ref().map(act)
    }

    /// Sends a request; a refusal is shown.
    fn send(&self, request: Request) -> Option<RequestId> {
        let files = self.beside(&request);
        let sent = self.inner().client.borrow().as_ref()?.send_with_files(request, &files);
        match sent {
            Ok(id) => Some(id),
            Err(message) => {
                self.notify(Severity::Error, message, &[Action::Restart]);
                None
            }
        }
    }

    /// Shows a sentence.
    pub fn notify(&self, severity: Severity, text: impl Into<String>, actions: &[Action]) {
        self.state.notices.update(|notices| notices.push(severity, &text.into(), actions));
    }

    /// Does what a notice offers.
    pub fn action(&self, action: Action) {
        self.state.notices.update(|notices| notices.dismiss_acted_on(&action));
        match action {
            Action::Restart => self.restart(),
            Action::UseCpu => self.load(ModelChoice { device: DeviceChoice::Cpu, ..self.chosen() }),
            Action::UseWebgpu => self.load(ModelChoice { device: DeviceChoice::Webgpu, ..self.chosen() }),
            Action::DefaultBundle => self.load(ModelChoice::default()),
            Action::Reindex => self.index_all(),
            Action::TryModelAgain => self.try_again(),
            Action::Resume => self.resume(),
            Action::Overwrite(path) => self.overwrite(path),
            Action::ReloadFromDisk(path) => self.reload_from_disk(path),
            Action::Download(path) => self.download_mine(path),
            Action::DownloadUnsaved => self.download_unsaved(),
            Action::Undo(id) => self.undo(id),
            Action::OwnSettings => self.own_settings(),
        }
    }

    /// Changes settings and keeps them.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        self.state.settings.update(change);
        self.state.settings.with_untracked(Settings::keep);
    }

    /// Shows page and editor in a theme.
    pub fn show_theme(&self, theme: Theme) {
        let dark = theme == Theme::Dark;
        self.state.dark.set(dark);
        self.with_editor(|editor| editor.set_dark(dark));
    }

    /// Puts the keyboard into the editor.
    pub fn focus_editor(&self) {
        self.with_editor(Editor::focus);
    }

    fn on_editor(self, event: EditorEvent) {
        match event {
            EditorEvent::Changed { follows_ghost } => self.on_change(follows_ghost),
            EditorEvent::Cursor { line, column, moved } => {
                self.state.cursor.set((line, column));
                if moved {
                    self.on_move();
                }
            }
            EditorEvent::Requested => self.complete(true),
            EditorEvent::Accepted => self.on_accept(),
            EditorEvent::Answered(answer) => self.on_answer(answer),
            EditorEvent::Dismissed => self.on_dismiss(),
        }
    }

    /// A number for a worker that is about to be started.
    fn next_number(&self) -> u32 {
        let inner = self.inner();
        inner.newest.set(inner.newest.get() + 1);
        inner.newest.get()
    }

    fn on_incoming(self, number: u32, incoming: Incoming) {
        let inner = self.inner();
        if inner.number.get() != number {
            let is_next = inner.next.borrow().as_ref().is_some_and(|next| next.number == number);
            if is_next {
                self.on_next(incoming);
            }
            return;
        }
        match incoming {
            Incoming::Reply(Reply { id, event }) => self.on_event(id, event),
            Incoming::Crashed(message) => self.on_crash(message),
        }
    }

    fn on_event(self, id: RequestId, event: Event) {
        let inner = self.inner();
        match event {
            Event::Loading { file, read, total } => {
                if inner.load.get() == Some(id) {
                    self.state.engine.set(EngineState::Loading { file, read, total });
                }
            }
            Event::Ready(info) => self.on_ready(*info),
            Event::Indexing { done, total } => {
                if inner.index.get() == Some(id) {
                    self.state.index.set(IndexState::Running { done, total });
                }
            }
            Event::Skipped { path, reason } => self.on_skipped(path, reason),
            Event::Indexed(info) => {
                if inner.index.get() == Some(id) {
                    self.on_indexed(info);
                }
            }
            Event::Completion { lane, event } => self.on_completion(id, lane, event),
            Event::Completed => {
                let mut restarts = inner.restarts.get();
                restarts.completed();
                inner.restarts.set(restarts);
                self.on_completion_ended(id, None);
            }
            Event::Measuring { stage, done, total } => {
                if inner.measure.get() == Some(id) {
                    self.state.measure.update(|measure| measure.at(stage, done, total));
                }
            }
            Event::TaskMeasured { result } => {
                if inner.measure.get() == Some(id) {
                    self.state.measure.update(|measure| measure.push(result));
                }
            }
            Event::Measured(measurement) => {
                if inner.measure.take() == Some(id) {
                    self.state.measure.set(MeasureState::Done(measurement));
                    self.take_over();
                }
            }
            Event::Notice { message } => self.notify(Severity::Warning, message, &[]),
            // The engine in use is not asked to fetch, and whether it lives is its client's concern.
            Event::Fetching { .. } | Event::Fetched | Event::Alive | Event::DeviceLost { .. } => {}
            Event::Cancelled => self.on_cancelled(id),
            Event::Failed { message } => self.on_failed(id, message),
        }
    }

    fn on_cancelled(self, id: RequestId) {
        let inner = self.inner();
        if inner.index.get() == Some(id) {
            self.state.index.set(IndexState::Cancelled);
            self.take_over();
        } else if inner.measure.get() == Some(id) {
            inner.measure.set(None);
            self.state.measure.update(MeasureState::stop);
            self.take_over();
        } else {
            self.on_completion_ended(id, None);
        }
    }

    fn on_failed(self, id: RequestId, message: String) {
        let inner = self.inner();
        if inner.load.get() == Some(id) {
            self.on_load_failed(message);
        } else if inner.index.get() == Some(id) {
            self.state.index.set(IndexState::Failed { message: message.clone() });
            self.notify(Severity::Error, message, &[Action::Reindex]);
        } else if inner.measure.get() == Some(id) {
            inner.measure.set(None);
            self.state.measure.set(MeasureState::Failed { message });
            self.take_over();
        } else {
            self.on_completion_ended(id, Some(&message));
        }
    }

    /// The bundle and device last asked for.
    fn chosen(&self) -> ModelChoice {
        self.inner().chosen.borrow().clone().unwrap_or_default()
    }

    /// Where the bundle in use comes from.
    pub fn bundle(&self) -> BundleSource {
        self.chosen().bundle
    }

    /// The device asked for.
    pub fn device(&self) -> DeviceChoice {
        self.chosen().device
    }
}
