//! How many tests passed, from what the runners print.

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

    /// Reads a line of a runner's output; `None` for a line that sums up nothing.
    ///
    /// Known are nextest (`Summary [ 1.2s] 3 tests run: 2 passed, 1 failed`), Rust's own harness
    /// and wasm-bindgen's (`test result: ok. 3 passed; 0 failed`), and Node's (`# pass 3`).
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
        if !line.starts_with("Summary [") && !line.starts_with("test result:") {
            return None;
        }
        let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        let before = |what: &[&str]| {
            let counted = words.windows(2).filter(|pair| what.contains(&pair[1]));
            counted.filter_map(|pair| pair[0].parse::<usize>().ok()).sum()
        };
        // nextest counts "1 timed out" and "1 exec failed" apart.
        Some(Self { passed: before(&["passed"]), failed: before(&["failed", "timed", "exec"]) })
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

    fn counts(line: &str) -> Option<(usize, usize)> {
        Counts::from_line(line).map(|counts| (counts.passed, counts.failed))
    }

    #[test]
    fn nextest_sums_up_in_one_line() {
        let line = "     Summary [   0.512s] 12 tests run: 9 passed (1 slow), 1 failed, 1 timed out, 1 exec failed, 4 skipped";
        assert_eq!(counts(line), Some((9, 3)));
        let coloured = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.004s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        assert_eq!(counts(coloured), Some((2, 0)));
    }

    #[test]
    fn the_standard_harness_sums_up_in_one_line() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(counts(line), Some((5, 2)));
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
