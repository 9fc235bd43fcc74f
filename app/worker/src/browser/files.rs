//! A bundle's files in the browser: fetched, or chosen by the user. Either way a `Blob`, which the
//! browser keeps outside the worker's memory and hands out in ranges.

use std::{collections::BTreeMap, ops::Range};

use js_sys::{Array, Reflect, Uint8Array};
use llavacode_browser::{
    answer, describe,
    model_store::{name_of, opfs},
};
use llavacode_core::{
    Error, Result,
    bundle::{arrange, manifest_of, read_manifest},
    config::BundleManifest,
    weights::{BundleFiles, ByteSource},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, Response};

use super::host::scope;
use crate::Beside;

/// Bytes of one file.
#[derive(Clone)]
pub struct BlobSource {
    file: String,
    blob: Blob,
}

impl ByteSource for BlobSource {
    async fn len(&self) -> Result<u64> {
        Ok(self.blob.size() as u64)
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let failed = |error| Error::Read { file: self.file.clone(), reason: describe(error) };
        let slice = self.blob.slice_with_f64_and_f64(range.start as f64, range.end as f64).map_err(failed)?;
        let buffer = JsFuture::from(slice.array_buffer()).await.map_err(failed)?;
        Ok(Uint8Array::new(&buffer).to_vec())
    }
}

/// Where a bundle's folder is.
pub enum BrowserFiles {
    /// Below a URL that ends in `/`.
    Url(String),
    /// Among files the user chose, by the end of their path.
    Chosen(Vec<Beside<File>>),
    /// Checkpoints without a manifest, by their place in a bundle.
    Checkpoints(BTreeMap<String, BlobSource>),
}

impl BrowserFiles {
    /// GGUF files at these addresses.
    ///
    /// # Errors
    /// [`Error::Read`] if one is not in the store and cannot be fetched.
    pub(super) async fn gguf(reader: &str, encoder: Option<&str>) -> Result<Self> {
        let mut sources = BTreeMap::new();
        let places = [("reader/model.gguf", Some(reader)), ("encoder/model.gguf", encoder)];
        for (place, url) in places.into_iter().filter_map(|(place, url)| Some((place, url?))) {
            let file = name_of(url).to_owned();
            let blob = find(url).await.map_err(|reason| Error::Read { file: file.clone(), reason })?;
            sources.insert(place.to_owned(), BlobSource { file, blob });
        }
        Ok(Self::Checkpoints(sources))
    }

    /// Files a user chose: a bundle, or checkpoints without a manifest.
    pub(super) fn chosen(files: Vec<Beside<File>>) -> Self {
        let places = arrange(files.iter().map(|chosen| chosen.path.as_str()));
        if places.is_empty() {
            return Self::Chosen(files);
        }
        let source = |(place, path): (String, String)| {
            let chosen = files.iter().find(|chosen| chosen.path == path)?;
            Some((place, BlobSource { file: path, blob: Blob::from(chosen.file.clone()) }))
        };
        Self::Checkpoints(places.into_iter().filter_map(source).collect())
    }

    /// The manifest: the bundle's own, or one made for checkpoints that have none.
    ///
    /// # Errors
    /// As [`read_manifest`].
    pub(super) async fn manifest(&self) -> Result<BundleManifest> {
        let Self::Checkpoints(sources) = self else { return read_manifest(self).await };
        let sizes = sources.iter().map(|(place, source)| (place.clone(), source.blob.size() as u64));
        let mut manifest = manifest_of(sizes.collect());
        let (lora, others): (Vec<_>, Vec<_>) =
            sources.iter().partition(|(place, _)| place.contains("/adapter_"));
        let mut names: Vec<&str> = others.iter().map(|(_, source)| source.file.as_str()).collect();
        if !lora.is_empty() {
            names.push("LoRA");
        }
        let lanes = match sources.keys().any(|place| place.starts_with("projector")) {
            true => "",
            false => {
                " Without a projector it runs the lanes base and full RAG; the README says how one is trained."
            }
        };
        manifest.description = format!("{}, as you brought it.{lanes}", names.join(" with "));
        Ok(manifest)
    }
}

impl BundleFiles for BrowserFiles {
    type Source = BlobSource;

    async fn open(&self, path: &str) -> Result<BlobSource> {
        let blob = match self {
            Self::Url(base) => find(&format!("{base}{path}")).await,
            Self::Chosen(files) => choose(files, path),
            Self::Checkpoints(sources) => {
                sources.get(path).map(|source| source.blob.clone()).ok_or("it is not there".into())
            }
        };
        let file = path.to_owned();
        match blob {
            Ok(blob) => Ok(BlobSource { file, blob }),
            Err(reason) => Err(Error::Read { file, reason }),
        }
    }
}

/// The file of an address: what the store has of it whole, else what the network gives.
async fn find(url: &str) -> Result<Blob, String> {
    match opfs::whole_file(url).await {
        Some(file) => Ok(file.into()),
        None => fetch(url).await,
    }
}

/// What the network gives at an address.
///
/// # Errors
/// A sentence.
pub(super) async fn fetch(url: &str) -> Result<Blob, String> {
    let unreachable = |error| {
        format!(
            "{url} could not be fetched ({}); is the address right, and does its server allow this page (CORS)?",
            describe(error)
        )
    };
    let response = JsFuture::from(scope().fetch_with_str(url)).await.map_err(unreachable)?;
    let response: Response = response.unchecked_into();
    let media_type = response.headers().get("content-type").ok().flatten();
    if let Some(refusal) =
        answer::refusal(url, response.status(), &response.status_text(), media_type.as_deref())
    {
        return Err(refusal);
    }
    let blob = JsFuture::from(response.blob().map_err(describe)?).await.map_err(describe)?;
    Ok(blob.unchecked_into())
}

/// All bytes of a file, which may be one of the user's.
///
/// # Errors
/// The browser's words.
pub(super) async fn bytes(blob: &Blob) -> Result<Vec<u8>, String> {
    let buffer = JsFuture::from(blob.array_buffer()).await.map_err(describe)?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// The chosen file whose path in its folder ends in `path`.
fn choose(files: &[Beside<File>], path: &str) -> Result<Blob, String> {
    let below = format!("/{path}");
    let found = files.iter().find(|chosen| chosen.path == path || chosen.path.ends_with(&below));
    let chosen = found.ok_or("it is not among the chosen files, and neither is a GGUF file")?;
    Ok(Blob::from(chosen.file.clone()))
}

/// The files that stand beside a message's request, as `files: [{ path, file }]`.
pub(super) fn beside(message: &JsValue) -> Vec<Beside<File>> {
    let get = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let list = get(message, "files").dyn_into::<Array>().unwrap_or_default();
    let entry = |entry: JsValue| {
        let file = get(&entry, "file").dyn_into::<File>().ok()?;
        Some(Beside { path: get(&entry, "path").as_string()?, file })
    };
    list.iter().filter_map(entry).collect()
}
