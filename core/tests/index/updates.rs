use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use llavacode_core::index::chunker::parts;
use llavacode_core::index::{Chunk, Index, IndexStats, Query, TextHash, UpdateStats, Vectors};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{
    CHUNKING, by_words, embed_pending, numbered, pending, places, projection_of, random_file, vectors_of,
};

/// Of one text: 19 numbers of an embedding and 3 of a projection, with a scale each.
const VECTOR_BYTES: usize = 22 + 2 * 4;

#[test]
fn a_new_file_is_all_new_and_the_same_again_is_all_kept() {
    let mut index = Index::new(CHUNKING);
    let text = numbered("a", 25);
    assert_eq!(index.update_file("a.py", &text), UpdateStats { added: 4, ..UpdateStats::default() });
    assert_eq!(index.update_file("a.py", &text), UpdateStats { kept: 4, ..UpdateStats::default() });
    assert_eq!(index.stats().chunks, 4);
}

#[test]
fn an_edit_costs_only_the_chunks_it_touches() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", &numbered("a", 100));
    embed_pending(&mut index);
    let stats = index.update_file("a.py", &numbered("a", 100).replace("a_52 = 52", "a_52 = 0"));
    assert_eq!(stats, UpdateStats { kept: 17, added: 2, removed: 2, reused: 0 });
    assert_eq!(index.pending(), 2);
}

#[test]
fn chunks_that_move_keep_their_ids_and_vectors() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", &numbered("a", 20));
    embed_pending(&mut index);
    let hit = index.retrieve(&by_words("main.py", "a_17"))[0];
    index.update_file("a.py", &(numbered("new", 5) + &numbered("a", 20)));
    let chunk = index.chunk(hit.id).expect("it is still there");
    assert_eq!((chunk.span.start_line, chunk.span.end_line), (15, 25));
    assert_eq!(index.projections(hit.id, 0), projection_of(&chunk.text));
    assert_eq!(index.pending(), 1, "only the first chunk is new");
}

#[test]
fn a_renamed_file_is_not_encoded_anew() {
    let mut index = Index::new(CHUNKING);
    index.update_file("old.py", &numbered("a", 40));
    embed_pending(&mut index);
    let stats = index.update_file("new.py", &numbered("a", 40));
    assert_eq!((stats.added, stats.reused), (7, 7));
    index.retain(["new.py"]);
    assert_eq!((index.stats().files, index.stats().pending_parts), (1, 0));

    // The other order, as a file watcher may report it.
    index.remove_file("new.py");
    index.update_file("third.py", &numbered("a", 40));
    assert_eq!(index.stats().pending_parts, 0);
}

#[test]
fn an_id_never_names_another_chunk() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", "first\n");
    let old = index.retrieve(&by_words("main.py", "first"))[0].id;
    index.remove_file("a.py");
    index.update_file("b.py", "second\n");
    assert_eq!(index.chunk(old), None);
    assert_eq!(index.projections(old, 0), None);
    let new = index.retrieve(&by_words("main.py", "second"))[0].id;
    assert!(index.chunk(new).is_some() && new != old);
}

#[test]
fn equal_texts_are_encoded_once() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", "same\n");
    index.update_file("b.py", "same\n");
    let pending = pending(&index);
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0], (TextHash::of("same"), "same".to_owned()));
    embed_pending(&mut index);
    index.remove_file("a.py");
    let stats =
        IndexStats { files: 1, chunks: 1, parts: 1, vector_bytes: VECTOR_BYTES, ..IndexStats::default() };
    assert_eq!(index.stats(), stats);
}

#[test]
fn vectors_that_come_too_late_are_not_kept() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", "before\n");
    let hash = pending(&index)[0].0;
    index.update_file("a.py", "after\n");
    assert!(!index.set_vectors(hash, &vectors_of("before")));
    assert_eq!(index.stats().vector_bytes, 0);
}

#[test]
fn vectors_nobody_uses_go() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", &numbered("a", 50));
    index.update_file("b.py", "b = 1\n");
    embed_pending(&mut index);
    assert_eq!(index.stats().vector_bytes, 10 * VECTOR_BYTES);
    index.retain(["b.py"]);
    assert_eq!(index.stats().vector_bytes, VECTOR_BYTES);

    // Without `retain` too, once there are many.
    for n in 0..10_000 {
        index.update_file("b.py", &format!("b = {n}\n"));
        embed_pending(&mut index);
    }
    assert!(index.stats().vector_bytes < 5000 * VECTOR_BYTES, "{:?}", index.stats());
}

