//! Text that a completion has to begin with: what token healing took back.
//!
//! A cursor stands inside a token more often than not: `    ` before `return` is no token of its own
//! in a vocabulary that keeps the last blank with the word that follows. The tokens at the cursor are
//! taken back, and what comes next may only be a token that agrees with their text.

use llavacode_core::tokenize::Tokenizer;

/// What of the held text is left after `said`.
pub(super) fn left<'a>(held: &'a [u8], said: &[u8]) -> &'a [u8] {
    held.get(said.len()..).unwrap_or_default()
}

/// Takes every token out of the choice that does not agree with the text left: it must go on with it
/// or be the beginning of it.
pub(super) fn keep_agreeing(logits: &mut [f32], tokenizer: &Tokenizer, left: &[u8]) {
    if left.is_empty() {
        return;
    }
    for (id, logit) in logits.iter_mut().enumerate() {
        let id = id as u32;
        let bytes = tokenizer.token_bytes(id);
        let agrees = bytes.starts_with(left) || left.starts_with(bytes);
        if !agrees || tokenizer.is_special(id) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// −ln of a token's probability among those that have one.
pub(super) fn nats(logits: &[f32], token: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - most).exp()).sum();
    sum.ln() - f64::from(logits[token as usize] - most)
}

/// The likeliest token; the lowest id where several are equal.
pub(super) fn likeliest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (id, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = id;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENIZER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/bundle/reader/tokenizer.json");

    #[test]
    fn only_tokens_that_agree_stay() {
        let json = std::fs::read(TOKENIZER).unwrap();
        let tokenizer = Tokenizer::from_json("tokenizer.json", &json).unwrap();
        let mut logits = vec![0.0; tokenizer.vocab_size()];
        keep_agreeing(&mut logits, &tokenizer, b"");
        assert!(logits.iter().all(|logit| logit.is_finite()), "nothing is held");

        keep_agreeing(&mut logits, &tokenizer, b" re");
        let stay: Vec<&[u8]> = (0..logits.len() as u32)
            .filter(|&id| logits[id as usize].is_finite())
            .map(|id| tokenizer.token_bytes(id))
            .collect();
        for token in [&b" "[..], b" r", b" re", b" return"] {
            assert!(stay.contains(&token), "{token:?}");
        }
        assert!(stay.iter().all(|token| token.starts_with(b" re") || b" re".starts_with(token)));
        // Among equals each has its share.
        let total: f64 = (0..logits.len() as u32)
            .filter(|&id| logits[id as usize].is_finite())
            .map(|id| (-nats(&logits, id)).exp())
            .sum();
        assert!((total - 1.0).abs() < 1e-9 && nats(&logits, 0).is_infinite());
    }

    #[test]
    fn what_is_left_is_what_was_not_said() {
        assert_eq!(left(b"    ", b"  "), b"  ");
        assert_eq!(left(b"  ", b"  return"), b"");
    }
}
