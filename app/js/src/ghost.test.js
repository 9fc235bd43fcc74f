import assert from "node:assert/strict";
import test from "node:test";
import { EditorState } from "@codemirror/state";
import { accepted, answer, ghostText, setGhost, shown } from "./ghost.js";

/** A document with the cursor where `|` stands, and a suggestion there. */
function suggesting(marked, text) {
  const pos = marked.indexOf("|");
  const state = EditorState.create({
    doc: marked.replace("|", ""),
    selection: { anchor: pos },
    extensions: ghostText({ onDismiss() {}, onCycle: () => false }),
  });
  return state.update({ effects: setGhost.of({ id: 1, pos, text, consumed: 0 }) }).state;
}

/** Inserts at the cursor and puts the cursor `head` characters into what was inserted. */
function type(state, insert, head = insert.length) {
  const from = state.selection.main.head;
  return state.update({ changes: { from, insert }, selection: { anchor: from + head } }).state;
}

test("typing what it says keeps the rest", () => {
  const state = type(type(suggesting("x = |\n", "total()"), "t"), "ot");
  assert.equal(shown(state).text, "al()");
  assert.equal(shown(state).ghost.pos, 7);
});

test("typing something else clears it", () => {
  assert.equal(shown(type(suggesting("x = |", "total()"), "y")), null);
});

test("a bracket that the editor closes does not count as typed", () => {
  const state = type(suggesting("|", "(a)"), "()", 1);
  assert.equal(shown(state).text, "a");
});

test("an edit elsewhere clears it, and so does the cursor's leaving", () => {
  const state = suggesting("x = |\ny", "1");
  assert.equal(shown(state.update({ changes: { from: 0, insert: "#" } }).state), null);
  assert.equal(shown(state.update({ selection: { anchor: 0 } }).state), null);
  assert.notEqual(shown(state.update({ selection: { anchor: 4 } }).state), null);
});

test("a suggestion that is typed to its end shows nothing until more of it comes", () => {
  const state = type(suggesting("|", "ab"), "ab");
  assert.equal(shown(state), null);
  const more = state.update({ effects: setGhost.of({ id: 1, pos: 2, text: "abc", consumed: 2 }) }).state;
  assert.equal(shown(more).text, "c");
});

/** What is said of a suggestion by a change. */
function said(state, change) {
  const transaction = state.update(change);
  return answer({ startState: state, state: transaction.state, transactions: [transaction] });
}

test("typing something else turns a suggestion down, and what it says does not", () => {
  const state = suggesting("x = |", "total()");
  const typed = (insert) => ({ changes: { from: 4, insert }, selection: { anchor: 5 }, userEvent: "input.type" });
  assert.equal(said(state, typed("y")), "rejected");
  assert.equal(said(state, typed("t")), null);
});

test("taking some of it accepts it; leaving and deleting say nothing", () => {
  const state = suggesting("x = |", "total()");
  const taken = { changes: { from: 4, insert: "total" }, annotations: accepted.of({ whole: false }) };
  assert.equal(said(state, taken), "accepted");
  assert.equal(said(state, { selection: { anchor: 0 } }), null);
  assert.equal(said(state, { changes: { from: 3, to: 4 }, userEvent: "delete.backward" }), null);
  const without = EditorState.create({ doc: "x", extensions: ghostText({ onDismiss() {}, onCycle: () => false }) });
  assert.equal(said(without, { changes: { from: 1, insert: "y" }, userEvent: "input.type" }), null);
});
