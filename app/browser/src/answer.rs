//! Answers that are not the file that was asked for. Many servers answer every path they do not know with
//! the page that they serve, as if it were there: status 200, and HTML.

/// Whether an answer's media type is that of a web page, which no file of a bundle or model has.
pub fn is_page(media_type: Option<&str>) -> bool {
    let essence = media_type.and_then(|media_type| media_type.split(';').next()).unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| essence.eq_ignore_ascii_case(page))
}

/// Why an answer is not the file at `url`: the part of a sentence that says so; `None` where it may be.
pub fn refusal(url: &str, status: u16, status_text: &str, media_type: Option<&str>) -> Option<String> {
    let answered = match status {
        200..=299 if is_page(media_type) => "the server answered with a web page".to_owned(),
        200..=299 => return None,
        404 | 410 => format!("the server answered {status}"),
        status => return Some(format!("{url} answered {status} {status_text}").trim_end().to_owned()),
    };
    let path = url.split(['?', '#']).next().unwrap_or_default();
    Some(match path.strip_suffix("bundle.json") {
        Some(folder) => format!("there is no bundle at {folder} ({answered})"),
        None => format!("there is no file at {url} ({answered})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_from_a_file() {
        for page in
            ["text/html", "text/html; charset=utf-8", "TEXT/HTML;charset=utf-8", "application/xhtml+xml"]
        {
            assert!(is_page(Some(page)), "{page}");
        }
        for file in ["application/json", "application/octet-stream", "text/plain", "binary/octet-stream", ""]
        {
            assert!(!is_page(Some(file)), "{file}");
        }
        assert!(!is_page(None));
    }

    #[test]
    fn what_is_missing_is_named_as_a_user_knows_it() {
        let at = |path: &str, status, media_type| {
            refusal(&format!("https://example.org/{path}"), status, "Text", Some(media_type))
        };
        assert_eq!(at("b/bundle.json", 200, "application/json"), None);
        assert_eq!(at("b/reader/model.gguf", 206, "application/octet-stream"), None);
        let of = |path, status, media_type| at(path, status, media_type).expect("a refusal");
        assert_eq!(
            of("b/bundle.json", 200, "text/html"),
            "there is no bundle at https://example.org/b/ (the server answered with a web page)"
        );
        assert_eq!(
            of("b/bundle.json", 404, "text/html"),
            "there is no bundle at https://example.org/b/ (the server answered 404)"
        );
        assert_eq!(
            of("b/reader/model.gguf", 200, "text/html; charset=utf-8"),
            "there is no file at https://example.org/b/reader/model.gguf (the server answered with a web page)"
        );
        assert_eq!(
            of("b/bundle.json", 500, "text/html"),
            "https://example.org/b/bundle.json answered 500 Text"
        );
    }
}