#[test]
fn removing_what_is_not_there_does_nothing() {
    let mut index = Index::new(CHUNKING);
    assert!(!index.remove_file("a.py"));
    index.update_file("a.py", "x\n");
    assert!(index.remove_file("a.py"));
    assert_eq!(index.stats(), IndexStats::default());
}

#[test]
fn after_any_updates_the_index_equals_one_made_anew() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..40 {
        let mut index = Index::new(CHUNKING);
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..40 {
            let path = format!("{}.py", random.random_range(0..6));
            match random.random_range(0..8) {
                0 => {
                    files.remove(&path);
                    index.remove_file(&path);
                }
                1 => {
                    files.retain(|other, _| *other <= path);
                    index.retain(files.keys().map(String::as_str));
                }
                2 => {
                    embed_pending(&mut index);
                }
                _ => {
                    let text = random_file(&mut random);
                    index.update_file(&path, &text);
                    files.insert(path, text);
                }
            }
        }
        embed_pending(&mut index);
        let mut anew = Index::new(CHUNKING);
        files.iter().for_each(|(path, text)| _ = anew.update_file(path, text));
        embed_pending(&mut anew);

        assert!(index.chunks().eq(anew.chunks()));
        assert!(index.paths().eq(files.keys().map(String::as_str)));
        let texts: BTreeSet<TextHash> = index.chunks().map(|chunk| chunk.hash).collect();
        assert_eq!(index.stats().parts, texts.len());
        assert_eq!(
            IndexStats { vector_bytes: 0, ..index.stats() },
            IndexStats { vector_bytes: 0, ..anew.stats() }
        );
        let query = by_words("2.py", "import os\nx = self.area");
        assert_eq!(places(&index, &query), places(&anew, &query));
        for hit in index.retrieve(&query) {
            let text = &index.chunk(hit.id).expect("a hit is a chunk").text;
            assert_eq!(index.projections(hit.id, 0), projection_of(text));
        }
    }
}

/// Against a table that is made from nothing but the chunks that are there.
#[test]
fn a_chunk_has_vectors_once_all_its_parts_have() {
    let mut random = StdRng::seed_from_u64(3);
    for count in [1, 2, 3, 8] {
        let count = NonZeroUsize::new(count).expect("not none");
        let mut index = Index::in_parts(CHUNKING, count);
        let mut embedded = BTreeSet::new();
        for _ in 0..200 {
            let path = format!("{}.py", random.random_range(0..5));
            match random.random_range(0..4) {
                0 => _ = index.remove_file(&path),
                1 => _ = index.update_file(&path, &random_file(&mut random)),
                _ => {
                    let mut pending = pending(&index);
                    pending.truncate(random.random_range(0..20));
                    for (hash, text) in pending {
                        assert!(index.set_vectors(hash, &vectors_of(&text)));
                        embedded.insert(text);
                    }
                }
            }
            let parts_of = |chunk: &Chunk| -> Vec<String> {
                parts(&chunk.text, count.get()).map(|part| part.into_owned()).collect()
            };
            let whole = |chunk: &&Chunk| parts_of(chunk).iter().all(|part| embedded.contains(part));
            let waiting = index.chunks().filter(|chunk| !whole(chunk)).count();
            assert_eq!(index.stats().pending_chunks, waiting);
            let distinct: BTreeSet<String> = index.chunks().flat_map(parts_of).collect();
            assert_eq!(index.stats().parts, distinct.len());

            let query =
                Query { top_k: 1000, ..by_words("", "import os x = self.area radius def y return None") };
            for hit in index.retrieve(&query) {
                let chunk = index.chunk(hit.id).expect("a hit is a chunk");
                let projections: Vec<f32> =
                    parts_of(chunk).iter().filter_map(|part| projection_of(part)).flatten().collect();
                assert_eq!(index.projections(hit.id, 0), whole(&chunk).then_some(projections));
            }
        }
    }
}

#[test]
fn vectors_of_another_width_are_not_kept() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", "a = 1\n");
    index.update_file("b.py", "b = 1\n");
    let pending = pending(&index);
    assert!(index.set_vectors(pending[0].0, &vectors_of("a = 1")));
    assert!(!index.set_vectors(pending[1].0, &Vectors::new(&[1.0], [&[0.5][..]])));
    assert_eq!(index.stats().pending_parts, 1);
}
