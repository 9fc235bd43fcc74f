use std::collections::HashSet;

use llavacode_core::index::dense::dot;
use llavacode_core::index::fusion::reciprocal_rank_fusion;
use llavacode_core::index::lexical::{LexicalIndex, jaccard, query_window, word_set};
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
    let mut fused = reciprocal_rank_fusion(&[vec![7, 8, 9], vec![9, 7]]);
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    let slots: Vec<u32> = fused.iter().map(|s| s.slot).collect();
    assert_eq!(slots, [7, 9, 8]);
    assert!((fused[0].score - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-7);
    assert!((fused[1].score - (1.0 / 63.0 + 1.0 / 61.0)).abs() < 1e-7);
    assert!((fused[2].score - 1.0 / 62.0).abs() < 1e-7);
}
