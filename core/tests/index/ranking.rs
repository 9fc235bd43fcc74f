use std::collections::{BTreeMap, HashSet};

use llavacode_core::index::dense::dot;
use llavacode_core::index::fusion::reciprocal_rank_fusion;
use llavacode_core::index::lexical::{LexicalIndex, jaccard, query_window, word_set};
use llavacode_core::words::words;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::random_file;

#[test]
fn words_are_runs_of_letters_digits_and_underscores() {
    let expected: HashSet<&str> = ["def", "_area2", "self", "größe", "数", "1", "0", "None"].into();
    assert_eq!(word_set("def _area2(self, größe=1.0): # 数-数\n\treturn_ = None"), {
        let mut with_assignment = expected;
        with_assignment.insert("return_");
        with_assignment
    });
    assert_eq!(word_set("+ - (): \n"), HashSet::new());
    assert_ne!(word_set("Area"), word_set("area"), "case is kept");
}

#[test]
fn jaccard_is_shared_words_over_all_words() {
    assert_eq!(jaccard(&word_set("a b c"), &word_set("b c d e")), 2.0 / 5.0);
    assert_eq!(jaccard(&word_set("a a a"), &word_set("a")), 1.0);
    assert_eq!(jaccard(&word_set("a"), &word_set("b")), 0.0);
    assert_eq!(jaccard(&word_set(""), &word_set("")), 0.0);
}

#[test]
fn the_query_is_the_last_lines_with_the_cursors() {
    let prefix = "one\ntwo\nthree\nfo";
    assert_eq!(query_window(prefix, 1), "fo");
    assert_eq!(query_window(prefix, 2), "three\nfo");
    assert_eq!(query_window(prefix, 99), prefix);
    assert_eq!(query_window("one\n", 2), "one\n");
    assert_eq!(query_window("", 3), "");
}

#[test]
fn the_inverted_index_finds_what_comparing_all_pairs_finds() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..40 {
        let mut index = LexicalIndex::default();
        let mut texts: Vec<Option<String>> = vec![None; 30];
        for _ in 0..80 {
            let slot = random.random_range(0..texts.len());
            match texts[slot].take() {
                Some(text) => index.remove(slot as u32, &text),
                None => {
                    let text = random_file(&mut random);
                    index.insert(slot as u32, &text);
                    texts[slot] = Some(text);
                }
            }
        }
        let query = random_file(&mut random);
        let found: Vec<(u32, f32)> = index.similarities(&query).iter().map(|s| (s.slot, s.score)).collect();
        let expected: Vec<(u32, f32)> = texts
            .iter()
            .enumerate()
            .filter_map(|(slot, text)| {
                Some((slot as u32, jaccard(&word_set(&query), &word_set(text.as_ref()?))))
            })
            .filter(|&(_, score)| score > 0.0)
            .collect();
        assert_eq!(found, expected);
    }
}

/// By hand: one of two texts of equal length holds the word once.
#[test]
fn bm25_is_the_published_formula() {
    let mut index = LexicalIndex::default();
    index.insert(0, "a b");
    index.insert(1, "c d");
    let found = index.bm25("a");
    let rarity = ((2.0f32 - 1.0 + 0.5) / 1.5 + 1.0).ln();
    assert_eq!(found.len(), 1);
    assert!((found[0].score - rarity * 2.2 / 2.2).abs() < 1e-6, "{found:?}");
}

#[test]
fn a_rare_word_counts_more_than_common_ones_and_a_short_text_more_than_a_long_one() {
    let texts =
        ["self value self", "self gauge", "self self self self value value", "gauge and so much more text"];
    let mut index = LexicalIndex::default();
    (0..).zip(texts).for_each(|(slot, text)| index.insert(slot, text));
    let score = |query: &str| {
        let mut scores = vec![0.0; texts.len()];
        index.bm25(query).into_iter().for_each(|s| scores[s.slot as usize] = s.score);
        scores
    };
    let gauge = score("gauge");
    assert_eq!((gauge[0], gauge[2]), (0.0, 0.0));
    assert!(gauge[1] > gauge[3]);
    assert!(score("self gauge")[1] > score("self gauge")[2], "four common words beat one rare word");
    assert!(score("nothing").iter().all(|&score| score == 0.0));
    assert_eq!(score("gauge gauge")[1], 2.0 * gauge[1], "a word of the query counts as often as it comes");
}

/// Against the sum over all pairs of a query's word and a text, after any insertions and removals.
#[test]
fn the_inverted_index_gives_bm25_of_what_is_in_it() {
    let mut random = StdRng::seed_from_u64(4);
    for _ in 0..40 {
        let mut index = LexicalIndex::default();
        let mut texts: Vec<Option<String>> = vec![None; 20];
        for _ in 0..60 {
            let slot = random.random_range(0..texts.len());
            match texts[slot].take() {
                Some(text) => index.remove(slot as u32, &text),
                None => {
                    // With a word that comes more often than a posting counts.
                    let text = random_file(&mut random) + &"often ".repeat(random.random_range(0..300));
                    index.insert(slot as u32, &text);
                    texts[slot] = Some(text);
                }
            }
        }
        let query = random_file(&mut random) + "often";
        let there: Vec<Vec<&str>> =
            texts.iter().map(|text| words(text.as_deref().unwrap_or_default()).collect()).collect();
        let held = there.iter().filter(|words| !words.is_empty()).count() as f64;
        let mean = there.iter().map(Vec::len).sum::<usize>() as f64 / held;
        let expected = |text: &[&str]| -> f64 {
            let of_word = |word: &str| {
                let holding = there.iter().filter(|words| words.contains(&word)).count() as f64;
                let count = text.iter().filter(|&&other| other == word).count().min(255) as f64;
                let rarity = ((held - holding + 0.5) / (holding + 0.5) + 1.0).ln();
                rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * text.len() as f64 / mean))
            };
            words(&query).map(of_word).sum()
        };
        let found: BTreeMap<u32, f32> = index.bm25(&query).iter().map(|s| (s.slot, s.score)).collect();
        for (slot, text) in (0..).zip(&there) {
            let (found, expected) =
                (f64::from(found.get(&slot).copied().unwrap_or_default()), expected(text));
            assert!((found - expected).abs() <= 1e-4 * expected, "{found} is not {expected}");
        }
    }
}

#[test]
fn dot_products_of_every_width() {
    let mut random = StdRng::seed_from_u64(2);
    for width in 0..70 {
        let mut vector = || -> Vec<f32> { (0..width).map(|_| random.random_range(-1.0..1.0)).collect() };
        let (a, b) = (vector(), vector());
        let expected: f64 = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        assert!((f64::from(dot(&a, &b)) - expected).abs() < 1e-5, "{width}");
    }
}

#[test]
fn fusion_adds_reciprocal_ranks() {
    let mut fused = reciprocal_rank_fusion(&[&[7, 8, 9], &[9, 7]]);
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    let slots: Vec<u32> = fused.iter().map(|s| s.slot).collect();
    assert_eq!(slots, [7, 9, 8]);
    assert!((fused[0].score - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-7);
    assert!((fused[1].score - (1.0 / 63.0 + 1.0 / 61.0)).abs() < 1e-7);
    assert!((fused[2].score - 1.0 / 62.0).abs() < 1e-7);
}
