//! How good a completion is, and how sure one can be of a difference.
//!
//! Published numbers differ by which variant of a metric they use; both are here, each named
//! after what it compares. All lie in 0..=1; papers print them times 100.

pub use llavacode_api::{report::Interval, text::exact_match};
use rapidfuzz::distance::{indel, levenshtein};

use crate::random::SplitMix64;

/// Whether prediction and target have the same code tokens (see [`code_tokens`]): LlavaCode's
/// looser variant.
pub fn exact_match_tokens(prediction: &str, target: &str) -> bool {
    code_tokens(prediction) == code_tokens(target)
}

/// The tokens that CoNaLa's evaluation and its successors compare: every character that is no
/// ASCII letter, digit or `_` is one of its own, identifiers are split where a lower-case letter
/// meets an upper-case one, all quotes are alike, and white space counts for nothing.
pub fn code_tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let end = |word: &mut String, tokens: &mut Vec<String>| {
        if !word.is_empty() {
            tokens.push(std::mem::take(word));
        }
    };
    for c in code.chars() {
        let word_goes_on = c.is_ascii_alphanumeric() || c == '_';
        let camel_case = c.is_ascii_uppercase() && word.ends_with(|last: char| last.is_ascii_lowercase());
        if !word_goes_on || camel_case {
            end(&mut word, &mut tokens);
        }
        match c {
            _ if word_goes_on => word.push(c),
            _ if c.is_whitespace() => {}
            '"' | '\'' => tokens.push("`".into()),
            _ => tokens.push(c.into()),
        }
    }
    end(&mut word, &mut tokens);
    tokens
}

/// 1 − levenshtein(p, t) / max(|p|, |t|) over characters, white space around both taken off:
/// what RepoCoder and LlavaCode call edit similarity. Two empty texts are alike.
pub fn edit_similarity(prediction: &str, target: &str) -> f64 {
    let (prediction, target) = (prediction.trim(), target.trim());
    levenshtein::normalized_similarity(prediction.chars(), target.chars())
}

/// 2·M / (|p| + |t|), where M is the length of the longest common subsequence of characters,
/// white space around both taken off: the indel ratio (`fuzz.ratio`) that RepoBench and
/// CrossCodeEval call edit similarity. Two empty texts are alike.
pub fn edit_ratio(prediction: &str, target: &str) -> f64 {
    let (prediction, target) = (prediction.trim(), target.trim());
    indel::normalized_similarity(prediction.chars(), target.chars())
}

/// The difference of two systems' means over the same tasks, with the 95 % percentile interval of
/// a paired bootstrap: tasks are drawn with replacement, each with both its scores. The same
/// seed gives the same interval. `None` where there is nothing to compare: no tasks, no
/// resamples, or lists of different length.
pub fn paired_bootstrap(a: &[f64], b: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    if a.is_empty() || a.len() != b.len() || resamples == 0 {
        return None;
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let count = differences.len();
    let mut random = SplitMix64::new(seed);
    // By multiplication (Lemire): the bias is count / 2⁶⁴.
    let mut draw = || ((u128::from(random.next_u64()) * count as u128) >> 64) as usize;
    let resampled: Vec<f64> =
        (0..resamples).map(|_| (0..count).map(|_| differences[draw()]).sum::<f64>() / count as f64).collect();
    Some(Interval {
        difference: mean(&differences)?,
        low: percentile(&resampled, 2.5)?,
        high: percentile(&resampled, 97.5)?,
    })
}

/// The mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The median; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// The `p`th percentile, 0 to 100, interpolated linearly between the two nearest ranks (numpy's
/// default). `None` of nothing.
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = p.clamp(0.0, 100.0) / 100.0 * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (*sorted.get(rank.floor() as usize)?, *sorted.get(rank.ceil() as usize)?);
    Some(below + (above - below) * rank.fract())
}
