import assert from "node:assert/strict";
import test from "node:test";
import { afterTyping, firstLine, firstWord, overlap, visible } from "./ghost_text.js";

test("what already stands after the cursor is not suggested again", () => {
  assert.equal(visible("name, size)", ")"), "name, size");
  assert.equal(visible("x)]", ")]"), "x");
  assert.equal(visible("value", ")"), "value");
  assert.equal(overlap("abab", "abc"), 2);
});

test("only the suggestion's last line can overlap", () => {
  assert.equal(visible("f()\n    g(", ")"), "f()\n    g(");
  assert.equal(visible("f(\n    1)", ")"), "f(\n    1");
});

test("blanks after the cursor are no overlap", () => {
  assert.equal(visible("return ", " "), "return ");
});

test("a word is taken with the blanks before it", () => {
  assert.equal(firstWord("self.items"), "self");
  assert.equal(firstWord(".items"), ".");
  assert.equal(firstWord("  größe = 1"), "  größe");
  assert.equal(firstWord("\n    return x"), "\n    return");
  assert.equal(firstWord("   "), "   ");
});

test("a line is taken with the line ends before it", () => {
  assert.equal(firstLine("return x\n    y"), "return x");
  assert.equal(firstLine("\n\n    y\nz"), "\n\n    y");
  assert.equal(firstLine("x"), "x");
});

test("typing what the suggestion says keeps the rest", () => {
  assert.equal(afterTyping("return x", "re"), "turn x");
  assert.equal(afterTyping("x", "x"), "");
  assert.equal(afterTyping("return x", "ru"), null);
  assert.equal(afterTyping("x", ""), null);
});
