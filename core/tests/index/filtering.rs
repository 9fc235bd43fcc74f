use llavacode_core::Error;
use llavacode_core::index::filter::{MAX_FILE_BYTES, accept, accept_size, is_ignored};

/// The sentence a refused file is shown with.
fn refusal(path: &str, bytes: &[u8]) -> String {
    match accept(path, bytes) {
        Err(error @ Error::SkippedFile { .. }) => error.to_string(),
        other => panic!("{path} should have been left out: {other:?}"),
    }
}

#[track_caller]
fn assert_says(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "{sentence:?} does not say {word:?}");
    }
}

#[test]
fn source_text_of_any_language_is_taken_as_it_is() {
    for text in ["x = 1\n", "fn main() {}\r\n", "# größe = '数🦀'", "\tpass"] {
        assert_eq!(accept("src/a.py", text.as_bytes()), Ok(text.to_owned()));
    }
}

#[test]
fn a_byte_order_mark_is_taken_off() {
    assert_eq!(accept("a.py", b"\xef\xbb\xbfimport os"), Ok("import os".to_owned()));
}

#[test]
fn binary_files_are_refused() {
    assert_says(&refusal("logo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), &["logo.png", "binary"]);
    assert_says(&refusal("a.py", b"import os\n\0"), &["binary", "NUL"]);
}

#[test]
fn other_encodings_are_refused_with_a_way_out() {
    assert_says(&refusal("latin.py", b"name = 'Gr\xf6\xdfe'"), &["not UTF-8", "byte 10", "save it as UTF-8"]);
    assert_says(&refusal("wide.py", b"\xff\xfea\0b\0"), &["UTF-16", "save it as UTF-8"]);
    assert_says(&refusal("wider.py", b"\xff\xfe\0\0a\0\0\0"), &["UTF-32"]);
    assert_says(&refusal("cut.py", "é".as_bytes().split_at(1).0), &["not UTF-8"]);
}

#[test]
fn empty_files_are_refused() {
    assert_says(&refusal("__init__.py", b""), &["__init__.py", "empty"]);
    assert_says(&refusal("blank.py", b" \n\t\r\n"), &["white space"]);
}

#[test]
fn large_files_are_refused_with_their_size_before_they_are_read() {
    let line = "x = 1\n";
    let at_most = line.repeat(MAX_FILE_BYTES / line.len());
    assert!(accept("data.py", at_most.as_bytes()).is_ok());
    assert_says(&refusal("data.py", line.repeat(350_000).as_bytes()), &["2.0 MiB", "up to 1.0 MiB"]);

    let refused = accept_size("dump.sql", 50 << 20).expect_err("50 MiB are too many").to_string();
    assert_says(&refused, &["dump.sql", "50.0 MiB"]);
    assert!(accept_size("a.py", MAX_FILE_BYTES as u64).is_ok());
    assert!(accept_size("a.py", MAX_FILE_BYTES as u64 + 1).is_err());
}

#[test]
fn minified_files_are_refused() {
    let one_line = format!("var a={};\n", "f(1),".repeat(3000));
    assert_says(&refusal("app.js", one_line.as_bytes()), &["minified", "KiB"]);
    let long_lines = format!("{}\n", "f(1),".repeat(200)).repeat(20);
    assert_says(&refusal("bundle.js", long_lines.as_bytes()), &["minified"]);
}

#[test]
fn a_few_long_lines_are_no_reason() {
    let table = format!("VALUES = [{}]\n", "1, ".repeat(1500));
    let file = format!("{table}{}", "def f(x):\n    return x\n".repeat(100));
    assert!(accept("table.py", file.as_bytes()).is_ok());
}

#[test]
fn directories_that_nobody_edits_are_ignored() {
    for path in [
        ".git/config",
        "web/node_modules/left-pad/index.js",
        "pkg/__pycache__/a.cpython-312.pyc",
        "target/debug/build.rs",
        ".venv/lib/python3.12/site-packages/x.py",
        "dist/app.js",
        "llava.egg-info/PKG-INFO",
        "node_modules/",
        "build\\lib\\a.py",
    ] {
        assert!(is_ignored(path), "{path}");
        assert!(accept(path, b"x = 1").is_err(), "{path}");
    }
}

#[test]
fn files_are_not_ignored_for_their_own_names() {
    for path in ["src/build.py", "target", "dist", "a/env.py", "distance/build_tools/x.py", "main.py", ""] {
        assert!(!is_ignored(path), "{path}");
    }
    assert_says(&refusal("a/vendor/x.py", b"x"), &["vendor"]);
}
