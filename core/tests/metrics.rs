//! The metrics against values known from elsewhere, and the laws they obey.

use llavacode_core::metrics::{
    code_tokens, edit_ratio, edit_similarity, exact_match, exact_match_tokens, mean, median,
    paired_bootstrap, percentile,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Prediction, target, `fuzz.ratio / 100` and `Levenshtein.normalized_similarity` of Python's
/// rapidfuzz 3.14.
const KNOWN: [(&str, &str, f64, f64); 9] = [
    ("kitten", "sitting", 8.0 / 13.0, 4.0 / 7.0),
    ("return self.area()", "return self.area", 32.0 / 34.0, 16.0 / 18.0),
    ("größe", "grosse", 6.0 / 11.0, 0.5),
    ("数値", "数", 2.0 / 3.0, 0.5),
    ("🦀🦀", "🦀", 2.0 / 3.0, 0.5),
    ("abc", "", 0.0, 0.0),
    ("", "", 1.0, 1.0),
    ("self.items.append(x)", "self.items.extend(xs)", 34.0 / 41.0, 17.0 / 21.0),
    ("e\u{301}", "\u{e9}", 0.0, 0.0),
];

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < 1e-12, "{what}: {found}, expected {expected}");
}

fn random_line(random: &mut StdRng) -> String {
    let letters: Vec<char> = "ab_(.é数🦀 ".chars().collect();
    (0..random.random_range(0..30)).map(|_| letters[random.random_range(0..letters.len())]).collect()
}

#[test]
fn edit_metrics_equal_the_references() {
    for (prediction, target, ratio, similarity) in KNOWN {
        assert_close(edit_ratio(prediction, target), ratio, prediction);
        assert_close(edit_similarity(prediction, target), similarity, prediction);
    }
}

#[test]
fn edit_metrics_are_symmetric_and_bounded() {
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..500 {
        let (a, b) = (random_line(&mut random), random_line(&mut random));
        for metric in [edit_similarity, edit_ratio] {
            assert_close(metric(&a, &b), metric(&b, &a), &a);
            assert!((0.0..=1.0).contains(&metric(&a, &b)));
            assert_close(metric(&a, &a), 1.0, &a);
            assert_eq!(metric(&a, &b) == 1.0, exact_match(&a, &b), "{a:?} {b:?}");
        }
    }
}

#[test]
fn white_space_around_counts_for_nothing() {
    assert!(exact_match("  return x\n", "return x"));
    assert!(!exact_match("return  x", "return x"));
    assert_close(edit_similarity("\treturn x", "return x  \n"), 1.0, "similarity");
    assert_close(edit_ratio("\treturn x", "return x  \n"), 1.0, "ratio");
}

#[test]
fn code_tokens_are_conalas() {
    assert_eq!(code_tokens("fooBar(x_1, 'a b')"), ["foo", "Bar", "(", "x_1", ",", "`", "a", "b", "`", ")"]);
    assert_eq!(code_tokens("HTTPServer"), ["HTTPServer"]);
    assert_eq!(code_tokens("größe"), ["gr", "ö", "ß", "e"]);
    assert_eq!(code_tokens(" \n"), Vec::<String>::new());
}

#[test]
fn token_match_forgives_layout_and_quotes_only() {
    assert!(exact_match_tokens("f( 'a',b )", "f(\"a\", b)"));
    assert!(exact_match_tokens("", "  "));
    assert!(!exact_match_tokens("a + b", "a - b"));
    assert!(!exact_match_tokens("foobar", "foo_bar"));
}

#[test]
fn exact_match_implies_token_match() {
    let mut random = StdRng::seed_from_u64(4);
    for _ in 0..500 {
        let a = random_line(&mut random);
        assert!(exact_match_tokens(&format!(" {a}\n"), &a));
    }
}

#[test]
fn percentiles_interpolate_as_numpy_does() {
    let values = [4.0, 1.0, 3.0, 2.0];
    assert_eq!(median(&values), Some(2.5));
    assert_eq!(percentile(&values, 90.0), Some(3.7));
    assert_eq!(percentile(&values, 0.0), Some(1.0));
    assert_eq!(percentile(&values, 100.0), Some(4.0));
    assert_eq!(percentile(&[7.0], 33.0), Some(7.0));
    assert_eq!((median(&[]), percentile(&[], 50.0), mean(&[])), (None, None, None));
    assert_eq!(mean(&values), Some(2.5));
}

#[test]
fn a_clear_difference_has_an_interval_without_zero() {
    let mut random = StdRng::seed_from_u64(5);
    let b: Vec<f64> = (0..400).map(|_| random.random_range(0.0..1.0)).collect();
    // Every task gains between 0 and 0.1: noise between tasks is ten times the gain.
    let a: Vec<f64> = b.iter().map(|b| b + random.random_range(0.0..0.1)).collect();
    let interval = paired_bootstrap(&a, &b, 2000, 7).expect("there are tasks");
    assert!((interval.difference - 0.05).abs() < 0.005, "{interval:?}");
    assert!(interval.low > 0.045 && interval.high < 0.055, "{interval:?}");
    assert!(interval.low < interval.difference && interval.difference < interval.high, "{interval:?}");
}

#[test]
fn the_interval_is_as_wide_as_theory_says() {
    // 1,000 tasks, one lane right in half of them independently of the other: the standard
    // error of the difference is √(0.5 / 1000) = 0.0224, the 95 % interval ± 0.0438.
    let mut random = StdRng::seed_from_u64(6);
    let mut lane =
        || -> Vec<f64> { (0..1000).map(|_| f64::from(u8::from(random.random_bool(0.5)))).collect() };
    let interval = paired_bootstrap(&lane(), &lane(), 4000, 1).expect("there are tasks");
    let half_width = (interval.high - interval.low) / 2.0;
    assert!((half_width - 0.0438).abs() < 0.004, "{interval:?}");
}

#[test]
fn the_bootstrap_depends_on_its_seed_alone() {
    let a: Vec<f64> = (0..50).map(|n| f64::from(n % 7)).collect();
    let b: Vec<f64> = (0..50).map(|n| f64::from(n % 5)).collect();
    assert_eq!(paired_bootstrap(&a, &b, 500, 9), paired_bootstrap(&a, &b, 500, 9));
    assert_ne!(paired_bootstrap(&a, &b, 500, 9), paired_bootstrap(&a, &b, 500, 10));
}

#[test]
fn equal_systems_differ_by_nothing() {
    let a = [0.0, 1.0, 1.0];
    let interval = paired_bootstrap(&a, &a, 100, 0).expect("there are tasks");
    assert_eq!((interval.difference, interval.low, interval.high), (0.0, 0.0, 0.0));
}

#[test]
fn nothing_to_compare_has_no_interval() {
    assert_eq!(paired_bootstrap(&[], &[], 100, 0), None);
    assert_eq!(paired_bootstrap(&[1.0], &[1.0, 0.0], 100, 0), None);
    assert_eq!(paired_bootstrap(&[1.0], &[1.0], 0, 0), None);
}
