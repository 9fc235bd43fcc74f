use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use llavacode_api::completion::ChunkSpan;
use llavacode_core::config::ChunkingConfig;
use llavacode_core::index::lexical::{jaccard, query_window, word_set};
use llavacode_core::index::{Chunk, Index, Query, Ranker, TextHash, Vectors, chunker};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{CHUNKING, by_words, embed_pending, numbered, pending, places, random_file, vectors_of};

/// Chunks of one line each: one chunk a file.
const LINES: ChunkingConfig = ChunkingConfig { lines: 1, stride: 1 };

#[test]
fn the_chunk_with_the_most_shared_words_comes_first() {
    let mut index = Index::new(LINES);
    index.update_file("shapes.py", "class Circle: radius = 1\n");
    index.update_file("other.py", "class Square: side = 1\n");
    index.update_file("far.py", "nothing in common\n");
    let query = by_words("main.py", "ignored = 0\nCircle(radius)");
    assert_eq!(places(&index, &query), ["shapes.py:0-1"]);
    let query = by_words("main.py", "class Circle");
    assert_eq!(places(&index, &query), ["shapes.py:0-1", "other.py:0-1"]);
}

#[test]
fn the_open_file_is_left_out() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", &numbered("x", 200));
    index.update_file("b.py", &numbered("x", 20));
    let found = places(&index, &by_words("a.py", "x_3 = 3"));
    assert!(!found.is_empty() && found.iter().all(|place| place.starts_with("b.py")), "{found:?}");
}

#[test]
fn far_parts_of_the_open_file_can_be_let_in_but_never_the_cursors_own() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..200 {
        let count = random.random_range(1..120);
        let cursor = random.random_range(0..=count);
        let distance = random.random_range(0..40);
        let mut index = Index::new(CHUNKING);
        // One word everywhere, so that every chunk is a candidate.
        let text: String = (0..count).map(|n| format!("shared line{n}\n")).collect();
        index.update_file("a.py", &text);
        let prefix: String = text.split_inclusive('\n').take(cursor).chain(["shared"]).collect();
        let query = Query { same_file: Some(distance), top_k: usize::MAX, ..by_words("a.py", &prefix) };
        let found: Vec<(usize, usize)> = index
            .retrieve(&query)
            .iter()
            .filter_map(|hit| index.chunk(hit.id))
            .map(|chunk| (chunk.span.start_line, chunk.span.end_line))
            .collect();
        for &(start, end) in &found {
            let near = start.saturating_sub(distance + 1)..end + distance + 1;
            assert!(!near.contains(&cursor), "{start}..{end} for {cursor} at {distance}");
        }
        let far = |&&(start, end): &&(usize, usize)| cursor + distance + 1 < start || end + distance < cursor;
        let all: Vec<(usize, usize)> =
            index.chunks().map(|chunk| (chunk.span.start_line, chunk.span.end_line)).collect();
        let expected = all.iter().filter(far).count();
        // The short chunk at the file's end may repeat the one before it.
        assert!(found.len() == expected || found.len() + 1 == expected, "{found:?} of {all:?}");
    }
}

#[test]
fn answers_equal_those_of_comparing_all_pairs() {
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..60 {
        let mut index = Index::new(LINES);
        for file in 0..8 {
            index.update_file(&format!("{file}.py"), &random_file(&mut random));
        }
        let prefix = random_file(&mut random) + "x = self";
        let query = Query { top_k: 4, ..by_words("3.py", &prefix) };
        let found: Vec<f32> = index.retrieve(&query).iter().map(|hit| hit.score).collect();

        let query_words = word_set(query_window(&prefix, LINES.lines));
        let mut texts: Vec<&str> =
            index.chunks().filter(|chunk| chunk.span.path != "3.py").map(|chunk| &*chunk.text).collect();
        texts.sort_unstable();
        texts.dedup();
        let mut expected: Vec<f32> =
            texts.iter().map(|text| jaccard(&query_words, &word_set(text))).collect();
        expected.retain(|&score| score > 0.0);
        expected.sort_by(|a, b| b.total_cmp(a));
        expected.truncate(4);
        assert_eq!(found, expected);
    }
}

#[test]
fn equal_scores_are_ordered_by_place_whatever_the_order_of_indexing() {
    let mut files = vec!["b.py", "a.py", "c/d.py", "c.py"];
    for _ in 0..files.len() {
        files.rotate_left(1);
        let mut index = Index::new(LINES);
        for path in &files {
            // Different texts with the same similarity to the query.
            index.update_file(path, &format!("shared {}\n", path.replace(['.', '/'], "_")));
        }
        let query = by_words("main.py", "shared");
        assert_eq!(places(&index, &query), ["a.py:0-1", "b.py:0-1", "c.py:0-1", "c/d.py:0-1"]);
    }
}

