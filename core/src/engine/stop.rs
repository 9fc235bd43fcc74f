//! Where a completion ends, told from its text.

use super::StopReason;

/// Watches the text grow. [`StopRule::cut`] says where it has to end, once it has to.
#[derive(Debug, Clone)]
pub(super) struct StopRule {
    multi_line: bool,
    /// Indentation of the line the cursor is in.
    indent: usize,
    /// First line with something on it after the cursor's line, without its indentation.
    next_line: Option<String>,
}

impl StopRule {
    /// The rule for a cursor between `prefix` and `suffix`.
    ///
    /// One line ends at its end. Several lines end where the block does: before a line that is
    /// indented less than the cursor's, or before a line that repeats the one after the cursor.
    pub(super) fn new(prefix: &str, suffix: &str, multi_line: bool) -> Self {
        let line = prefix.rsplit('\n').next().unwrap_or_default();
        let next_line = suffix.split('\n').skip(1).map(str::trim).find(|line| !line.is_empty());
        Self { multi_line, indent: indentation(line), next_line: next_line.map(String::from) }
    }

    /// The length in bytes at which `text` has to end, and why; `None` while it may go on.
    pub(super) fn cut(&self, text: &str) -> Option<(usize, StopReason)> {
        if !self.multi_line {
            let end = text.find(['\n', '\r'])?;
            return Some((end, StopReason::EndOfLine));
        }
        // Only whole lines are judged: a line still growing may be indented further.
        let mut start = text.find('\n')? + 1;
        while let Some(length) = text[start..].find('\n') {
            let line = text[start..start + length].trim_end();
            let repeats = self.next_line.as_deref().is_some_and(|next| next == line.trim_start());
            if !line.is_empty() && (indentation(line) < self.indent || repeats) {
                return Some((text[..start].trim_end().len(), StopReason::EndOfBlock));
            }
            start += length + 1;
        }
        None
    }
}

/// Leading white space, a tab counting as four columns.
fn indentation(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_its_end() {
        let rule = StopRule::new("x = ", "\ny = 2", false);
        assert_eq!(rule.cut("f(1)"), None);
        assert_eq!(rule.cut("f(1)\ny"), Some((4, StopReason::EndOfLine)));
        assert_eq!(rule.cut("f(1)\r\ny"), Some((4, StopReason::EndOfLine)));
        assert_eq!(rule.cut("\n"), Some((0, StopReason::EndOfLine)));
    }

    #[test]
    fn a_block_ends_where_the_indentation_falls() {
        let rule = StopRule::new("def f():\n    if a:\n        x = ", "", true);
        assert_eq!(rule.cut("1\n        y = 2\n"), None);
        assert_eq!(rule.cut("1\n        y = 2\n    return"), None, "the last line is still growing");
        let text = "1\n        y = 2\n\n    return x\n";
        let (end, why) = rule.cut(text).expect("the block ended");
        assert_eq!((&text[..end], why), ("1\n        y = 2", StopReason::EndOfBlock));
    }

    #[test]
    fn a_block_ends_before_the_text_that_follows() {
        let rule = StopRule::new("a = ", "\n\nprint(a)\n", true);
        let text = "1\nb = 2\nprint(a)\n";
        let (end, why) = rule.cut(text).expect("the next line was reached");
        assert_eq!((&text[..end], why), ("1\nb = 2", StopReason::EndOfBlock));
    }

    #[test]
    fn text_of_several_bytes_a_character_is_cut_between_characters() {
        let rule = StopRule::new("s = ", "", false);
        assert_eq!(rule.cut("'é😀'\nx"), Some(("'é😀'".len(), StopReason::EndOfLine)));
    }
}
