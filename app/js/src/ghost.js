// Ghost text: a suggestion shown after the cursor, which is not part of the document.

import { Annotation, Prec, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, keymap } from "@codemirror/view";
import { afterTyping, firstLine, firstWord, visible } from "./ghost_text.js";

/**
 * Sets the suggestion (`{ id, pos, text, consumed }`) or clears it (`null`). `text` is all of the
 * suggestion so far, of which the user has typed or accepted the first `consumed` characters.
 */
export const setGhost = StateEffect.define();

/** Marks a transaction by which the user took a suggestion; its value says whether all of it. */
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
    annotations: accepted.of({ whole: true }),
    scrollIntoView: true,
    userEvent: "input.complete",
  });
  return true;
}

/** Takes the part of what is shown that `first` gives; the rest stays. */
const acceptPart = (first) => (view) => {
  const suggestion = shown(view.state);
  if (suggestion === null) return false;
  const part = first(suggestion.text);
  if (part === suggestion.text) return acceptAll(view);
  const { pos } = suggestion.ghost;
  view.dispatch({
    changes: { from: pos, insert: part },
    selection: { anchor: pos + part.length },
    annotations: accepted.of({ whole: false }),
    scrollIntoView: true,
    userEvent: "input.complete",
  });
  return true;
};

/**
 * What a change of the view says of the suggestion that was shown: `"accepted"` if some of it was taken
 * by a key, `"rejected"` if something else was typed over it, `null` if nothing.
 */
export function answer(update) {
  if (update.transactions.some((transaction) => transaction.annotation(accepted) !== undefined)) return "accepted";
  const typed = update.transactions.some((transaction) => transaction.isUserEvent("input"));
  const gone = shown(update.startState) !== null && update.state.field(ghostField) === null;
  return typed && gone ? "rejected" : null;
}

/**
 * The field and its keys.
 *
 * @param {object} callbacks
 * @param {(shown: boolean) => void} callbacks.onDismiss Escape was pressed, also when no text has
 *   arrived yet; `shown` says that there was some
 * @param {(step: 1 | -1) => boolean} callbacks.onCycle another suggestion was asked for; says whether
 *   there is one
 */
export function ghostText({ onDismiss, onCycle }) {
  const dismiss = (view) => {
    const had = shown(view.state) !== null;
    if (view.state.field(ghostField) !== null) view.dispatch({ effects: setGhost.of(null) });
    onDismiss(had);
    return had;
  };
  // With a suggestion shown the key is about it, also where no other lane says anything else.
  const cycle = (step) => (view) => onCycle(step) || shown(view.state) !== null;
  return [
    ghostField,
    Prec.highest(
      keymap.of([
        { key: "Tab", run: acceptAll },
        { key: "Mod-ArrowRight", run: acceptPart(firstWord) },
        { key: "Mod-ArrowDown", run: acceptPart(firstLine) },
        { key: "Alt-]", run: cycle(1) },
        { key: "Alt-[", run: cycle(-1) },
        { key: "Escape", run: dismiss },
      ]),
    ),
  ];
}
