//! Vectors that somebody else has made, in a folder on a server or in files that the user chose.

use llavacode_core::{
    Device,
    bundle::read_manifest,
    engine::{Engine, NativeHost},
    index::Index,
    weights::{FolderFiles, sha256_hex},
    workspace::{SHARED_MANIFEST, SharedPlan},
};
use llavacode_protocol::{Envelope, Event, IndexInfo, Request, RequestId, SharedPlace, SourceFile};
use llavacode_worker::Beside;

use crate::{
    desk::{Desk, bundle_folder, update},
    file,
};

/// Texts of a shard.
const PER_SHARD: usize = 2;

fn named(names: &[&str]) -> Vec<SourceFile> {
    names.iter().map(|name| file(name)).collect()
}

/// The files of an index of these sources, as they stand beside a request.
fn index_of(sources: &[SourceFile]) -> Vec<Beside<Vec<u8>>> {
    pollster::block_on(async {
        let bundle = FolderFiles { root: bundle_folder().into() };
        let manifest = read_manifest(&bundle).await.expect("a manifest");
        let mut index = Index::in_parts(manifest.chunking, manifest.prompt.soft_tokens);
        sources.iter().for_each(|file| _ = index.update_file(&file.path, &file.text));
        let plan = SharedPlan::new(&manifest, &index, PER_SHARD);
        let host = NativeHost::default();
        let engine = Engine::load_models(&bundle, manifest, &Device::flex(), host, |_| ())
            .await
            .expect("the bundle loads");
        let (mut files, mut made) = (Vec::new(), Vec::new());
        for shard in 0..plan.shards() {
            let bytes = plan.make(shard, &engine, PER_SHARD, |_| ()).await.expect("vectors");
            made.push((bytes.len() as u64, sha256_hex(&bytes)));
            files.push(Beside { path: SharedPlan::file(shard), file: bytes });
        }
        let (directory, bytes) = plan.directory();
        files.push(Beside { path: directory.into(), file: bytes });
        let manifest = serde_json::to_vec(&plan.manifest(made)).expect("JSON");
        files.push(Beside { path: SHARED_MANIFEST.into(), file: manifest });
        files
    })
}

fn index(sources: Vec<SourceFile>, shared: Option<SharedPlace>) -> Request {
    Request::Index { workspace: "team".into(), files: sources, shared }
}

fn chosen(choice: u32) -> Option<SharedPlace> {
    Some(SharedPlace::Files { choice })
}

/// Indexes with chosen files, and says what came of it and what was told.
fn index_with(
    desk: &Desk,
    id: RequestId,
    sources: Vec<SourceFile>,
    files: Vec<Beside<Vec<u8>>>,
) -> (IndexInfo, Vec<String>) {
    desk.ask_with(id, index(sources, chosen(id)), files);
    (desk.indexed(id), notices(desk, id))
}

fn notices(desk: &Desk, id: RequestId) -> Vec<String> {
    let notice = |event: Event| match event {
        Event::Notice { message } => Some(message),
        _ => None,
    };
    desk.of(id).into_iter().filter_map(notice).collect()
}

#[test]
fn one_that_is_not_there_is_told_and_done_without() {
    let desk = Desk::with_files(named(&["Circle"]));
    let nowhere = SharedPlace::Url { url: "/nowhere/".into() };
    desk.ask(3, index(named(&["Square"]), Some(nowhere)));
    let told = notices(&desk, 3);
    assert!(told.len() == 1 && told[0].contains("/nowhere/index.json cannot be read"), "{told:?}");
    let info = desk.indexed(3);
    assert_eq!((info.chunks, info.embedded, info.shared, info.persisted), (1, 1, None, true));
}

