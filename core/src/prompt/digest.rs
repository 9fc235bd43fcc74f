//! What of a chunk a reader may need most in the fewest tokens: signatures, and names that do not stand
//! around the cursor already. Compression without training.

use std::collections::HashSet;

use crate::words::{is_common, is_word, words};

/// Words after which a line says what something is called and takes, in the languages people write most.
const SIGNATURES: &[&str] = &[
    "class",
    "def",
    "enum",
    "fn",
    "func",
    "function",
    "impl",
    "interface",
    "mod",
    "module",
    "struct",
    "trait",
    "type",
];
/// Words that stand before those.
const MODIFIERS: &[&str] =
    &["abstract", "async", "default", "export", "final", "private", "protected", "pub", "public", "static"];
/// The least letters of a name worth a token.
const MIN_NAME: usize = 3;
/// What a line in a documentation string begins or ends with.
const QUOTES: [&str; 2] = ["\"\"\"", "'''"];

/// The signatures of a chunk's text, a line each, and its other names, those of a line on a line. A name
/// that is in `known` is left out; those that are written are put there.
pub(super) fn digest(text: &str, known: &mut HashSet<String>) -> String {
    let mut lines = Vec::new();
    let mut documentation = None;
    for line in text.lines().map(str::trim) {
        if let Some(end) = documentation {
            if line.contains(end) {
                documentation = None;
            }
            continue;
        }
        if let Some(quotes) = QUOTES.into_iter().find(|quotes| line.starts_with(quotes)) {
            documentation = (!line[quotes.len()..].contains(quotes)).then_some(quotes);
            continue;
        }
        let code = without_strings(line);
        if is_signature(&code) {
            let news = names(&code).any(|name| is_news(name, known));
            known.extend(words(&code).map(str::to_owned));
            lines.extend(news.then(|| line.trim_end_matches([' ', ':', '{']).to_owned()));
            continue;
        }
        let mut said = Vec::new();
        for name in names(&code) {
            if is_news(name, known) {
                known.extend(words(name).map(str::to_owned));
                said.push(name);
            }
        }
        lines.extend((!said.is_empty()).then(|| said.join(", ")));
    }
    lines.join("\n")
}

fn is_signature(line: &str) -> bool {
    let first = words(line).find(|word| !MODIFIERS.contains(word));
    first.is_some_and(|word| SIGNATURES.contains(&word))
}

/// Names with what they are taken from: `event.level`.
fn names(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !is_word(c) && c != '.')
        .map(|name| name.trim_matches('.'))
        .filter(|name| !name.is_empty())
}

fn is_news(name: &str, known: &HashSet<String>) -> bool {
    words(name).any(|word| {
        word.len() >= MIN_NAME
            && !word.starts_with(|c: char| c.is_ascii_digit())
            && !is_common(word)
            && !known.contains(word)
    })
}

/// A line without comments and what stands between quotes.
fn without_strings(line: &str) -> String {
    let mut code = String::new();
    let mut inside = None;
    for (at, c) in line.char_indices() {
        match inside {
            Some(quote) if c == quote => inside = None,
            Some(_) => {}
            None if c == '#' || line[at..].starts_with("//") => break,
            None if c == '"' || c == '\'' => {
                inside = Some(c);
                // What stood before and behind stays apart.
                code.push(' ');
            }
            None => code.push(c),
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: &str = r#"
class Sensor(Base):  # one of many
    """A sensor, which has a manufacturer.

    It is read by a poller.
    """

    def read(self, timeout: float = 1.0) -> Reading:
        level = self.port.fetch_level("raw value", timeout)
        if level is None:
            return self.port.level
        return Reading(level, unit=self.unit)
"#;

    #[test]
    fn signatures_and_names_remain() {
        let mut known = HashSet::from(["unit".to_owned()]);
        assert_eq!(
            digest(CHUNK, &mut known),
            "class Sensor(Base):  # one of many\ndef read(self, timeout: float = 1.0) -> Reading\nlevel, \
             self.port.fetch_level"
        );
        assert_eq!(digest(CHUNK, &mut known), "", "all of it is known by now");
    }

    #[test]
    fn other_languages_have_signatures_too() {
        let mut known = HashSet::new();
        let text =
            "pub async fn poll_all(ports: &[Port]) -> usize {\n    // every port\n    ports.len()\n}\n";
        assert_eq!(digest(text, &mut known), "pub async fn poll_all(ports: &[Port]) -> usize");
        let text = "export function total(items) {\n  return items.map('amount').reduce(add_up)\n}";
        assert_eq!(digest(text, &mut known), "export function total(items)\nreduce, add_up");
    }

    #[test]
    fn what_is_no_code_has_none() {
        for text in
            ["", "\n\n", "\"\"\"One line.\"\"\"", "# a comment", "''' never closed\nname", "1.5 + 0x1f"]
        {
            assert_eq!(digest(text, &mut HashSet::new()), "", "{text:?}");
        }
    }
}
