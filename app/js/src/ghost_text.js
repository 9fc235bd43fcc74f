// What ghost text does to strings. No editor in here, so that it can be tested by itself.

/**
 * How much of the suggestion's end already stands after the cursor on its line.
 *
 * A completion to the end of a line often repeats what closes it: with `foo(|)` and the suggestion
 * `bar)`, the `)` is there already. Only the suggestion's last line can meet the text after the
 * cursor.
 *
 * @param {string} suggestion what would be inserted
 * @param {string} after the rest of the cursor's line
 * @returns {number} characters at the end of `suggestion` with which `after` begins
 */
export function overlap(suggestion, after) {
  const last = suggestion.slice(suggestion.lastIndexOf("\n") + 1);
  for (let n = Math.min(last.length, after.length); n > 0; n--) {
    if (last.endsWith(after.slice(0, n))) return n;
  }
  return 0;
}

/**
 * The part of a suggestion that is shown and inserted: without what already stands there.
 *
 * Blank text after the cursor is no reason to cut: only an overlap that holds more than spaces counts.
 */
export function visible(suggestion, after) {
  const n = overlap(suggestion, after);
  return n > 0 && after.slice(0, n).trim() !== "" ? suggestion.slice(0, suggestion.length - n) : suggestion;
}

/** The suggestion's first word, with the blanks before it; a run of punctuation counts as a word. */
export function firstWord(suggestion) {
  const match = /^\s*(?:[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]+)/u.exec(suggestion);
  return match ? match[0] : suggestion;
}

/** The suggestion's first line, with the line ends before it. */
export function firstLine(suggestion) {
  return /^\n*[^\n]*/.exec(suggestion)[0];
}

/**
 * What is left of a suggestion after `typed` was inserted where it begins; `null` if the user
 * typed something else.
 */
export function afterTyping(suggestion, typed) {
  return typed !== "" && suggestion.startsWith(typed) ? suggestion.slice(typed.length) : null;
}