#[test]
fn the_same_text_is_an_answer_once() {
    let mut index = Index::new(LINES);
    index.update_file("b.py", "licence of the project\n");
    index.update_file("a.py", "licence of the project\n");
    index.update_file("c.py", "licence\n");
    assert_eq!(places(&index, &by_words("main.py", "licence of")), ["a.py:0-1", "c.py:0-1"]);
}

#[test]
fn neighbours_that_overlap_by_half_both_stay_and_by_more_only_the_better() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", &numbered("x", 15));
    assert_eq!(places(&index, &by_words("main.py", "x_7")), ["a.py:0-10", "a.py:5-15"]);
    // 0..10 and 5..12: five of the shorter one's seven lines are the same.
    index.update_file("a.py", &numbered("x", 12));
    assert_eq!(places(&index, &by_words("main.py", "x_7")), ["a.py:5-12"]);
}

#[test]
fn at_most_k_are_found() {
    let mut index = Index::new(LINES);
    for n in 0..30 {
        index.update_file(&format!("{n}.py"), &format!("shared file{n}\n"));
    }
    for k in [0, 1, 10, 100] {
        let query = Query { top_k: k, ..by_words("main.py", "shared") };
        assert_eq!(index.retrieve(&query).len(), k.min(30));
    }
}

#[test]
fn the_next_best_takes_the_place_of_a_chunk_that_is_left_out() {
    let mut index = Index::new(LINES);
    for (path, text) in
        [("a.py", "shared best two"), ("b.py", "shared best"), ("c.py", "shared"), ("d.py", "far")]
    {
        index.update_file(path, text);
    }
    let span = |path: &str| ChunkSpan { path: path.into(), start_line: 0, end_line: 1 };
    let query = Query { top_k: 2, ..by_words("main.py", "shared best two") };
    assert_eq!(places(&index, &query), ["a.py:0-1", "b.py:0-1"]);
    assert_eq!(places(&index, &Query { leave_out: &[span("a.py")], ..query }), ["b.py:0-1", "c.py:0-1"]);
    assert_eq!(places(&index, &Query { leave_out: &[span("b.py")], ..query }), ["a.py:0-1", "c.py:0-1"]);
    let both = [span("b.py"), span("a.py")];
    assert_eq!(places(&index, &Query { leave_out: &both, ..query }), ["c.py:0-1"]);
    // What names no chunk leaves none out.
    let gone = [span("gone.py"), ChunkSpan { start_line: 7, end_line: 9, ..span("a.py") }];
    assert_eq!(places(&index, &Query { leave_out: &gone, ..query }), places(&index, &query));
}

#[test]
fn a_copy_does_not_come_in_the_place_of_a_chunk_that_is_left_out() {
    let mut index = Index::new(CHUNKING);
    for path in ["a.py", "b.py"] {
        index.update_file(path, &numbered("x", 15));
    }
    let query = by_words("main.py", "x_7");
    assert_eq!(places(&index, &query), ["a.py:0-10", "a.py:5-15"]);
    let leave_out = [ChunkSpan { path: "a.py".into(), start_line: 0, end_line: 10 }];
    assert_eq!(places(&index, &Query { leave_out: &leave_out, ..query }), ["a.py:5-15"]);
}

#[test]
fn what_is_left_out_is_so_for_every_ranker() {
    let mut index = Index::new(LINES);
    for n in 1..6 {
        index.update_file(&format!("{n}.py"), &"shared ".repeat(n));
    }
    embed_pending(&mut index);
    let embedding: Vec<f32> = vectors_of("shared").rows()[0].numbers().collect();
    let leave_out = [ChunkSpan { path: "3.py".into(), start_line: 0, end_line: 1 }];
    for ranker in Ranker::ALL {
        let query = Query { ranker, embedding: Some(&embedding), ..by_words("main.py", "shared") };
        let mut expected = places(&index, &query);
        assert!(expected.contains(&"3.py:0-1".to_owned()), "{ranker:?}: {expected:?}");
        expected.retain(|place| place != "3.py:0-1");
        let mut found = places(&index, &Query { leave_out: &leave_out, ..query });
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{ranker:?}");
    }
}

#[test]
fn a_blank_query_finds_nothing() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", &numbered("x", 15));
    assert_eq!(places(&index, &by_words("main.py", "  \n +-\n")), Vec::<String>::new());
    assert_eq!(places(&index, &by_words("main.py", "")), Vec::<String>::new());
}

