//! The code editor: CodeMirror, through the module that `app/js` builds.

use js_sys::{Function, Object, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::HtmlElement;

use crate::state::suggestions::Answer;
use crate::state::workspace::language;
use llavacode_browser::describe;
use llavacode_protocol::RequestId;

#[wasm_bindgen]
extern "C" {
    type Handle;

    #[wasm_bindgen(catch, js_namespace = llavacode, js_name = createEditor)]
    fn create_editor(parent: &HtmlElement, callbacks: &Object) -> Result<Handle, JsValue>;

    #[wasm_bindgen(method, js_name = setDocument)]
    fn set_document(this: &Handle, path: &str, text: &str, language: &str);
    #[wasm_bindgen(method)]
    fn reset(this: &Handle);
    #[wasm_bindgen(method, js_name = moveDocument)]
    fn move_document(this: &Handle, from: &str, to: &str);
    #[wasm_bindgen(method)]
    fn forget(this: &Handle, path: &str);
    #[wasm_bindgen(method, js_name = replaceText)]
    fn replace_text(this: &Handle, text: &str);
    #[wasm_bindgen(method, js_name = getText)]
    fn get_text(this: &Handle) -> String;
    #[wasm_bindgen(method, js_name = getContext)]
    fn get_context(this: &Handle) -> JsValue;
    #[wasm_bindgen(method, js_name = setCursor)]
    fn set_cursor(this: &Handle, line: usize, column: usize);
    #[wasm_bindgen(method, js_name = showPlace)]
    fn show_place(this: &Handle, line: usize, column: usize, length: usize);
    #[wasm_bindgen(method, js_name = showLines)]
    fn show_lines(this: &Handle, first: usize, end: usize);
    #[wasm_bindgen(method, js_name = setGhost)]
    fn set_ghost(this: &Handle, id: u32, text: &str);
    #[wasm_bindgen(method, js_name = offerGhost)]
    fn offer_ghost(this: &Handle, text: &str);
    #[wasm_bindgen(method, js_name = clearGhost)]
    fn clear_ghost(this: &Handle);
    #[wasm_bindgen(method, js_name = setTheme)]
    fn set_theme(this: &Handle, dark: bool);
    #[wasm_bindgen(method)]
    fn focus(this: &Handle);
}

/// The text on both sides of the cursor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Context {
    /// The open file; empty if none is.
    pub path: String,
    /// Everything before the cursor.
    pub prefix: String,
    /// Everything after it.
    pub suffix: String,
}

/// What the user does in the editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditorEvent {
    /// The document changed.
    Changed {
        /// The user typed what the ghost text said, which therefore stands.
        follows_ghost: bool,
    },
    /// Where the cursor is now.
    Cursor {
        /// From 0.
        line: usize,
        /// From 0, in UTF-16 units.
        column: usize,
        /// It got there without a change of the document.
        moved: bool,
    },
    /// A completion was asked for.
    Requested,
    /// The whole ghost text was taken.
    Accepted,
    /// Some of it was taken, or it was turned down.
    Answered(Answer),
    /// Escape.
    Dismissed,
}

/// The editor in the page.
pub struct Editor {
    handle: Handle,
    // Held so that the editor may call them.
    _on_change: Closure<dyn Fn(String, bool)>,
    _on_cursor: Closure<dyn Fn(usize, usize, bool)>,
    _on_request: Closure<dyn Fn()>,
    _on_accept: Closure<dyn Fn()>,
    _on_answer: Closure<dyn Fn(bool)>,
    _on_dismiss: Closure<dyn Fn()>,
    _on_cycle: Closure<dyn Fn(i32) -> bool>,
}

