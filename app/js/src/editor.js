// The code editor as the page sees it: `llavacode.createEditor(parent, callbacks)`.
//
// One view, one state a document: a document keeps its undo history, selection and scroll position
// while another is shown. Lines and columns are counted from 0; columns in UTF-16 units.

import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab, isolateHistory } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { python } from "@codemirror/lang-python";
import { rust } from "@codemirror/lang-rust";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { accepted, answer, ghostField, ghostText, setGhost } from "./ghost.js";
import { highlighting, theme } from "./theme.js";

// The page's security policy lets only styles through that carry this; empty where there is no policy.
const policy = document.querySelector("meta[http-equiv='Content-Security-Policy']")?.content ?? "";
const nonce = /style-src[^;]*'nonce-([^']+)'/.exec(policy)?.[1] ?? "";

const languages = {
  python: () => [python(), indentUnit.of("    ")],
  rust: () => [rust(), indentUnit.of("    ")],
  javascript: () => [javascript({ jsx: true }), indentUnit.of("  ")],
  typescript: () => [javascript({ jsx: true, typescript: true }), indentUnit.of("  ")],
};

/**
 * @typedef {object} Callbacks
 * @property {(path: string, followsGhost: boolean) => void} onChange the document changed;
 *   `followsGhost` says that the user typed what the ghost text said, which therefore stands
 * @property {(line: number, column: number, moved: boolean) => void} onCursor where the cursor is
 *   now; `moved` says that the user put it there without changing the document
 * @property {() => void} onRequest the user asked for a completion
 * @property {() => void} onAccept the whole ghost text was taken
 * @property {(accepted: boolean) => void} onAnswer the user took some of the ghost text, or turned it
 *   down by Escape or by typing something else
 * @property {() => void} onDismiss the user pressed Escape
 * @property {(step: number) => boolean} onCycle the user asked for the next suggestion (1) or the one
 *   before (-1); says whether there is one
 */