#[test]
fn dense_ranking_is_by_dot_product_among_encoded_chunks() {
    let mut index = Index::new(LINES);
    for n in 1..12 {
        index.update_file(&format!("{n}.py"), &"x".repeat(n));
    }
    embed_pending(&mut index);
    index.update_file("unencoded.py", "new text\n");
    let embedding: Vec<f32> = vectors_of("xxx").rows()[0].numbers().collect();
    let query =
        Query { ranker: Ranker::Dense, embedding: Some(&embedding), top_k: 3, ..by_words("9.py", "") };
    let found = index.retrieve(&query);
    assert_eq!(index.chunk(found[0].id).map(|chunk| &*chunk.text), Some("xxx"));
    assert!((found[0].score - 1.0).abs() < 1e-2 && found[1].score < 1.0);
    assert_eq!(places(&index, &Query { top_k: 100, ..query }).len(), 10, "neither 9.py nor unencoded.py");
}

#[test]
fn hybrid_ranking_puts_what_both_rankers_like_first() {
    let mut index = Index::new(LINES);
    index.update_file("both.py", "alpha beta\n");
    index.update_file("words.py", "alpha beta gamma\n");
    index.update_file("vectors.py", "delta\n");
    let target = vec![1.0, 0.0];
    for (hash, text) in pending(&index) {
        let embedding = match &*text {
            "alpha beta" => [0.8, 0.6],
            "delta" => [1.0, 0.0],
            _ => [-1.0, 0.0],
        };
        index.set_vectors(hash, &Vectors::new(&embedding, [&[0.0][..]]));
    }
    let query =
        Query { ranker: Ranker::Hybrid, embedding: Some(&target), ..by_words("main.py", "alpha beta") };
    assert_eq!(places(&index, &query), ["both.py:0-1", "words.py:0-1", "vectors.py:0-1"]);
    let ranks: Vec<_> =
        index.retrieve(&query).iter().map(|hit| (hit.ranks.lexical, hit.ranks.dense)).collect();
    assert_eq!(ranks, [(Some(1), Some(2)), (Some(2), Some(3)), (None, Some(1))]);
    let by_words = index.retrieve(&by_words("main.py", "alpha beta"));
    let ranks: Vec<_> = by_words.iter().map(|hit| (hit.ranks.lexical, hit.ranks.dense)).collect();
    assert_eq!(ranks, [(Some(1), None), (Some(2), None)]);
}

/// Against the mean of each chunk's parts in 32 bits.
#[test]
fn dense_ranking_finds_what_exact_arithmetic_finds() {
    const WIDTH: usize = 48;
    let mut random = StdRng::seed_from_u64(7);
    let parts = NonZeroUsize::new(4).expect("not none");
    let mut index = Index::in_parts(CHUNKING, parts);
    for n in 0..60 {
        index.update_file(&format!("{n}.py"), &numbered(&format!("f{n}"), 60));
    }
    let mut embeddings: BTreeMap<TextHash, Vec<f32>> = BTreeMap::new();
    for (hash, _) in pending(&index) {
        let embedding: Vec<f32> = (0..WIDTH).map(|_| random.random_range(-1.0..1.0)).collect();
        assert!(index.set_vectors(hash, &Vectors::new(&embedding, [])));
        embeddings.insert(hash, embedding);
    }
    let cosine = |chunk: &Chunk, query: &[f32]| {
        let of_part = |part: Cow<'_, str>| &embeddings[&TextHash::of(&part)];
        let parts: Vec<&Vec<f32>> = chunker::parts(&chunk.text, parts.get()).map(of_part).collect();
        let sum: Vec<f32> = (0..WIDTH).map(|i| parts.iter().map(|part| part[i]).sum()).collect();
        let product: f32 = sum.iter().zip(query).map(|(a, b)| a * b).sum();
        product / sum.iter().map(|x| x * x).sum::<f32>().sqrt()
    };
    let (mut found, queries) = (0, 30);
    for _ in 0..queries {
        let query: Vec<f32> = (0..WIDTH).map(|_| random.random_range(-1.0..1.0)).collect();
        let mut exact: Vec<(f32, String, usize)> = index
            .chunks()
            .map(|chunk| (cosine(chunk, &query), chunk.span.path.clone(), chunk.span.start_line))
            .collect();
        exact.sort_by(|a, b| b.0.total_cmp(&a.0));
        let question = Query { ranker: Ranker::Dense, embedding: Some(&query), ..by_words("", "") };
        for hit in index.retrieve(&question) {
            let chunk = index.chunk(hit.id).expect("a hit is a chunk");
            let length = query.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!((hit.score - cosine(chunk, &query)).abs() < 0.01 * length, "{hit:?}");
            let place = (&chunk.span.path, chunk.span.start_line);
            found += usize::from(exact[..10].iter().any(|(_, path, line)| (path, *line) == place));
        }
    }
    assert!(found >= 97 * queries * 10 / 100, "recall at 10: {found} of {}", queries * 10);
    let narrow = Query { ranker: Ranker::Dense, embedding: Some(&[1.0]), ..by_words("", "") };
    assert_eq!(index.retrieve(&narrow), [], "of another width");
}