impl Editor {
    /// Makes the editor inside `parent`. `cycle` is asked for the suggestion so many steps on and says
    /// whether there is one.
    ///
    /// # Errors
    /// A sentence, if its script is missing.
    pub fn new(
        parent: &HtmlElement,
        receive: impl Fn(EditorEvent) + Clone + 'static,
        cycle: impl Fn(isize) -> bool + 'static,
    ) -> Result<Self, String> {
        let send = || receive.clone();
        let on_change = {
            let send = send();
            Closure::new(move |_path: String, follows_ghost| send(EditorEvent::Changed { follows_ghost }))
        };
        let on_cursor = {
            let send = send();
            Closure::new(move |line, column, moved| send(EditorEvent::Cursor { line, column, moved }))
        };
        let on_request = {
            let send = send();
            Closure::new(move || send(EditorEvent::Requested))
        };
        let on_accept = {
            let send = send();
            Closure::new(move || send(EditorEvent::Accepted))
        };
        let on_answer = {
            let send = send();
            Closure::new(move |accepted| {
                send(EditorEvent::Answered(if accepted { Answer::Accepted } else { Answer::Rejected }));
            })
        };
        let on_cycle = Closure::new(move |step: i32| cycle(step as isize));
        let on_dismiss = {
            let send = send();
            Closure::new(move || send(EditorEvent::Dismissed))
        };
        let callbacks = Object::new();
        let entries: [(&str, &JsValue); 7] = [
            ("onChange", on_change.as_ref()),
            ("onCursor", on_cursor.as_ref()),
            ("onRequest", on_request.as_ref()),
            ("onAccept", on_accept.as_ref()),
            ("onAnswer", on_answer.as_ref()),
            ("onCycle", on_cycle.as_ref()),
            ("onDismiss", on_dismiss.as_ref()),
        ];
        let create = || {
            for (name, callback) in entries {
                Reflect::set(&callbacks, &name.into(), callback.unchecked_ref::<Function>())?;
            }
            create_editor(parent, &callbacks)
        };
        let handle = create().map_err(|error| {
            format!("The editor could not be started ({}). Reload the page.", describe(&error))
        })?;
        Ok(Self {
            handle,
            _on_change: on_change,
            _on_cursor: on_cursor,
            _on_request: on_request,
            _on_accept: on_accept,
            _on_answer: on_answer,
            _on_dismiss: on_dismiss,
            _on_cycle: on_cycle,
        })
    }

    /// Shows a file. One shown before comes back as it was left, with its history.
    pub fn set_document(&self, path: &str, text: &str) {
        self.handle.set_document(path, text, language(path));
    }

    /// Forgets every file.
    pub fn reset(&self) {
        self.handle.reset();
    }

    /// A file has another path from now on.
    pub fn move_document(&self, from: &str, to: &str) {
        self.handle.move_document(from, to);
    }

    /// Forgets a file; if it is shown, none is until another is set.
    pub fn forget(&self, path: &str) {
        self.handle.forget(path);
    }

    /// Puts another text in the place of the open file's; the editor's undo brings that back.
    pub fn replace_text(&self, text: &str) {
        self.handle.replace_text(text);
    }

    /// The open file's text.
    pub fn text(&self) -> String {
        self.handle.get_text()
    }

    /// What a completion is asked with; `None` if no file is open.
    pub fn context(&self) -> Option<Context> {
        let context: Context = serde_wasm_bindgen::from_value(self.handle.get_context()).ok()?;
        Some(context).filter(|context| !context.path.is_empty())
    }

    /// Puts the cursor somewhere and shows the place.
    pub fn set_cursor(&self, line: usize, column: usize) {
        self.handle.set_cursor(line, column);
    }

    /// Selects `length` UTF-16 units of a line and shows them.
    pub fn show_place(&self, line: usize, column: usize, length: usize) {
        self.handle.show_place(line, column, length);
    }

    /// Selects the lines `first..end` and shows them.
    pub fn show_lines(&self, first: usize, end: usize) {
        self.handle.show_lines(first, end);
    }

    /// Shows all there is so far of a suggestion.
    pub fn set_ghost(&self, id: RequestId, text: &str) {
        self.handle.set_ghost(id, text);
    }

    /// Shows a whole text as a suggestion, also one that was dismissed before.
    pub fn offer_ghost(&self, text: &str) {
        self.handle.offer_ghost(text);
    }

    /// Takes the suggestion away.
    pub fn clear_ghost(&self) {
        self.handle.clear_ghost();
    }

    /// Follows the page's theme.
    pub fn set_dark(&self, dark: bool) {
        self.handle.set_theme(dark);
    }

    /// Puts the keyboard there.
    pub fn focus(&self) {
        self.handle.focus();
    }
}
