//! The platform of a dedicated worker: the browser's GPU, network, files and databases.

mod device;
mod fetch;
mod files;
mod helpers;
mod host;
mod indexed_db;
mod segments;
mod shared;
mod storage;
mod turn;

use js_sys::WebAssembly::Memory;
use llavacode_browser::model_store::opfs;
use llavacode_core::{Result, config::BundleManifest, engine::CancelFlag, workspace::SharedSource};
use llavacode_protocol::{BundleSource, DeviceChoice, Event, ModelFile, Reply, RequestId, Step};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{File, MessageEvent};

use crate::{Beside, OpenDevice, Platform, Worker};
use files::BrowserFiles;
pub use helpers::serve;
use host::scope;
use shared::SharedUrl;
use storage::BrowserCache;

/// A dedicated worker's surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Browser;

/// Starts to listen. The page's first message is a `Load`.
pub fn listen() {
    let worker = Worker::new(Browser);
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        match serde_wasm_bindgen::from_value(message.data()) {
            Ok(envelope) => worker.accept(envelope, files::beside(&message.data())),
            Err(error) => log::error!("a message that is no request: {error}"),
        }
        let worker = worker.clone();
        wasm_bindgen_futures::spawn_local(async move { worker.work().await });
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // It listens as long as the worker lives.
    on_message.forget();
}

impl Platform for Browser {
    type Handle = File;
    type Files = BrowserFiles;
    type Cache = BrowserCache;

    fn send(&self, id: RequestId, event: Event) {
        match serde_wasm_bindgen::to_value(&Reply { id, event }) {
            Ok(value) => {
                if let Err(error) = scope().post_message(&value) {
                    log::error!("a reply was not sent: {}", llavacode_browser::describe(error));
                }
            }
            Err(error) => log::error!("a reply was not sent: {error}"),
        }
    }

    async fn open(
        &self,
        bundle: BundleSource,
        beside: Vec<Beside<File>>,
    ) -> Result<(BrowserFiles, BundleManifest)> {
        let files = match bundle {
            BundleSource::Url { url } => BrowserFiles::Url(url),
            BundleSource::Gguf { reader, encoder } => BrowserFiles::gguf(&reader, encoder.as_deref()).await?,
            BundleSource::Files => BrowserFiles::chosen(beside),
        };
        let manifest = files.manifest().await?;
        Ok((files, manifest))
    }

    async fn device(&self, choice: DeviceChoice, threads: Option<usize>) -> OpenDevice {
        device::open(choice, threads).await
    }

    async fn cache(&self) -> (BrowserCache, Result<()>) {
        BrowserCache::open().await
    }

    fn shared(&self, url: &str) -> Box<dyn SharedSource> {
        Box::new(SharedUrl(url.to_owned()))
    }

    fn length(&self, file: &File) -> u64 {
        file.size() as u64
    }

    async fn read(&self, file: &File) -> Result<Vec<u8>, String> {
        files::bytes(file).await
    }

    async fn fetch(&self, file: &ModelFile, cancel: &CancelFlag, tell: impl FnMut(Step)) -> Result<()> {
        if opfs::whole_file(&file.url).await.is_some() {
            return Ok(());
        }
        fetch::one(cancel, file, tell).await
    }

    fn memory_bytes(&self) -> u32 {
        let memory: Memory = wasm_bindgen::memory().unchecked_into();
        memory.buffer().unchecked_into::<js_sys::ArrayBuffer>().byte_length()
    }
}
