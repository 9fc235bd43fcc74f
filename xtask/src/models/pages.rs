//! The models of a built page.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::store::{FILE, State, Store, create_parent, remove_file};
use super::{KNOWN, Model};

/// Makes the models in a page's folder those of the store, and names them in `models/index.json`:
/// a page on any server learns from there which it can load.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn place(store: &Store, page: &Path) -> Result<()> {
    place_each(&KNOWN, store, page)
}

fn place_each(models: &[Model], store: &Store, page: &Path) -> Result<()> {
    let folder = page.join("models");
    let mut index = Map::new();
    for model in models {
        let file = folder.join(model.name).join(FILE);
        remove_file(&file)?;
        if store.state(model) == State::Here {
            create_parent(&file)?;
            link(&store.path(model), &file)?;
            index.insert(model.name.into(), entry(&folder.join(model.name))?);
        }
    }
    let file = folder.join("index.json");
    create_parent(&file)?;
    fs::write(&file, format!("{:#}\n", Value::from(index)))
        .with_context(|| format!("{} could not be written", file.display()))
}

/// What the index says of a bundle: bytes of the files that its manifest names, which are the model that was
/// fetched and what the repository adds to it, and the format that the reader's matrices are kept in, where the
/// manifest chooses one.
fn entry(bundle: &Path) -> Result<Value> {
    let path = bundle.join("bundle.json");
    let unusable = || format!("{} is no bundle's manifest", path.display());
    let manifest: Value =
        serde_json::from_slice(&fs::read(&path).with_context(unusable)?).with_context(unusable)?;
    let files = manifest["files"].as_object().with_context(unusable)?;
    let bytes: u64 =
        files.values().map(|file| file["bytes"].as_u64().with_context(unusable)).sum::<Result<_>>()?;
    Ok(match &manifest["quantization"]["reader_linear"] {
        Value::String(format) => json!({ "bytes": bytes, "reader_linear": format }),
        _ => json!({ "bytes": bytes }),
    })
}

/// The same file under another name where that can be. Not by a symbolic link: a page that is put
/// on a server would point to nowhere.
fn link(from: &Path, to: &Path) -> Result<()> {
    fs::hard_link(from, to)
        .or_else(|_| fs::copy(from, to).map(drop))
        .with_context(|| format!("{} could not be put into the page", from.display()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::small;
    use super::*;

    #[test]
    fn a_page_has_the_models_that_are_here() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("store"));
        let page = folder.path().join("page");
        let models = [small(b"weights")];
        let file = page.join("models/small/reader/model.gguf");
        let index = || -> Value {
            serde_json::from_slice(&fs::read(page.join("models/index.json")).unwrap()).unwrap()
        };

        place_each(&models, &store, &page).unwrap();
        assert_eq!(index(), json!({}));
        assert!(!file.exists());

        let manifest = page.join("models/small/bundle.json");
        create_parent(&manifest).unwrap();
        let files = json!({ "reader/model.gguf": { "bytes": 7 }, "adapter": { "bytes": 5 } });
        let adapted = json!({ "files": files, "quantization": { "reader_linear": "q8" } });
        fs::write(&manifest, adapted.to_string()).unwrap();

        let kept = store.path(&models[0]);
        create_parent(&kept).unwrap();
        fs::write(&kept, b"weights").unwrap();
        // Again and again, as trunk builds.
        for _ in 0..2 {
            place_each(&models, &store, &page).unwrap();
        }
        assert_eq!(index(), json!({ "small": { "bytes": 12, "reader_linear": "q8" } }));
        fs::write(&manifest, json!({ "files": files }).to_string()).unwrap();
        place_each(&models, &store, &page).unwrap();
        assert_eq!(index(), json!({ "small": { "bytes": 12 } }));
        assert_eq!(fs::read(&file).unwrap(), b"weights");
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let inode = |path: &Path| fs::metadata(path).unwrap().ino();
            assert_eq!(inode(&file), inode(&kept), "it was copied");
        }

        fs::write(&manifest, "{}").unwrap();
        let error = place_each(&models, &store, &page).unwrap_err().to_string();
        assert!(error.contains("bundle.json is no bundle's manifest"), "{error}");

        store.remove(&models[0]).unwrap();
        place_each(&models, &store, &page).unwrap();
        assert_eq!(index(), json!({}));
        assert!(!file.exists());
    }
}
