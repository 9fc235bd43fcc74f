//! Text that a completion has to begin with: what token healing took back.
//!
//! A cursor stands inside a token more often than not: `    ` before `return` is no token of its own
//! in a vocabulary that keeps the last blank with the word that follows. The tokens at the cursor are
//! taken back, and what comes next may only be a token that agrees with their text.

use llavacode_core::{prompt::Healing, tokenize::Tokenizer};

/// Takes every token out of the choice that does not agree with the text left of what is held. What
/// was said so far tells how much that is.
pub(crate) fn keep_agreeing(logits: &mut [f32], tokenizer: &Tokenizer, held: &str, said: &[u8]) {
    let mut healing = Healing::new(held);
    healing.advance(said);
    if healing.is_over() {
        return;
    }
    for (id, logit) in (0..).zip(logits) {
        if tokenizer.is_special(id) || !healing.allows(tokenizer.token_bytes(id)) {
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
        keep_agreeing(&mut logits, &tokenizer, "    ", b"    x");
        assert!(logits.iter().all(|logit| logit.is_finite()), "nothing is held any more");

        keep_agreeing(&mut logits, &tokenizer, "    re", b"   ");
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
}
