//! How places in files are named.

use llavacode_api::completion::ChunkPlace;

/// `path:first–last`, lines counted from 1 and both included, as editors count them.
pub fn place_label(place: &ChunkPlace) -> String {
    format!("{}:{}", place.path, lines_label(place))
}

/// `first–last`.
pub fn lines_label(place: &ChunkPlace) -> String {
    format!("{}–{}", place.start_line + 1, place.end_line.max(place.start_line + 1))
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
        let place = ChunkPlace { path: "shop/cart.py".into(), start_line: 10, end_line: 20 };
        assert_eq!(place_label(&place), "shop/cart.py:11–20");
        assert_eq!(file_name(&place.path), "cart.py");
    }
}
