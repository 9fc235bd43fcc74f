//! Token healing: what of the text before a cursor is left to be written anew.
//!
//! A cursor stands inside what would be one token more often than not: behind `expec`, behind the
//! blank that its tokenizer puts before the next word. What stands before it was then cut into other
//! tokens than the whole text would be, and a reader that never saw such a text goes on as if the word
//! had ended. So the last token or two are taken back, and decoding is held to begin with their text.

use crate::tokenize::Tokenizer;

/// Tokens that are taken back at most.
const MOST: usize = 2;

/// Takes the last token off, and the one before it too where the last goes on with a word. Gives their
/// text. Leaves what is no whole text, as when a character is cut, and special tokens.
pub(super) fn take_back(tokenizer: &Tokenizer, ids: &mut Vec<u32>) -> String {
    let mut taken = 0;
    while taken < MOST.min(ids.len()) {
        let bytes = tokenizer.token_bytes(ids[ids.len() - 1 - taken]);
        taken += 1;
        // It may be the end of a longer token.
        let goes_on =
            bytes.first().is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 128);
        if !goes_on {
            break;
        }
    }
    let kept = ids.len() - taken;
    let bytes: Vec<u8> = ids[kept..].iter().flat_map(|&id| tokenizer.token_bytes(id)).copied().collect();
    match String::from_utf8(bytes) {
        Ok(text) => {
            ids.truncate(kept);
            text
        }
        Err(_) => String::new(),
    }
}

/// What decoding is still held to begin with.
#[derive(Debug, Clone, Default)]
pub struct Healing {
    left: Vec<u8>,
}

impl Healing {
    /// Holds decoding to begin with `text`.
    pub fn new(text: &str) -> Self {
        Self { left: text.as_bytes().to_vec() }
    }

    /// Bytes that are left to be written.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Whether tokens may be chosen freely.
    pub fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// Whether a token of these bytes may come next: it goes on with the text, or reaches beyond it.
    pub fn allows(&self, bytes: &[u8]) -> bool {
        let shorter = bytes.len().min(self.left.len());
        shorter > 0 && bytes[..shorter] == self.left[..shorter]
    }

    /// The likeliest token that is allowed, by its logits, and ln of its probability among those that are;
    /// `None` where none is.
    pub fn choose(&self, tokenizer: &Tokenizer, logits: &[f32]) -> Option<(u32, f32)> {
        let allowed = (0..)
            .zip(logits)
            .filter(|(id, _)| !tokenizer.is_special(*id) && self.allows(tokenizer.token_bytes(*id)));
        // The lowest id where several are equal, as `argmax` has it.
        let best = allowed.clone().fold(None, |best: Option<(u32, f32)>, (id, &logit)| match best {
            Some((_, largest)) if logit <= largest || logit.is_nan() => best,
            _ => Some((id, logit)),
        });
        best.map(|(id, largest)| {
            let sum: f32 = allowed.map(|(_, logit)| (logit - largest).exp()).sum();
            (id, -sum.ln())
        })
    }

    /// Takes a token in; gives how many of its bytes stood before the cursor already.
    pub fn advance(&mut self, bytes: &[u8]) -> usize {
        let known = bytes.len().min(self.left.len());
        self.left.drain(..known);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_within_the_text_or_beyond_it_are_allowed() {
        let healing = Healing::new("    re");
        for allowed in ["    ", "    re", "    return", " "] {
            assert!(healing.allows(allowed.as_bytes()), "{allowed:?}");
        }
        for refused in ["", "     ", "   r", "return", "\n"] {
            assert!(!healing.allows(refused.as_bytes()), "{refused:?}");
        }
    }

    #[test]
    fn what_stood_before_the_cursor_is_counted_off() {
        let mut healing = Healing::new("   re");
        assert_eq!(healing.advance(b"   "), 3);
        assert!(!healing.is_over());
        assert_eq!(healing.advance(b"return"), 2);
        assert!(healing.is_over());
        assert_eq!(healing.advance(b" x"), 0);
    }
}
