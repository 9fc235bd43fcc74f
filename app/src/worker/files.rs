//! A bundle's files in the browser: fetched, or chosen by the user. Either way a `Blob`, which the
//! browser keeps outside the worker's memory and hands out in ranges.

use std::ops::Range;

use js_sys::{Array, Reflect, Uint8Array};
use llavacode_core::{
    Error, Result,
    weights::{BundleFiles, ByteSource},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, Response};

use super::host::{describe, scope};

/// Bytes of one file.
pub(super) struct BlobSource {
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
pub(super) enum BrowserFiles {
    /// Below a URL that ends in `/`.
    Url(String),
    /// Among files the user chose, by the end of their path.
    Chosen(Vec<ChosenFile>),
}

/// A file the user chose, and its path in the folder it was chosen from.
pub(super) struct ChosenFile {
    /// With `/`.
    pub(super) path: String,
    /// The file.
    pub(super) file: File,
}

impl BundleFiles for BrowserFiles {
    type Source = BlobSource;

    async fn open(&self, path: &str) -> Result<BlobSource> {
        let blob = match self {
            Self::Url(base) => fetch(&format!("{base}{path}")).await,
            Self::Chosen(files) => choose(files, path),
        };
        let file = path.to_owned();
        match blob {
            Ok(blob) => Ok(BlobSource { file, blob }),
            Err(reason) => Err(Error::Read { file, reason }),
        }
    }
}

async fn fetch(url: &str) -> Result<Blob, String> {
    let response = JsFuture::from(scope().fetch_with_str(url)).await.map_err(describe)?;
    let response: Response = response.unchecked_into();
    if !response.ok() {
        return Err(format!("{url} answered {} {}", response.status(), response.status_text()));
    }
    let blob = JsFuture::from(response.blob().map_err(describe)?).await.map_err(describe)?;
    Ok(blob.unchecked_into())
}

/// The chosen file whose path in its folder ends in `path`.
fn choose(files: &[ChosenFile], path: &str) -> Result<Blob, String> {
    let below = format!("/{path}");
    let found = files.iter().find(|chosen| chosen.path == path || chosen.path.ends_with(&below));
    let chosen = found.ok_or("it is not among the chosen files")?;
    Ok(Blob::from(chosen.file.clone()))
}

/// The files that stand beside a message's request, as `files: [{ path, file }]`.
pub(super) fn chosen_files(message: &JsValue) -> Vec<ChosenFile> {
    let get = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let list = get(message, "files").dyn_into::<Array>().unwrap_or_default();
    let entry = |entry: JsValue| {
        let file = get(&entry, "file").dyn_into::<File>().ok()?;
        Some(ChosenFile { path: get(&entry, "path").as_string()?, file })
    };
    list.iter().filter_map(entry).collect()
}
