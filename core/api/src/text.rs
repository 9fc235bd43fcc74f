//! How text is cut into lines, and when a completion is right.

/// The lines of a text without what ends them: `\n`, `\r\n` or a lone `\r`, as editors count.
/// What follows the last line ending is a line only if it is not empty.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(end) = rest.find(['\n', '\r']) else {
            return Some(std::mem::take(&mut rest));
        };
        let line = &rest[..end];
        let ending = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + ending..];
        Some(line)
    })
}

/// Whether prediction and target are the same text but for white space around them.
pub fn exact_match(prediction: &str, target: &str) -> bool {
    prediction.trim() == target.trim()
}