#[test]
fn one_of_chosen_files_is_read_shard_by_shard_in_the_place_of_computing_it() {
    let team: Vec<SourceFile> = (0..24).map(|number| file(&format!("Shape{number}"))).collect();
    let files = index_of(&team);
    let desk = Desk::ready();
    let (info, told) = index_with(&desk, 2, team[..2].to_vec(), files.clone());
    assert!(told.is_empty(), "{told:?}");
    assert_eq!((info.embedded, info.persisted), (0, true));
    assert!(info.shared.is_some_and(|parts| parts > 0), "{info:?}");
    let read = desk.0.read.get();
    assert!(read > 2 && read < files.len(), "{read} of {} files were read for two of 24", files.len());

    // An edit is computed; the same choice goes on to be read.
    desk.ask(3, update("team", file("Edited")));
    assert_eq!(desk.indexed(3).embedded, 1);
    desk.ask_with(4, index(team[..4].to_vec(), chosen(2)), files);
    let again = desk.indexed(4);
    assert_eq!(again.embedded, 0);
    assert!(again.shared > info.shared, "{again:?} after {info:?}");

    // Without the files it is done without; what they gave is kept.
    desk.ask(5, index(team[..4].to_vec(), None));
    let without = desk.indexed(5);
    assert_eq!((without.embedded, without.shared, without.persisted), (0, None, true));
}

#[test]
fn another_choice_takes_the_place_of_the_one_before() {
    let desk = Desk::ready();
    let (info, told) = index_with(&desk, 2, named(&["Circle"]), index_of(&named(&["Square"])));
    assert_eq!((info.embedded, told.len()), (1, 0), "{told:?}");
    let (info, told) = index_with(&desk, 3, named(&["Ring", "Circle"]), index_of(&named(&["Ring"])));
    assert_eq!((info.embedded, told.len()), (0, 0), "{told:?}");
    assert!(info.shared.is_some_and(|parts| parts > 0), "{info:?}");
}

#[test]
fn what_is_missing_or_gone_of_chosen_files_is_told_with_what_to_do() {
    let sources = named(&["Circle", "Square", "Ring"]);
    let files = index_of(&sources);
    let shards = files.iter().filter(|file| file.path.ends_with(".shard")).count();
    assert!(shards > 2, "{shards} shards");
    let desk = Desk::ready();
    let without = |names: &[&str]| -> Vec<Beside<Vec<u8>>> {
        files.iter().filter(|file| !names.contains(&file.path.as_str())).cloned().collect()
    };
    let one = format!("00001.shard, one of its {shards} shards, is not among the files you chose");
    let two = format!("2 of its {shards} shards are not among the files you chose, 00000.shard first");
    let mut grown = files.clone();
    grown.iter_mut().filter(|file| file.path == "texts.bin").for_each(|file| file.file.push(0));
    let cases = [
        (
            without(&[SHARED_MANIFEST]),
            "index.json is not among the files you chose: choose the index's folder",
        ),
        (without(&["texts.bin"]), "texts.bin is not among the files you chose"),
        (without(&["00001.shard"]), one.as_str()),
        (without(&["00000.shard", "00001.shard"]), two.as_str()),
        (Vec::new(), "index.json is not among the files you chose"),
        (grown, "texts.bin is too long"),
    ];
    for (id, (files, sentence)) in (10..).zip(cases) {
        let (info, told) = index_with(&desk, id, sources.clone(), files);
        assert!(told.len() == 1 && told[0].contains(sentence), "{sentence:?}: {told:?}");
        assert_eq!((info.chunks, info.shared, info.persisted), (sources.len(), None, true), "{sentence}");
    }

    desk.0.unreadable.set(true);
    let (_, told) = index_with(&desk, 20, sources, files);
    let sentence = "index.json cannot be read (it has changed): choose the files again";
    assert!(told.len() == 1 && told[0].contains(sentence), "{told:?}");
}

#[test]
fn where_it_is_survives_the_way_to_the_worker() {
    for shared in [None, chosen(7), Some(SharedPlace::Url { url: "https://a.example/team/".into() })] {
        let envelope = Envelope { id: 1, request: index(named(&["Circle"]), shared.clone()) };
        let posted = serde_json::to_value(&envelope).expect("JSON");
        let Envelope { id: 1, request: Request::Index { workspace, files, shared: read } } =
            serde_json::from_value(posted.clone()).expect("an envelope")
        else {
            panic!("{posted} is another request")
        };
        assert_eq!((workspace.as_str(), files, read), ("team", named(&["Circle"]), shared));
    }
    // What an older page posts has no such field.
    let posted = serde_json::json!({ "request": "index", "workspace": "w", "files": [] });
    let read: Request = serde_json::from_value(posted).expect("a request");
    assert!(matches!(read, Request::Index { shared: None, .. }), "{read:?}");
}
