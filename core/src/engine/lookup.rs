//! Prompt lookup: draft tokens, taken from where the last tokens stood before.
//!
//! Code repeats itself, so what followed the last few tokens in the prompt, or in a retrieved chunk, often
//! follows them again. The reader checks a draft beside the token that it has to read anyway, in one pass,
//! and keeps what it would have chosen itself: a draft changes how fast a completion comes, not what it
//! says. After "prompt lookup decoding" (A. Saxena, 2023), which needs no second model.

/// Most draft tokens of a pass. On the CPU so few rows are computed, to the bit, as one row is; on a GPU other
/// kernels may leave differences of rounding.
pub(super) const MOST_DRAFT_TOKENS: usize = 3;

/// How many of the last tokens have to have stood together before: the longest are looked for first.
const LONGEST: usize = 4;
const SHORTEST: usize = 2;

/// Between two stretches; no tokenizer has so many tokens.
const GAP: u32 = u32::MAX;

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    tokens: Vec<u32>,
}

impl Lookup {
    /// Takes in a stretch of tokens that stands apart from those before it.
    pub(super) fn add(&mut self, stretch: &[u32]) {
        self.tokens.push(GAP);
        self.tokens.extend_from_slice(stretch);
    }

    /// Takes in the next token.
    pub(super) fn push(&mut self, token: u32) {
        self.tokens.push(token);
    }

    /// What followed the last tokens where they stood last, as many of them as possible: at most `most`
    /// tokens, none of which stands behind one that `ends`.
    pub(super) fn draft(&self, most: usize, ends: impl Fn(u32) -> bool) -> &[u32] {
        let Some(from) = (SHORTEST..=LONGEST).rev().find_map(|count| self.after(count)) else { return &[] };
        let following = self.tokens[from..].iter().take(most).take_while(|&&token| token != GAP).count();
        let following = &self.tokens[from..][..following];
        let end = following.iter().position(|&token| ends(token)).map_or(following.len(), |end| end + 1);
        &following[..end]
    }

    /// Where something follows that many last tokens, as near as possible.
    fn after(&self, count: usize) -> Option<usize> {
        let (before, last) = self.tokens.split_at_checked(self.tokens.len().checked_sub(count)?)?;
        if last.contains(&GAP) {
            return None;
        }
        // What stands there may reach into the last tokens themselves, as in a row of zeros.
        let starts = (0..before.len()).rev();
        let found = starts.map(|start| &self.tokens[start..][..count]).position(|there| there == last)?;
        let from = before.len() - 1 - found + count;
        (self.tokens[from] != GAP).then_some(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(stretches: &[&[u32]]) -> Lookup {
        let mut lookup = Lookup::default();
        stretches.iter().for_each(|stretch| lookup.add(stretch));
        lookup
    }

    fn draft(lookup: &Lookup, most: usize) -> &[u32] {
        lookup.draft(most, |token| token == 0)
    }

    #[test]
    fn what_followed_before_is_the_draft() {
        assert_eq!(draft(&lookup(&[&[1, 2, 3, 4, 5, 9, 1, 2]]), 2), [3, 4]);
        assert_eq!(draft(&lookup(&[&[1, 2, 3, 4, 5, 9, 1, 2]]), 9), [3, 4, 5, 9, 1, 2]);
        let mut typed = lookup(&[&[1, 2, 3, 4, 5, 9, 1]]);
        assert_eq!(draft(&typed, 2), [0; 0], "9 and 1 never stood together before");
        typed.push(2);
        assert_eq!(draft(&typed, 2), [3, 4]);
    }

    #[test]
    fn the_longest_and_then_the_nearest_wins() {
        assert_eq!(draft(&lookup(&[&[1, 2, 3, 7, 9, 2, 3, 8, 1, 2, 3]]), 1), [7], "three tokens match");
        assert_eq!(draft(&lookup(&[&[2, 3, 7, 9, 2, 3, 8, 1, 2, 3]]), 1), [8], "the later of two");
    }

    #[test]
    fn a_stretch_goes_on_in_itself_alone() {
        assert_eq!(draft(&lookup(&[&[5, 1, 2], &[3, 4, 1, 2]]), 2), [0; 0]);
        assert_eq!(draft(&lookup(&[&[5, 1, 2, 6], &[3, 4, 1, 2]]), 2), [6]);
        assert_eq!(draft(&lookup(&[&[1], &[2, 9, 1], &[2]]), 2), [0; 0], "two stretches are no neighbours");
    }

    #[test]
    fn a_draft_ends_behind_an_end() {
        assert_eq!(draft(&lookup(&[&[1, 2, 0, 4, 9, 1, 2]]), 3), [0]);
        assert_eq!(draft(&lookup(&[&[1, 2, 4, 0, 9, 1, 2]]), 3), [4, 0]);
    }

    #[test]
    fn a_repetition_goes_on() {
        assert_eq!(draft(&lookup(&[&[7, 7, 7, 7]]), 2), [7]);
        assert_eq!(draft(&lookup(&[&[1, 8, 1, 8, 1, 8]]), 2), [1, 8]);
    }

    #[test]
    fn little_gives_nothing() {
        assert_eq!(draft(&Lookup::default(), 2), [0; 0]);
        assert_eq!(draft(&lookup(&[&[]]), 2), [0; 0]);
        assert_eq!(draft(&lookup(&[&[1, 2]]), 2), [0; 0]);
        assert_eq!(draft(&lookup(&[&[1, 2, 3, 1, 2]]), 0), [0; 0]);
    }
}
