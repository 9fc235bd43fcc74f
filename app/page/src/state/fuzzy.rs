//! Which paths fit what was typed into "Go to file", and how well.
//!
//! The letters typed must stand in the path in their order. Of all ways to find them there the best
//! counts: letters in a row, at the beginning of a word and in the file's own name are worth more.

use super::prompt::file_name;

/// A path that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The path.
    pub path: String,
    /// Where in it the letters typed stand, in characters.
    pub places: Vec<usize>,
    score: i32,
}

/// What a letter is worth.
const LETTER: i32 = 1;
/// What it is worth more right after the one before.
const IN_A_ROW: i32 = 8;
/// What it is worth more at the beginning of a word.
const WORD: i32 = 6;
/// What it is worth more in the file's name.
const IN_NAME: i32 = 3;
/// What it is worth more as the first letter of that.
const FIRST: i32 = 4;

/// The paths that fit `typed`, best first, `most` at most. To nothing typed all fit as they come.
pub fn matches<'a>(typed: &str, paths: impl Iterator<Item = &'a str>, most: usize) -> Vec<Match> {
    let wanted: Vec<char> =
        typed.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let mut found: Vec<Match> = paths.filter_map(|path| best(&wanted, path)).collect();
    // Stable: paths that fit as well stand as they came. Of two the shorter one was meant.
    found.sort_by_key(|found| (-found.score, if wanted.is_empty() { 0 } else { found.path.len() }));
    found.truncate(most);
    found
}

/// What was typed for the path, and the line behind it (`cart.py:12`), from 1.
pub fn split_line(typed: &str) -> (&str, Option<usize>) {
    match typed.rsplit_once(':') {
        Some((path, "")) => (path, None),
        Some((path, line)) => match line.trim().parse() {
            Ok(line) => (path, Some(line)),
            Err(_) => (typed, None),
        },
        None => (typed, None),
    }
}

/// The best way to find the letters in a path.
fn best(wanted: &[char], path: &str) -> Option<Match> {
    let letters: Vec<char> = path.chars().collect();
    let name_at = letters.len() - file_name(path).chars().count();
    let worth = |at: usize| {
        let begins_word = at == 0 || {
            let before = letters[at - 1];
            !before.is_alphanumeric() || (before.is_lowercase() && letters[at].is_uppercase())
        };
        let extra = [(begins_word, WORD), (at >= name_at, IN_NAME), (at == name_at, FIRST)];
        LETTER + extra.into_iter().map(|(holds, worth)| if holds { worth } else { 0 }).sum::<i32>()
    };
    // `rows[i][j]`: the best score of the first i + 1 letters with the last of them at j, and where
    // the one before it stands.
    let mut rows: Vec<Vec<Option<(i32, usize)>>> = Vec::with_capacity(wanted.len());
    for (i, letter) in wanted.iter().enumerate() {
        let mut row = vec![None; letters.len()];
        // The best of the row before up to here, without what stands right before.
        let mut far: Option<(i32, usize)> = None;
        for at in 0..letters.len() {
            let fits = letters[at].to_lowercase().eq(std::iter::once(*letter));
            if i == 0 {
                row[at] = fits.then(|| (worth(at), 0));
                continue;
            }
            let near = at.checked_sub(1).and_then(|before| Some((rows[i - 1][before]?.0 + IN_A_ROW, before)));
            if fits {
                let before = far.max(near);
                row[at] = before.map(|(score, before)| (score + worth(at), before));
            }
            far = far.max(at.checked_sub(1).and_then(|before| Some((rows[i - 1][before]?.0, before))));
        }
        rows.push(row);
    }
    let Some(last) = rows.last() else {
        return Some(Match { path: path.to_owned(), places: Vec::new(), score: 0 });
    };
    let scores = last.iter().enumerate().filter_map(|(at, cell)| Some((cell.as_ref()?.0, at)));
    let (score, mut at) = scores.max_by_key(|&(score, at)| (score, std::cmp::Reverse(at)))?;
    let mut places = vec![at];
    for row in rows[1..].iter().rev() {
        at = row[at]?.1;
        places.push(at);
    }
    places.reverse();
    Some(Match { path: path.to_owned(), places, score })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 5] =
        ["setup.py", "shop/api/views.py", "shop/cart.py", "shop/cartography.py", "tests/test_cart.py"];

    fn found(typed: &str) -> Vec<String> {
        matches(typed, PATHS.into_iter(), 10).into_iter().map(|found| found.path).collect()
    }

    #[test]
    fn the_files_own_name_counts_most_and_the_shorter_path_wins() {
        assert_eq!(found("cart"), ["shop/cart.py", "shop/cartography.py", "tests/test_cart.py"]);
        assert_eq!(found("tcart"), ["tests/test_cart.py"]);
        assert_eq!(found("VIEWS"), ["shop/api/views.py"]);
        assert_eq!(found("sav"), ["shop/api/views.py"]);
        assert!(found("zz").is_empty());
    }

    #[test]
    fn nothing_typed_fits_everything_in_its_order() {
        assert_eq!(found(" "), PATHS);
        assert_eq!(matches("", PATHS.into_iter(), 2).len(), 2);
    }

    #[test]
    fn the_letters_found_are_those_that_make_sense() {
        let places =
            |typed, path| best(&str::chars(typed).collect::<Vec<_>>(), path).map(|found| found.places);
        assert_eq!(places("cart", "c/a/r/cart.py"), Some(vec![6, 7, 8, 9]));
        assert_eq!(places("tc", "tests/test_cart.py"), Some(vec![6, 11]));
        assert_eq!(places("ö", "größe.py"), Some(vec![2]));
    }

    #[test]
    fn a_line_may_stand_behind_the_path() {
        assert_eq!(split_line("cart:12"), ("cart", Some(12)));
        assert_eq!(split_line("cart:"), ("cart", None));
        assert_eq!(split_line("a:b"), ("a:b", None));
        assert_eq!(split_line(":7"), ("", Some(7)));
    }
}
