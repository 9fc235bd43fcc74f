//! Where a completion ends, told from its text.

use llavacode_api::completion::StopReason;

use crate::config::PromptStyle;

/// Watches the text grow. [`StopRule::cut`] says where it has to end, once it has to.
#[derive(Debug, Clone)]
pub(super) struct StopRule {
    multi_line: bool,
    /// Indentation of the line the cursor is in.
    indent: usize,
    /// First line with something on it after the cursor's line, without its indentation.
    next_line: Option<String>,
    /// The rest of the cursor's line, blanks around it apart, where the reader does not know of it.
    rest: String,
}

impl StopRule {
    /// The rule for a cursor between `prefix` and `suffix`.
    ///
    /// One line ends at its end. Several lines end where the block does: before a line that is
    /// indented less than the cursor's, or before a line that repeats the one after the cursor.
    ///
    /// A causal reader does not see the rest of the cursor's line and may write it too: a completion
    /// of one line ends before it then ([`StopRule::before_rest`]).
    pub(super) fn new(prefix: &str, suffix: &str, multi_line: bool, style: PromptStyle) -> Self {
        let line = prefix.rsplit('\n').next().unwrap_or_default();
        let rest = match style {
            PromptStyle::Causal if !multi_line => {
                suffix.split(['\n', '\r']).next().unwrap_or_default().trim()
            }
            _ => "",
        };
        let next_line = suffix.split('\n').skip(1).map(str::trim).find(|line| !line.is_empty());
        Self {
            multi_line,
            indent: indentation(line),
            next_line: next_line.map(String::from),
            rest: rest.into(),
        }
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

impl StopRule {
    /// How much of `text` may be told while it grows: what may become the rest of the line is kept
    /// back.
    pub(super) fn certain(&self, text: &str) -> usize {
        let starts = text.char_indices().map(|(start, _)| start);
        let kept_back = starts.rev().take_while(|start| text.len() - start <= self.rest.len());
        let open = kept_back.filter(|&start| self.rest.starts_with(&text[start..])).last();
        text[..open.unwrap_or(text.len())].trim_end().len()
    }

    /// The length of the finished `text` without the rest of the cursor's line, if it repeats it. A
    /// bracket or quote that closes one of the text's own is no repetition.
    pub(super) fn before_rest(&self, text: &str) -> usize {
        let Some(before) = text.trim_end().strip_suffix(&self.rest).filter(|_| !self.rest.is_empty()) else {
            return text.len();
        };
        let own = self.rest.chars().next().is_some_and(|first| is_open(before, first));
        if own { text.len() } else { before.len() }
    }
}

/// Whether `closer` closes something that `text` opened.
fn is_open(text: &str, closer: char) -> bool {
    let count = |wanted: char| text.chars().filter(|&c| c == wanted).count();
    match closer {
        ')' => count('(') > count(')'),
        ']' => count('[') > count(']'),
        '}' => count('{') > count('}'),
        '"' | '\'' => count(closer) % 2 == 1,
        _ => false,
    }
}

/// Leading white space, a tab counting as four columns.
fn indentation(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::{
        PromptStyle::{Causal, Fim},
        *,
    };

    #[test]
    fn the_rest_of_the_line_is_not_written_twice() {
        let rule = StopRule::new("f(", ")\nx = 1\n", false, Causal);
        let kept = |text: &'static str| &text[..rule.before_rest(text)];
        assert_eq!(kept("a, b)"), "a, b");
        assert_eq!(kept("g(a)"), "g(a)", "a bracket of its own");
        assert_eq!(kept("g(a))"), "g(a)");
        assert_eq!(kept("a, b"), "a, b");
        assert_eq!(rule.certain("a, b)"), 4, "it may be the one that stands there");
        assert_eq!(rule.certain("a, b"), 4);
        let rule = StopRule::new("def f(a", ") -> int:\n", false, Causal);
        assert_eq!(rule.before_rest(", b) -> int:"), 3);
        assert_eq!(rule.certain(", b) -> "), 3);
        assert_eq!(rule.certain(", b, c"), 6);
        let rule = StopRule::new("f(", ")\n", false, Fim);
        assert_eq!(rule.before_rest("a)"), 2, "a reader that saw it means it");
        assert_eq!(rule.certain("a)"), 2);
    }

    #[test]
    fn a_line_ends_at_its_end() {
        let rule = StopRule::new("x = ", "\ny = 2", false, Fim);
        assert_eq!(rule.cut("f(1)"), None);
        assert_eq!(rule.cut("f(1)\ny"), Some((4, StopReason::EndOfLine)));
        assert_eq!(rule.cut("f(1)\r\ny"), Some((4, StopReason::EndOfLine)));
        assert_eq!(rule.cut("\n"), Some((0, StopReason::EndOfLine)));
    }

    #[test]
    fn a_block_ends_where_the_indentation_falls() {
        let rule = StopRule::new("def f():\n    if a:\n        x = ", "", true, Fim);
        assert_eq!(rule.cut("1\n        y = 2\n"), None);
        assert_eq!(rule.cut("1\n        y = 2\n    return"), None, "the last line is still growing");
        let text = "1\n        y = 2\n\n    return x\n";
        let (end, why) = rule.cut(text).expect("the block ended");
        assert_eq!((&text[..end], why), ("1\n        y = 2", StopReason::EndOfBlock));
    }

    #[test]
    fn a_block_ends_before_the_text_that_follows() {
        let rule = StopRule::new("a = ", "\n\nprint(a)\n", true, Fim);
        let text = "1\nb = 2\nprint(a)\n";
        let (end, why) = rule.cut(text).expect("the next line was reached");
        assert_eq!((&text[..end], why), ("1\nb = 2", StopReason::EndOfBlock));
    }

    #[test]
    fn text_of_several_bytes_a_character_is_cut_between_characters() {
        let rule = StopRule::new("s = ", "", false, Fim);
        assert_eq!(rule.cut("'é😀'\nx"), Some(("'é😀'".len(), StopReason::EndOfLine)));
    }
}
