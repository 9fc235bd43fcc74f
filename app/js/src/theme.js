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
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)", zIndex: "5" },
  ".cm-panels-top": { borderBottom: "1px solid var(--border)" },
  ".cm-panels-bottom": { borderTop: "1px solid var(--border)" },
  // A row for finding, and one for replacing, which the panel divides by a <br>.
  ".cm-panel.cm-search, .cm-dialog": {
    padding: "6px 32px 6px 12px",
    fontFamily: "var(--sans)",
    fontSize: "12px",
    lineHeight: "2.4",
  },
  ".cm-panel.cm-search input, .cm-panel.cm-search button, .cm-panel.cm-search label": { margin: "0 6px 0 0" },
  ".cm-panel.cm-search label": {
    display: "inline-flex",
    alignItems: "center",
    gap: "5px",
    fontSize: "12px",
    verticalAlign: "middle",
    whiteSpace: "nowrap",
  },
  ".cm-panel.cm-search input[type=checkbox]": { margin: "0", accentColor: "var(--accent)" },
  ".cm-panel.cm-search [name=close]": {
    top: "6px",
    right: "6px",
    width: "24px",
    height: "24px",
    margin: "0",
    padding: "0",
    borderRadius: "5px",
    color: "var(--text-muted)",
    fontSize: "16px",
    lineHeight: "1",
  },
  ".cm-textfield, .cm-panel.cm-search .cm-textfield": {
    width: "clamp(140px, 32%, 240px)",
    height: "24px",
    padding: "0 8px",
    border: "1px solid var(--control-border)",
    borderRadius: "5px",
    backgroundColor: "var(--surface)",
    color: "var(--text)",
    font: "12px var(--mono)",
    verticalAlign: "middle",
  },
  ".cm-button": {
    height: "24px",
    padding: "0 8px",
    border: "1px solid var(--control-border)",
    borderRadius: "5px",
    backgroundColor: "var(--raised)",
    backgroundImage: "none",
    color: "var(--text)",
    fontSize: "12px",
    lineHeight: "1",
    verticalAlign: "middle",
  },
  ".cm-button:hover": { backgroundColor: "var(--hover)" },
  ".cm-button:active": { backgroundImage: "none" },
  ".cm-searchMatch": { backgroundColor: "var(--selection)" },
  ".cm-searchMatch-selected": { outline: "1px solid var(--accent)" },
};

/** The theme; `dark` tells CodeMirror's own parts which side they stand on. */
export const theme = (dark) => EditorView.theme(surface, { dark });

/** Syntax colours. */
export const highlighting = syntaxHighlighting(colours);