/** @param {HTMLElement} parent @param {Callbacks} callbacks */
function createEditor(parent, callbacks) {
  const appearance = new Compartment();
  const states = new Map(); // path → { state, top }
  let path = "";
  let dark = false;
  let offers = 0; // counts down: the page's own ids are positive
  let closedGhost = null; // a ghost the user has done with: later text of it is not shown

  const tellCursor = (state, moved) => {
    const { head } = state.selection.main;
    const line = state.doc.lineAt(head);
    callbacks.onCursor(line.number - 1, head - line.from, moved);
  };

  const listener = EditorView.updateListener.of((update) => {
    const before = update.startState.field(ghostField, false) ?? null;
    const now = update.state.field(ghostField);
    if (before !== null && now === null) closedGhost = before.id;
    const said = answer(update);
    if (said !== null) callbacks.onAnswer(said === "accepted");
    if (update.transactions.some((t) => t.annotation(accepted)?.whole)) callbacks.onAccept();
    if (update.docChanged) callbacks.onChange(path, now !== null);
    // A selection is no place to complete at.
    const moved = !update.docChanged && update.state.selection.main.empty;
    if (update.docChanged || update.selectionSet) tellCursor(update.state, moved);
  });

  const request = () => {
    const { main } = view.state.selection;
    if (!main.empty) view.dispatch({ selection: { anchor: main.head } });
    callbacks.onRequest();
    return true;
  };

  const extensions = (language) => [
    ghostText({
      onDismiss(shown) {
        if (shown) callbacks.onAnswer(false);
        callbacks.onDismiss();
      },
      onCycle: (step) => callbacks.onCycle(step),
    }),
    lineNumbers(),
    history(),
    drawSelection(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    highlightSelectionMatches(),
    search({ top: true }),
    highlighting,
    EditorView.cspNonce.of(nonce),
    EditorState.tabSize.of(4),
    // Dropped files are the page's: they join the workspace instead of this document.
    EditorView.domEventHandlers({ drop: (event) => event.dataTransfer?.types.includes("Files") ?? false }),
    EditorView.contentAttributes.of({ "aria-label": "Code editor", "data-testid": "editor-content", tabindex: "0" }),
    keymap.of([
      { key: "Ctrl-Space", run: request },
      { key: "Mod-Space", run: request },
      { key: "Alt-\\", run: request },
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      indentWithTab,
    ]),
    (languages[language] ?? (() => []))(),
    listener,
    appearance.of(theme(dark)),
  ];

  const newState = (text, language) => EditorState.create({ doc: text, extensions: extensions(language) });
  const view = new EditorView({ parent, state: newState("", "") });
  const keep = () => {
    if (path !== "") states.set(path, { state: view.state, top: view.scrollDOM.scrollTop });
  };
  const clearGhost = () => {
    if (view.state.field(ghostField) !== null) view.dispatch({ effects: setGhost.of(null) });
  };
  const position = (line, column) => {
    const at = view.state.doc.line(Math.max(1, Math.min(line + 1, view.state.doc.lines)));
    return Math.min(at.from + column, at.to);
  };

  return {
    /** Shows a document. One seen before comes back as it was left, and `text` is not looked at. */
    setDocument(newPath, text, language) {
      if (newPath === path) return;
      clearGhost();
      keep();
      path = newPath;
      const kept = states.get(newPath);
      view.setState(kept?.state ?? newState(text, language));
      view.dispatch({ effects: appearance.reconfigure(theme(dark)) });
      view.scrollDOM.scrollTop = kept?.top ?? 0;
      tellCursor(view.state, false);
    },
    /** Forgets every document. */
    reset() {
      states.clear();
      path = "";
      view.setState(newState("", ""));
    },
    /** A document has another path from now on. */
    moveDocument(from, to) {
      if (path === from) path = to;
      const kept = states.get(from);
      if (kept === undefined) return;
      states.delete(from);
      states.set(to, kept);
    },
    /** Forgets a document; if it is shown, none is until another is set. */
    forget(gone) {
      states.delete(gone);
      if (path !== gone) return;
      path = "";
      view.setState(newState("", ""));
    },
    getText: () => view.state.doc.toString(),
    /** Puts another text in the place of the whole one; undo brings that back. */
    replaceText(text) {
      const { doc, selection } = view.state;
      const anchor = Math.min(selection.main.head, text.length);
      view.dispatch({
        changes: { from: 0, to: doc.length, insert: text },
        selection: { anchor },
        annotations: isolateHistory.of("full"),
        scrollIntoView: true,
      });
    },
    /** What a completion is asked with: the text on both sides of the cursor. */
    getContext() {
      const { doc, selection } = view.state;
      const { head } = selection.main;
      return { path, prefix: doc.sliceString(0, head), suffix: doc.sliceString(head) };
    },
    setCursor(line, column) {
      const anchor = position(line, column);
      view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
    },
    /** Selects `length` characters of a line and shows them. */
    showPlace(line, column, length) {
      const anchor = position(line, column);
      const head = Math.min(anchor + length, view.state.doc.length);
      view.dispatch({ selection: { anchor, head }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
    },
    /** Selects whole lines, `first..end`, and shows them. */
    showLines(first, end) {
      const anchor = position(first, 0);
      const head = position(Math.max(first, end - 1), Number.MAX_SAFE_INTEGER);
      view.dispatch({
        selection: { anchor, head },
        effects: EditorView.scrollIntoView(anchor, { y: "start", yMargin: 48 }),
      });
    },
    /** Shows `text`, all there is so far of suggestion `id`. The first call anchors it at the cursor. */
    setGhost(id, text) {
      if (id === closedGhost) return;
      const current = view.state.field(ghostField);
      const { main } = view.state.selection;
      if (!main.empty) return;
      const ghost = current?.id === id ? { ...current, text } : { id, pos: main.head, text, consumed: 0 };
      view.dispatch({ effects: setGhost.of(ghost) });
    },
    /** Shows a whole text as a suggestion of its own. */
    offerGhost(text) {
      offers -= 1;
      this.setGhost(offers, text);
    },
    clearGhost,
    setTheme(isDark) {
      dark = isDark;
      view.dispatch({ effects: appearance.reconfigure(theme(dark)) });
    },
    focus: () => view.focus(),
    hasFocus: () => view.hasFocus,
  };
}

globalThis.llavacode = { createEditor };
