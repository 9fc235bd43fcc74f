//! Vectors that somebody else has made.

use std::fs;
use std::path::Path;

use llavacode_core::Error;
use llavacode_core::bundle::{manifest_of, model_key};
use llavacode_core::config::BundleManifest;
use llavacode_core::index::Index;
use llavacode_core::weights::sha256_hex;
use llavacode_core::workspace::{
    MemoryCache, SHARED_MANIFEST, SharedFolder, SharedIndex, SharedManifest, SharedPlan, Workspace,
};

use crate::{BATCH, CHUNKING, Embedder, embed_all, numbered};

/// Texts of a shard.
const PER_SHARD: usize = 4;

fn bundle() -> BundleManifest {
    let mut manifest = manifest_of([].into());
    manifest.name = "a model".into();
    manifest
}

fn files() -> Vec<(String, String)> {
    (0..6).map(|number| (format!("{number}.py"), numbered(&format!("n{number}"), 25))).collect()
}

/// Builds the index of all files into a folder, and says how many texts it has.
fn build(folder: &Path) -> usize {
    let mut index = Index::new(CHUNKING);
    files().iter().for_each(|(path, text)| _ = index.update_file(path, text));
    let plan = SharedPlan::new(&bundle(), &index, PER_SHARD);
    let made = (0..plan.shards()).map(|shard| {
        let bytes = pollster::block_on(plan.make(shard, &Embedder::default(), 3, |_| ())).unwrap();
        assert!(plan.is_whole(shard, &bytes) && !plan.is_whole(shard, &bytes[..bytes.len() - 1]));
        fs::write(folder.join(SharedPlan::file(shard)), &bytes).unwrap();
        (bytes.len() as u64, sha256_hex(&bytes))
    });
    let manifest = plan.manifest(made.collect::<Vec<_>>());
    let (name, directory) = plan.directory();
    fs::write(folder.join(name), directory).unwrap();
    write_manifest(folder, &manifest);
    plan.texts()
}

fn write_manifest(folder: &Path, manifest: &SharedManifest) {
    fs::write(folder.join(SHARED_MANIFEST), serde_json::to_string(manifest).unwrap()).unwrap();
}

fn manifest(folder: &Path) -> SharedManifest {
    serde_json::from_slice(&fs::read(folder.join(SHARED_MANIFEST)).unwrap()).unwrap()
}

fn open(folder: &Path) -> Result<SharedIndex, Error> {
    // As wide as those that the embedder makes.
    open_with(folder, [2, 3])
}

fn open_with(folder: &Path, widths: [usize; 2]) -> Result<SharedIndex, Error> {
    let source = Box::new(SharedFolder { folder: folder.into() });
    pollster::block_on(SharedIndex::open(source, &model_key(&bundle()), widths.into()))
}

fn workspace(shared: Option<SharedIndex>, cache: MemoryCache) -> Workspace<MemoryCache> {
    let mut workspace = Workspace::new(Index::new(CHUNKING), model_key(&bundle()), cache);
    workspace.set_shared(shared);
    workspace
}

#[test]
fn what_is_shared_is_not_embedded_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let texts = build(folder.path());
    let mut workspace = workspace(Some(open(folder.path()).unwrap()), MemoryCache::default());
    let mut files = files();
    files.push(("mine.py".into(), numbered("mine", 10)));
    workspace.set_files(files.iter().map(|(path, text)| (&path[..], &text[..])));
    let embedder = Embedder::default();
    assert_eq!(embed_all(&mut workspace, &embedder), (texts, 1), "only what is not shared");
    assert_eq!(workspace.shared().unwrap().given(), texts);
    assert_eq!(workspace.take_refusal().map(|error| error.to_string()), None);

    // The next visit needs nobody.
    let mut again = self::workspace(None, workspace.into_cache());
    again.set_files(files.iter().map(|(path, text)| (&path[..], &text[..])));
    assert_eq!(embed_all(&mut again, &embedder), (texts + 1, 0));
}

#[test]
fn vectors_of_other_widths_are_made_here() {
    let folder = tempfile::tempdir().unwrap();
    let texts = build(folder.path());
    let shared = open_with(folder.path(), [2, 4]).unwrap();
    let mut workspace = workspace(Some(shared), MemoryCache::default());
    let files = files();
    workspace.set_files(files.iter().map(|(path, text)| (&path[..], &text[..])));
    let embedder = Embedder::default();
    assert_eq!(embed_all(&mut workspace, &embedder), (0, texts));
    assert_eq!(workspace.shared().unwrap().given(), 0);
}

#[test]
fn only_the_shards_that_are_needed_are_read() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path());
    let shards = manifest(folder.path()).shards.len();
    let mut workspace = workspace(Some(open(folder.path()).unwrap()), MemoryCache::default());
    let (path, text) = &files()[2];
    workspace.update(path, text);
    let embedder = Embedder::default();
    let (recalled, embedded) = embed_all(&mut workspace, &embedder);
    assert_eq!(embedded, 0);
    let read = workspace.shared().unwrap().shards_read();
    assert!(read <= recalled.div_ceil(PER_SHARD) + 1 && read < shards, "{read} of {shards} shards were read");
}

#[test]
fn an_index_of_other_models_another_version_or_another_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(open(folder.path()).unwrap_err().to_string().contains("index.json cannot be read"));
    build(folder.path());
    let whole = manifest(folder.path());
    let refused = |change: &dyn Fn(&mut SharedManifest)| {
        let mut manifest = whole.clone();
        change(&mut manifest);
        write_manifest(folder.path(), &manifest);
        open(folder.path()).expect_err("it is taken").to_string()
    };
    assert!(
        refused(&|manifest| manifest.models = "others".into()).contains("made by a model, by other models")
    );
    assert!(refused(&|manifest| manifest.format = 2).contains("of version 2, and this program reads 1"));
    for name in ["../secret", "a/b", "", ".hidden", "https://elsewhere"] {
        assert!(
            refused(&|manifest| manifest.shards[0].file = name.into()).contains("may not have"),
            "{name:?}"
        );
    }
    assert!(refused(&|manifest| manifest.shards.truncate(1)).contains("no directory of its shards"));
    assert!(refused(&|manifest| manifest.texts.sha256 = "0".into()).contains("not what its manifest says"));
    fs::write(folder.path().join(SHARED_MANIFEST), "<!doctype html>").unwrap();
    assert!(open(folder.path()).unwrap_err().to_string().contains("describes none"));
}

#[test]
fn a_shard_that_is_damaged_or_gone_is_told_once_and_made_here() {
    for damage in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let texts = build(folder.path());
        let shard = folder.path().join(SharedPlan::file(1));
        if damage {
            let mut bytes = fs::read(&shard).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(&shard, bytes).unwrap();
        } else {
            fs::remove_file(&shard).unwrap();
        }
        let mut workspace = workspace(Some(open(folder.path()).unwrap()), MemoryCache::default());
        let files = files();
        workspace.set_files(files.iter().map(|(path, text)| (&path[..], &text[..])));
        let embedder = Embedder::default();
        let (recalled, embedded) = embed_all(&mut workspace, &embedder);
        assert_eq!(recalled + embedded, texts);
        assert!(embedded >= PER_SHARD, "{embedded} of {texts} were embedded, {BATCH} at once");
        let told = workspace.take_refusal().expect("it is told").to_string();
        assert!(told.contains("the shared index is not used"), "{told}");
        assert!(workspace.take_refusal().is_none() && workspace.shared().is_none());
    }
}
