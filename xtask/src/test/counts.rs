//! How many tests passed, from what the runners report.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result};
use junit_parser::{TestStatus, TestSuites};

/// Tests that ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Counts {
    /// Adds up.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Reads nextest's report, which is JUnit's XML.
    ///
    /// # Errors
    /// If there is none, or it is no such report.
    pub(crate) fn from_report(file: &Path) -> Result<Self> {
        let unread = || format!("the tests' report {} could not be read", file.display());
        let text = BufReader::new(File::open(file).with_context(unread)?);
        Ok(Self::of(&junit_parser::from_reader(text).with_context(unread)?))
    }

    fn of(report: &TestSuites) -> Self {
        let mut counts = Self::default();
        for case in report.suites.iter().flat_map(|suite| &suite.cases) {
            match case.status {
                TestStatus::Success => counts.passed += 1,
                // What timed out or could not be run is one or the other.
                TestStatus::Failure(_) | TestStatus::Error(_) => counts.failed += 1,
                TestStatus::Skipped(_) => {}
            }
        }
        counts
    }

    /// Reads a line of a runner that writes no report; `None` for a line that sums up nothing.
    ///
    /// Known are Rust's own harness and wasm-bindgen's (`test result: ok. 3 passed; 0 failed`), and
    /// Node's (`# pass 3`).
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let line = without_colour(line);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            let (name, count) = rest.split_once(' ')?;
            let count = count.parse().ok()?;
            return match name {
                "pass" => Some(Self { passed: count, failed: 0 }),
                "fail" => Some(Self { passed: 0, failed: count }),
                _ => None,
            };
        }
        let words: Vec<&str> = line.strip_prefix("test result:")?.split([' ', ';']).collect();
        let before = |what| {
            let counted = words.windows(2).find(|pair| pair[1] == what);
            counted.and_then(|pair| pair[0].parse().ok()).unwrap_or_default()
        };
        Some(Self { passed: before("passed"), failed: before("failed") })
    }
}

/// Drops the escape sequences that colour text.
fn without_colour(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn counts(line: &str) -> Option<(usize, usize)> {
        Counts::from_line(line).map(|counts| (counts.passed, counts.failed))
    }

    #[test]
    fn nextest_reports_each_test() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("junit.xml");
        assert!(Counts::from_report(&report).is_err());
        fs::write(&report, include_str!("nextest.xml")).unwrap();
        assert_eq!(Counts::from_report(&report).unwrap(), Counts { passed: 2, failed: 3 });
    }

    #[test]
    fn the_standard_harness_sums_up_in_one_line() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(counts(line), Some((5, 2)));
        let coloured = "test result: \u{1b}[32mok\u{1b}[0m. 3 passed; 0 failed; 0 ignored";
        assert_eq!(counts(coloured), Some((3, 0)));
    }

    #[test]
    fn node_sums_up_in_several_lines() {
        assert_eq!(counts("# pass 3"), Some((3, 0)));
        assert_eq!(counts("ℹ fail 1"), Some((0, 1)));
        assert_eq!(counts("# tests 4"), None);
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(counts("test a::b ... ok"), None);
        assert_eq!(counts("PASS [ 0.1s] 3 passed"), None);
    }
}
