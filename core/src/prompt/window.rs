//! What of the text around the cursor stands in the prompt.

use crate::tokenize::Tokenizer;

/// Text is cut to this many bytes a budgeted token before it is tokenised, so that a large file
/// costs no more than a small one. Code has 3 to 5 bytes a token; text with more, long rows of
/// blanks say, uses less than its budget.
const BYTES_PER_TOKEN: usize = 8;

/// The window before the cursor starts at one of so many places a budget.
const STEPS: usize = 8;

/// The last tokens of what stands before the cursor, at most `budget`.
///
/// The window's start does not follow the cursor token by token: it only moves in steps of about
/// an eighth of the budget, to the next line start. Between two steps the window begins with the
/// same tokens whatever is typed, and their keys and values in the KV cache can be kept. The
/// price is that up to an eighth of the budget, and part of a line, is not used.
pub(super) fn prefix_tokens(tokenizer: &Tokenizer, prefix: &str, budget: usize) -> Vec<u32> {
    if budget == 0 {
        return Vec::new();
    }
    let starts = window_starts(prefix, budget);
    // Tokenised from the first of them, which moves in steps too.
    let origin = starts.iter().copied().min().unwrap_or(0);
    let mut spans = tokenizer.encode_spans(&prefix[origin..]);
    let fits = |start: &usize| {
        // A step may fall into a token: the window then starts at the next one.
        let first = spans.starts.partition_point(|&at| at < start - origin);
        (spans.ids.len() - first <= budget).then_some(first)
    };
    let first = starts.iter().find_map(fits).unwrap_or(spans.ids.len().saturating_sub(budget));
    spans.ids.split_off(first)
}

/// Where the window may start, in the order of preference: line starts first, the earliest
/// first; then, for lines longer than the budget, any place. One of each a step; steps are
/// counted from the file's start, which typing at the cursor does not move.
fn window_starts(prefix: &str, budget: usize) -> Vec<usize> {
    // Three bytes a token: rather too many steps than too few.
    let step = (3 * budget / STEPS).max(1);
    let reach = prefix.len().saturating_sub(budget * BYTES_PER_TOKEN).next_multiple_of(step);
    let steps = (reach..prefix.len()).step_by(step);

    let mut line_starts: Vec<usize> = steps.clone().filter_map(|at| next_line_start(prefix, at)).collect();
    line_starts.dedup();
    let anywhere = steps.map(|at| prefix.ceil_char_boundary(at));
    line_starts.into_iter().chain(anywhere).collect()
}

/// The first line start at or after a byte offset.
fn next_line_start(text: &str, at: usize) -> Option<usize> {
    if at == 0 {
        return Some(0);
    }
    let ending = text.as_bytes()[at - 1..].iter().position(|&byte| byte == b'\n')?;
    Some(at + ending)
}

/// The first tokens of a text, at most `budget`.
pub(super) fn first_tokens(tokenizer: &Tokenizer, text: &str, budget: usize) -> Vec<u32> {
    let end = text.floor_char_boundary(budget.saturating_mul(BYTES_PER_TOKEN));
    let mut ids = tokenizer.encode(&text[..end]);
    ids.truncate(budget);
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_from_the_files_start_and_end_at_line_starts() {
        // A budget of 16 tokens reaches 128 bytes back and steps by 6.
        let text = "12345678\n".repeat(40);
        let starts = window_starts(&text, 16);
        assert_eq!(starts[..3], [234, 243, 252]);
        assert!(starts.ends_with(&[342, 348, 354]));
        assert_eq!(window_starts(&(text + "x = 1"), 16)[0], 243, "five bytes more move it by a line");
    }

    #[test]
    fn only_the_end_of_a_long_text_is_looked_at() {
        for length in [0, 1, 100, 10_000, 1_000_000] {
            let text = "x = 1\n".repeat(length);
            let earliest = window_starts(&text, 320).into_iter().min().unwrap_or(0);
            assert!(text.len() - earliest <= 320 * BYTES_PER_TOKEN);
        }
    }

    #[test]
    fn steps_never_fall_inside_a_character() {
        let text = "🦀".repeat(500);
        assert!(window_starts(&text, 33).into_iter().all(|at| text.is_char_boundary(at)));
    }
}
