use llavacode_core::index::{Query, Ranker};
use llavacode_core::workspace::{MemoryCache, VectorCache};
use llavacode_core::{Error, Result, index};

use crate::{BATCH, Embedder, MODEL, embed_all, numbered, vectors_of, workspace};

#[test]
fn a_renamed_file_is_not_embedded_anew() {
    let (mut workspace, embedder) = (workspace(MemoryCache::new(0)), Embedder::default());
    let text = numbered("a", 40);
    workspace.set_files([("old.py", &*text), ("stays.py", "x = 1\n")]);
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 8));
    workspace.set_files([("new.py", &*text), ("stays.py", "x = 1\n")]);
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 0));
    assert_eq!(workspace.index().paths().collect::<Vec<_>>(), ["new.py", "stays.py"]);
}

#[test]
fn what_was_kept_is_recalled_at_the_next_visit_and_in_another_project() {
    let (mut first, embedder) = (workspace(MemoryCache::default()), Embedder::default());
    first.set_files([("a.py", &*numbered("a", 400)), ("b.py", &*numbered("b", 100))]);
    let (_, embedded) = embed_all(&mut first, &embedder);
    let mut second = workspace(first.into_cache());
    second.set_files([("other/a.py", &*numbered("a", 400)), ("new.py", &*numbered("n", 100))]);
    assert_eq!(embed_all(&mut second, &embedder), (79, 19));
    assert_eq!(embedded, 79 + 19);
    for chunk in second.index().chunks() {
        assert_eq!(second.index().vectors(chunk.hash), Some(&vectors_of(&chunk.text)));
    }
}

#[test]
fn vectors_of_other_models_are_not_recalled() {
    let (mut first, embedder) = (workspace(MemoryCache::default()), Embedder::default());
    first.update("a.py", &numbered("a", 40));
    embed_all(&mut first, &embedder);
    let mut other = llavacode_core::workspace::Workspace::new(crate::CHUNKING, "another", first.into_cache());
    other.update("a.py", &numbered("a", 40));
    assert_eq!(embed_all(&mut other, &embedder), (0, 7));
}

#[test]
fn an_end_at_any_moment_loses_one_flush_at_most() {
    let text = numbered("a", 3000);
    let mut cache = MemoryCache::default();
    let (embedder, mut visits, mut embedded) = (Embedder::default(), 0, 0);
    loop {
        let mut workspace = workspace(cache.clone());
        workspace.set_files([("a.py", &*text)]);
        // So many steps, then the tab is closed without a word.
        for _ in 0..20 {
            pollster::block_on(workspace.embed_next(&embedder, BATCH)).expect("it embeds");
        }
        let left = workspace.waiting();
        cache = workspace.into_cache();
        embedded += embedder.count();
        visits += 1;
        if left == 0 {
            break;
        }
        assert!(visits < 20, "it does not get on");
    }
    // 599 texts; each visit but the last may have lost up to 63 of them.
    assert!(visits >= 3 && embedded <= 599 + (visits - 1) * 64, "{visits} visits embedded {embedded}");
}

#[test]
fn edits_while_embedding_goes_on_are_all_taken_in() {
    let (mut workspace, embedder) = (workspace(MemoryCache::default()), Embedder::default());
    workspace.set_files([("a.py", &*numbered("a", 300)), ("b.py", &*numbered("b", 300))]);
    pollster::block_on(workspace.embed_next(&embedder, BATCH)).expect("it embeds");
    workspace.update("a.py", &numbered("a", 300).replace("a_7 = 7", "a_7 = 'new'"));
    workspace.update("b.py", &numbered("b", 300).replace("b_9 = 9", "b_9 = 'new'"));
    embed_all(&mut workspace, &embedder);
    assert_eq!(workspace.waiting(), 0);
    let seen = embedder.seen.borrow().concat();
    assert!(seen.contains("a_7 = 'new'") && seen.contains("b_9 = 'new'"));
}

#[test]
fn what_no_chunk_has_any_longer_is_not_embedded() {
    let (mut workspace, embedder) = (workspace(MemoryCache::default()), Embedder::default());
    workspace.update("a.py", &numbered("a", 300));
    workspace.update("a.py", "only = 'this'\n");
    assert_eq!(workspace.waiting(), 1);
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 1));
    workspace.update("b.py", &numbered("b", 300));
    assert!(workspace.remove("b.py"));
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 0));
}

#[test]
fn a_device_that_fails_costs_nothing_but_the_step() {
    let (mut workspace, embedder) = (workspace(MemoryCache::default()), Embedder::default());
    workspace.update("a.py", &numbered("a", 100));
    embedder.fails.set(true);
    let failed = pollster::block_on(workspace.embed_next(&embedder, BATCH));
    assert!(matches!(failed, Err(Error::Device { .. })));
    assert_eq!(workspace.waiting(), 19);
    embedder.fails.set(false);
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 19));
    let first = embedder.seen.borrow()[0].clone();
    assert!(first.starts_with("a_0 = 0"), "the same order as before: {first}");
}

#[test]
fn what_a_completion_uses_is_embedded_ahead_of_the_queue() {
    let (mut first, embedder) = (workspace(MemoryCache::default()), Embedder::default());
    first.update("kept.py", "kept = 'before'\n");
    embed_all(&mut first, &embedder);
    let mut workspace = workspace(first.into_cache());
    workspace.update("a.py", &numbered("a", 100));
    workspace.update("kept.py", "kept = 'before'\n");
    workspace.update("z.py", "wanted = 'now'\n");
    embedder.count();
    let query = Query {
        path: "",
        prefix: "wanted now kept before",
        same_file: None,
        top_k: 10,
        ranker: Ranker::Jaccard,
    };
    let ids: Vec<_> = workspace.index().retrieve(&query).iter().map(|hit| hit.id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(pollster::block_on(workspace.embed_now(&embedder, &ids)), Ok(1), "one of them was kept");
    assert_eq!(*embedder.seen.borrow(), ["wanted = 'now'"]);
    assert!(ids.iter().all(|&id| workspace.index().projections(id).is_some()));
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 19), "neither is embedded again");
}

#[test]
fn without_an_encoder_nothing_waits_for_ever() {
    let (mut workspace, embedder) =
        (workspace(MemoryCache::default()), Embedder { absent: true, ..Embedder::default() });
    workspace.update("a.py", &numbered("a", 100));
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 0));
    assert_eq!(workspace.index().stats().chunks, 19);
}

/// A cache that refuses, as a browser's storage does in some private windows.
struct Refusing;

impl VectorCache for Refusing {
    async fn get_many(&self, _: &str, _: &[index::ChunkHash]) -> Result<Vec<Option<index::Vectors>>> {
        Err(Error::Storage { reason: "not here".into() })
    }

    async fn put_many(&mut self, model: &str, _: &[(index::ChunkHash, &index::Vectors)]) -> Result<()> {
        assert_eq!(model, MODEL);
        Err(Error::Storage { reason: "nor there".into() })
    }
}

#[test]
fn a_cache_that_refuses_stops_nothing_and_is_told() {
    let (mut workspace, embedder) = (workspace(Refusing), Embedder::default());
    workspace.update("a.py", &numbered("a", 100));
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 19));
    assert_eq!(workspace.take_refusal(), Some(Error::Storage { reason: "nor there".into() }));
    assert_eq!(workspace.take_refusal(), None);
}
