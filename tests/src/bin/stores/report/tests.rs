//! Reports of made-up runs.

use super::*;

fn run(store: &'static Store, turn: usize, open_ms: f64, bm25: &[u32]) -> Run {
    let mut run = Run::new(store, 1_000, turn);
    run.opened = Some(Opened { open_ms, memory_bytes: Some(2.5e6), ..Opened::default() });
    for &ranker in store.rankers {
        let searched = Searched { ms: vec![open_ms / 100.0; 2], found: vec![bm25.to_vec(); 2] };
        run.searched.insert(ranker, searched);
    }
    run.edit_ms = vec![1.0, 3.0];
    run
}

fn report() -> Report {
    let mut report = Report::new("a browser", "a card", "a commit");
    report.projects.push(Project { chunks: 1_000, nearest: vec![vec![1, 2]; 3] });
    for turn in 0..2 {
        report.runs.push(run(OURS, turn, 100.0, &[1, 2]));
        report.runs.push(run(&STORES[1], turn, 400.0 + 200.0 * turn as f64, &[2, 9]));
    }
    report
}

#[test]
fn ratios_are_of_stores_that_took_the_same_turn() {
    let json = report().json();
    assert_eq!(json["ratios"]["1000"]["open"]["orama"]["median"], 5.0);
    assert_eq!(json["ratios"]["1000"]["bm25"]["orama"]["quartiles"], json!([4.5, 5.5]));
    assert_eq!(json["ratios"]["1000"]["edit"]["orama"]["median"], 1.0);
    assert!(json["ratios"]["1000"]["jaccard"].is_null(), "Orama has none");
}

#[test]
fn what_the_page_holds_with_pico_is_told_by_thousands_of_chunks() {
    let mut report = report();
    assert!(report.figures().iter().all(|(_, figures)| *figures == json!({})));
    for turn in 0..3 {
        report.runs.push(run(&STORES[2], turn, 100.0 * (1 + turn) as f64, &[1]));
    }
    let [(_, search_ms), (_, recall)] = report.figures();
    assert_eq!(search_ms["1k"]["hybrid"], 2.0);
    assert_eq!(recall["1k"], json!({ "dense": 0.5, "dense_webgpu": 0.5 }));
}

#[test]
fn what_was_found_is_compared_with_brute_force_and_with_ours() {
    let json = report().json();
    assert_eq!(json["runs"][0]["recall_of_brute_force"], 1.0);
    assert!(json["runs"][0]["agreement_with_llavacode"]["bm25"].is_null(), "with itself");
    assert_eq!(json["runs"][1]["recall_of_brute_force"], 0.5);
    assert_eq!(json["runs"][1]["agreement_with_llavacode"]["bm25"], 0.5);
    assert_eq!(share(&[vec![3]], &[vec![1, 3], vec![5]]), Some(0.5), "one question was answered");
    assert_eq!(share(&[], &[vec![1]]), None);
}

#[test]
fn the_table_says_what_a_store_lacks_by_a_dash() {
    let table = report().markdown();
    assert!(table.contains("| 1,000 | open, ms | 100 | 500 (×5.00, 4.50 to 5.50) | – | – |"), "{table}");
    assert!(table.contains("| 1,000 | Jaccard, ms | 1.00, p95 1.00 | – | – | – |"), "{table}");
    assert!(table.contains("| 1,000 | slowest edit, ms | 3.00 | 3.00 | – | – |"), "{table}");
    assert!(table.contains("| 1,000 | memory, MB | 2.50 | 2.50 | – | – |"), "{table}");
    assert!(table.contains("| 1,000 | recall@5 of dense, % | 100.0 | 50.0 | – | – |"), "{table}");
}

#[test]
fn numbers_can_be_read() {
    assert_eq!(
        [0.012, 9.5, 56.78, 123.4, 1_234_567.0].map(short),
        ["0.01", "9.50", "56.8", "123", "1,234,567"]
    );
}
