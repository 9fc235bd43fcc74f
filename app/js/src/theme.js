// Colours are the page's own CSS variables (app/style/tokens.css), so that a change of theme is CSS.

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: "var(--syntax-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--syntax-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--syntax-constant)" },
  { tag: [tags.comment, tags.docString], color: "var(--syntax-comment)", fontStyle: "italic" },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.macroName],
    color: "var(--syntax-function)",
  },
  { tag: [tags.className, tags.typeName, tags.namespace], color: "var(--syntax-type)" },
  { tag: [tags.meta, tags.annotation, tags.self], color: "var(--syntax-meta)" },
  { tag: [tags.operator, tags.punctuation, tags.bracket], color: "var(--syntax-punctuation)" },
  { tag: tags.invalid, color: "var(--error)" },
]);

const surface = {
  "&": { height: "100%", backgroundColor: "var(--surface)", color: "var(--text)", fontSize: "13px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--accent)", paddingBlock: "8px" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--text-faint)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { paddingInline: "16px 10px", fontVariantNumeric: "tabular-nums" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--line)" },
  ".cm-activeLineGutter": { color: "var(--text-muted)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--selection)",
  },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
    backgroundColor: "transparent",
    outline: "1px solid var(--text-faint)",
  },
  ".cm-ghost": { color: "var(--ghost)", fontStyle: "italic", whiteSpace: "pre-wrap" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)" },
  ".cm-panels-bottom": { borderTop: "1px solid var(--border)" },
  ".cm-textfield": { backgroundColor: "var(--surface)", border: "1px solid var(--control-border)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--surface)", color: "var(--text)" },
  ".cm-searchMatch": { backgroundColor: "var(--selection)" },
  ".cm-searchMatch-selected": { outline: "1px solid var(--accent)" },
};

/** The theme; `dark` tells CodeMirror's own parts which side they stand on. */
export const theme = (dark) => EditorView.theme(surface, { dark });

/** Syntax colours. */
export const highlighting = syntaxHighlighting(colours);
