// Ghost text: a suggestion shown after the cursor, which is not part of the document.

import { Annotation, Prec, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, keymap } from "@codemirror/view";
import { afterTyping, firstWord, visible } from "./ghost_text.js";

/**
 * Sets the suggestion (`{ id, pos, text, consumed }`) or clears it (`null`). `text` is all of the
 * suggestion so far, of which the user has typed or accepted the first `consumed` characters.
 */
export const setGhost = StateEffect.define();

/** Marks a transaction by which the user took the whole suggestion; its value is the ghost's id. */
export const accepted = Annotation.define();

class GhostWidget extends WidgetType {
  constructor(text) {
    super();
    this.text = text;
  }
  eq(other) {
    return other.text === this.text;
  }
  get lineBreaks() {
    return this.text.split("\n").length - 1;
  }
  toDOM() {
    const span = document.createElement("span");
    span.className = "cm-ghost";
    span.dataset.testid = "ghost";
    span.setAttribute("aria-hidden", "true"); // the page announces it in a live region
    span.textContent = this.text;
    return span;
  }
  // Streaming replaces the text in place: no flicker, no layout jump.
  updateDOM(dom) {
    dom.textContent = this.text;
    return true;
  }
  ignoreEvent() {
    return true;
  }
}

const afterCursor = (doc, pos) => doc.sliceString(pos, doc.lineAt(pos).to);

/** What is still to be inserted. */
const rest = (state, ghost) => visible(ghost.text.slice(ghost.consumed), afterCursor(state.doc, ghost.pos));

/** The ghost after a change of the document: kept if the user typed what it says, else gone. */
function follow(ghost, transaction) {
  let insertions = 0;
  let elsewhere = false;
  transaction.changes.iterChanges((from, to) => {
    insertions += 1;
    elsewhere ||= from !== ghost.pos || to !== ghost.pos;
  });
  const head = transaction.newSelection.main.head;
  if (insertions !== 1 || elsewhere || head <= ghost.pos) return null;
  // Up to the cursor only: what stands behind it is a bracket that the editor closed by itself.
  const typed = transaction.newDoc.sliceString(ghost.pos, head);
  if (afterTyping(ghost.text.slice(ghost.consumed), typed) === null) return null;
  return { ...ghost, pos: head, consumed: ghost.consumed + typed.length };
}

/** The suggestion, or `null`. */
export const ghostField = StateField.define({
  create: () => null,
  update(ghost, transaction) {
    for (const effect of transaction.effects) if (effect.is(setGhost)) return effect.value;
    if (ghost === null) return null;
    if (transaction.docChanged) return follow(ghost, transaction);
    const { main } = transaction.newSelection;
    return main.empty && main.head === ghost.pos ? ghost : null;
  },
  provide: (field) =>
    EditorView.decorations.compute([field, "doc"], (state) => {
      const ghost = state.field(field);
      const text = ghost === null ? "" : rest(state, ghost);
      if (text === "") return Decoration.none;
      return Decoration.set(Decoration.widget({ widget: new GhostWidget(text), side: 1 }).range(ghost.pos));
    }),
});

/** The ghost and the text it shows, or `null`. */
export function shown(state) {
  const ghost = state.field(ghostField);
  const text = ghost === null ? "" : rest(state, ghost);
  return text === "" ? null : { ghost, text };
}

function acceptAll(view) {
  const suggestion = shown(view.state);
  if (suggestion === null) return false;
  const { ghost, text } = suggestion;
  // Past what the suggestion repeats, as if it had been typed over.
  const repeated = ghost.text.length - ghost.consumed - text.length;
  view.dispatch({
    changes: { from: ghost.pos, insert: text },
    selection: { anchor: ghost.pos + text.length + repeated },
    effects: setGhost.of(null),
    annotations: accepted.of(ghost.id),
    scrollIntoView: true,
    userEvent: "input.complete",
  });
  return true;
}

function acceptWord(view) {
  const suggestion = shown(view.state);
  if (suggestion === null) return false;
  const word = firstWord(suggestion.text);
  if (word === suggestion.text) return acceptAll(view);
  const { pos } = suggestion.ghost;
  view.dispatch({
    changes: { from: pos, insert: word },
    selection: { anchor: pos + word.length },
    scrollIntoView: true,
    userEvent: "input.complete",
  });
  return true;
}

/** The field and its keys. `onDismiss` is called on Escape, also when no text has arrived yet. */
export function ghostText({ onDismiss }) {
  const dismiss = (view) => {
    const had = shown(view.state) !== null;
    if (view.state.field(ghostField) !== null) view.dispatch({ effects: setGhost.of(null) });
    onDismiss();
    return had;
  };
  return [
    ghostField,
    Prec.highest(
      keymap.of([
        { key: "Tab", run: acceptAll },
        { key: "Mod-ArrowRight", run: acceptWord },
        { key: "Escape", run: dismiss },
      ]),
    ),
  ];
}
