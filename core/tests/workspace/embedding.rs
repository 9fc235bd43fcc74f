use std::num::NonZeroUsize;

use llavacode_core::index::{Index, Query, Ranker};
use llavacode_core::workspace::{MemoryCache, VectorCache, Workspace};
use llavacode_core::{Error, Result, index};

use crate::{BATCH, CHUNKING, Embedder, MODEL, embed_all, numbered, vectors_of, workspace};

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
        assert_eq!(second.index().vectors(chunk.hash), Some(vectors_of(&chunk.text)));
    }
}

#[test]
fn vectors_of_other_models_are_not_recalled() {
    let (mut first, embedder) = (workspace(MemoryCache::default()), Embedder::default());
    first.update("a.py", &numbered("a", 40));
    embed_all(&mut first, &embedder);
    let mut other = Workspace::new(Index::new(CHUNKING), "another", first.into_cache());
    other.update("a.py", &numbered("a", 40));
    assert_eq!(embed_all(&mut other, &embedder), (0, 7));
}

#[test]
fn an_end_at_any_moment_loses_nothing_that_was_embedded() {
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
    assert_eq!((visits, embedded), (4, 599));
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
    assert!(ids.iter().all(|&id| workspace.index().projections(id, 0).is_some()));
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
    async fn get_many(&self, _: &str, _: &[index::TextHash]) -> Result<Vec<Option<index::Vectors>>> {
        Err(Error::Storage { reason: "not here".into() })
    }

    async fn put_many(&mut self, model: &str, _: &[(index::TextHash, &index::Vectors)]) -> Result<()> {
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

#[test]
fn parts_that_chunks_share_are_embedded_once() {
    let parts = NonZeroUsize::new(8).expect("not none");
    let mut workspace = Workspace::new(Index::in_parts(CHUNKING, parts), MODEL, MemoryCache::default());
    let embedder = Embedder::default();
    workspace.update("a.py", &numbered("a", 100));
    // 19 chunks of 8 parts; each half is the next chunk's, so that 20 halves of 4 parts remain.
    let (recalled, embedded) = embed_all(&mut workspace, &embedder);
    assert_eq!((recalled, embedded, workspace.waiting()), (0, 80, 0));
    let stats = workspace.index().stats();
    assert_eq!((stats.chunks, stats.parts, stats.pending_parts), (19, 80, 0));
    // A line of the middle stands in two chunks, in one part.
    workspace.update("a.py", &numbered("a", 100).replace("a_52 = 52", "a_52 = 0"));
    assert_eq!(workspace.waiting(), 2);
    assert_eq!(embed_all(&mut workspace, &embedder), (0, 1));
    // In the queue's order each chunk is whole as soon as its own parts are embedded.
    let lines: usize = embedder.seen.borrow().iter().map(|part| part.lines().count()).sum();
    assert_eq!(lines, 100 + 1);
}

#[test]
fn what_is_near_the_open_file_is_embedded_first() {
    let (mut workspace, embedder) = (workspace(MemoryCache::new(0)), Embedder::default());
    let main = "from far.away import helper\nmain = 1\n";
    let files =
        [("a/first.py", "first = 1\n"), ("far/away.py", "away = 1\n"), ("z/beside.py", "beside = 1\n")];
    workspace.set_files(files.into_iter().chain([("z/main.py", main)]));
    let order = |embedder: &Embedder| -> Vec<String> {
        let seen = embedder.seen.borrow_mut().drain(..).collect::<Vec<_>>();
        seen.iter().filter_map(|text| text.lines().last()).map(str::to_owned).collect()
    };
    workspace.focus("z/main.py");
    embed_all(&mut workspace, &embedder);
    assert_eq!(order(&embedder), ["main = 1", "away = 1", "beside = 1", "first = 1"]);
    // Files that come later are put in the same order.
    let renamed = files.map(|(path, text)| (path, text.replace("= 1", "= 2")));
    workspace.set_files(renamed.iter().map(|(path, text)| (*path, &**text)).chain([("z/main.py", main)]));
    embed_all(&mut workspace, &embedder);
    assert_eq!(order(&embedder), ["away = 2", "beside = 2", "first = 2"]);
}
