//! Links that carry settings and, in the demo, the place of the cursor.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Url, UrlSearchParams};

use super::Control;
use crate::state::link::{self, LinkedPlace};
use crate::state::notices::{Action, Severity};
use crate::state::workspace::{Tabs, Workspace};

impl Control {
    /// Takes settings and place over from the page's address, which is then without them: what the user
    /// changes from here on is not undone by a reload.
    pub(super) fn open_link(self) {
        let Ok(address) = window().location().href().and_then(|href| Url::new(&href)) else { return };
        let parameters = address.search_params();
        let place = parameters.get(link::PLACE).and_then(|place| place.parse().ok());
        let own = self.state.settings.get_untracked();
        let linked = link::read(|key| parameters.get(key), &own);
        if place.is_none() && linked.is_none() {
            return;
        }
        self.inner().linked_place.replace(place);
        for key in link::SETTINGS.into_iter().chain([link::PLACE]) {
            parameters.delete(key);
        }
        let history = window().history();
        let replaced =
            history.and_then(|h| h.replace_state_with_url(&JsValue::NULL, "", Some(&address.href())));
        if let Err(error) = replaced {
            log::warn!("the address keeps what the link said: {error:?}");
        }
        if let Some(linked) = linked.filter(|linked| *linked != own) {
            self.settings(|settings| *settings = linked);
            self.inner().own_settings.replace(Some(own));
            let text = "The settings of the link are in use, in the place of yours.";
            self.notify(Severity::Info, text, &[Action::OwnSettings]);
        }
    }

    /// Goes back to the settings that were in use before the link's. What is no part of a link stays as
    /// it is now.
    pub(super) fn own_settings(&self) {
        let Some(own) = self.inner().own_settings.take() else { return };
        let own = link::parameters(&own);
        let get = |key: &str| own.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        if let Some(settings) = link::read(get, &self.state.settings.get_untracked()) {
            self.settings(|now| *now = settings);
        }
    }

    /// Shows the link's place, if there is one and the workspace is the demo. Returns whether it is shown.
    pub(super) fn show_linked_place(
        &self,
        workspace: &Workspace,
        tabs: &mut Tabs,
        cursor: &mut (usize, usize),
    ) -> bool {
        let Some(place) = self.inner().linked_place.take() else { return false };
        if !workspace.is_demo() {
            let text = "The link's place is in the demo. Your own files are open and stay so.";
            self.notify(Severity::Info, text, &[]);
            return false;
        }
        let is_there = workspace.files.contains_key(&place.path);
        if is_there {
            tabs.show(&place.path);
            *cursor = place.cursor;
        }
        is_there
    }

    /// A link to the page with these settings and, in the demo, this place.
    fn link(&self) -> Result<String, JsValue> {
        let address = Url::new(&window().location().href()?)?;
        address.set_hash("");
        let parameters = UrlSearchParams::new()?;
        for (key, value) in self.state.settings.with_untracked(link::parameters) {
            parameters.append(key, &value);
        }
        if let Some(place) = self.linkable_place() {
            parameters.append(link::PLACE, &place.to_string());
        }
        // Slashes and colons may stand there as they are.
        let query = String::from(parameters.to_string()).replace("%2F", "/").replace("%3A", ":");
        address.set_search(&query);
        Ok(address.href())
    }

    /// The cursor's place, if it is in a file that everybody has.
    fn linkable_place(&self) -> Option<LinkedPlace> {
        let path = self.state.tabs.with_untracked(|tabs| tabs.active.clone())?;
        let cursor = self.state.cursor.get_untracked();
        let is_demos = self.state.workspace.with_untracked(|w| w.is_demos_own(&path));
        is_demos.then_some(LinkedPlace { path, cursor })
    }

    /// Puts the link into the clipboard, or shows it where the browser refuses that.
    pub fn copy_link(self) {
        let link = match self.link() {
            Ok(link) => link,
            Err(error) => {
                let reason = llavacode_browser::describe(&error);
                self.notify(Severity::Error, format!("The link could not be made: {reason}."), &[]);
                return;
            }
        };
        let what = match self.linkable_place() {
            Some(_) => "these settings and this place in the demo",
            None => "these settings",
        };
        let navigator = window().navigator();
        // Only a page that came safely has a clipboard.
        let has_clipboard =
            js_sys::Reflect::get(&navigator, &"clipboard".into()).is_ok_and(|found| found.is_object());
        spawn_local(async move {
            let written = match has_clipboard {
                true => JsFuture::from(navigator.clipboard().write_text(&link)).await.is_ok(),
                false => false,
            };
            let text = match written {
                true => format!("The link is copied: {what}, no source text."),
                false => format!("The browser did not let the link be copied. It carries {what}: {link}"),
            };
            self.notify(Severity::Info, text, &[]);
        });
    }
}
