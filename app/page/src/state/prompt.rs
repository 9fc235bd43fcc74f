//! How places in files are named.

use llavacode_api::completion::ChunkSpan;

/// `path:first–last`, lines counted from 1 and both included, as editors count them.
pub fn span_label(span: &ChunkSpan) -> String {
    format!("{}:{}", span.path, lines_label(span))
}

/// `first–last`.
pub fn lines_label(span: &ChunkSpan) -> String {
    format!("{}–{}", span.start_line + 1, span.end_line.max(span.start_line + 1))
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_editors_count() {
        let span = ChunkSpan { path: "shop/cart.py".into(), start_line: 10, end_line: 20 };
        assert_eq!(span_label(&span), "shop/cart.py:11–20");
        assert_eq!(file_name(&span.path), "cart.py");
    }
}
