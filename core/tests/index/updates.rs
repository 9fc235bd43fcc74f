use std::collections::{BTreeMap, BTreeSet};

use llavacode_core::index::{ChunkHash, Index, IndexStats, UpdateStats};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{CHUNKING, by_words, embed_pending, numbered, pending, places, random_file, vectors_of};

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
    assert_eq!((chunk.place.start_line, chunk.place.end_line), (15, 25));
    assert_eq!(index.projections(hit.id), Some(&*vectors_of(&chunk.text).projections));
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
    assert_eq!((index.stats().files, index.stats().pending), (1, 0));

    // The other order, as a file watcher may report it.
    index.remove_file("new.py");
    index.update_file("third.py", &numbered("a", 40));
    assert_eq!(index.stats().pending, 0);
}

#[test]
fn an_id_never_names_another_chunk() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", "first\n");
    let old = index.retrieve(&by_words("main.py", "first"))[0].id;
    index.remove_file("a.py");
    index.update_file("b.py", "second\n");
    assert_eq!(index.chunk(old), None);
    assert_eq!(index.projections(old), None);
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
    assert_eq!(pending[0].hash, ChunkHash::of("same"));
    embed_pending(&mut index);
    index.remove_file("a.py");
    assert_eq!(index.stats(), IndexStats { files: 1, chunks: 1, texts: 1, pending: 0, vector_bytes: 22 * 4 });
}

#[test]
fn vectors_that_come_too_late_are_not_kept() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", "before\n");
    let hash = pending(&index)[0].hash;
    index.update_file("a.py", "after\n");
    assert!(!index.set_vectors(hash, vectors_of("before")));
    assert_eq!(index.stats().vector_bytes, 0);
}

#[test]
fn vectors_nobody_uses_go() {
    let mut index = Index::new(CHUNKING);
    index.update_file("a.py", &numbered("a", 50));
    index.update_file("b.py", "b = 1\n");
    embed_pending(&mut index);
    assert_eq!(index.stats().vector_bytes, 10 * 22 * 4);
    index.retain(["b.py"]);
    assert_eq!(index.stats().vector_bytes, 22 * 4);

    // Without `retain` too, once there are many.
    for n in 0..2000 {
        index.update_file("b.py", &format!("b = {n}\n"));
        embed_pending(&mut index);
    }
    assert!(index.stats().vector_bytes < 600 * 22 * 4, "{:?}", index.stats());
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
        let texts: BTreeSet<ChunkHash> = index.chunks().map(|chunk| chunk.hash).collect();
        assert_eq!(index.stats().texts, texts.len());
        assert_eq!(
            IndexStats { vector_bytes: 0, ..index.stats() },
            IndexStats { vector_bytes: 0, ..anew.stats() }
        );
        let query = by_words("2.py", "import os\nx = self.area");
        assert_eq!(places(&index, &query), places(&anew, &query));
        for hit in index.retrieve(&query) {
            let text = &index.chunk(hit.id).expect("a hit is a chunk").text;
            assert_eq!(index.projections(hit.id), Some(&*vectors_of(text).projections));
        }
    }
}
