//! Completes at the end of a file, natively: what a model makes of a prompt, without a browser.
//!
//! `cargo run --release -p llavacode-core --example complete -- <bundle folder or GGUF file> <file>…`
//!
//! The last file is completed at its end, with the others as the rest of its repository.

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use burn::tensor::Device;
use llavacode_core::{
    bundle::{manifest_of, read_manifest},
    engine::{CancelFlag, CompletionRequest, Engine, NativeHost, Place},
    weights::{FolderFiles, OneFile},
    workspace::{MemoryCache, Pace, Workspace},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("usage: complete <bundle folder or GGUF file> <file>…")?;
    let paths: Vec<String> = arguments.collect();
    let (last, others) = paths.split_last().ok_or("give a file to complete")?;
    pollster::block_on(async {
        let mut engine = load(Path::new(&model)).await?;
        let mut workspace = Workspace::of_bundle(&engine.manifest, MemoryCache::default());
        for path in others {
            workspace.update(path, &fs::read_to_string(path)?);
        }
        let batch = Pace::of_parts(engine.manifest.prompt.soft_tokens).batch();
        while !workspace.embed_next(&engine, batch).await?.is_over() {}
        let cursor = CompletionRequest::at(last, fs::read_to_string(last)?, "");
        let mut place = Place::new(CompletionRequest { cold: true, ..cursor });
        for lane in engine.lanes() {
            let cancel = CancelFlag::default();
            let found = engine.complete(&mut workspace, &mut place, lane, &cancel, |_| ()).await?;
            println!(
                "{:<10} {:>5} positions, first token after {:>6.0} ms, {:>5.1} tokens/s: {:?}",
                lane.key(),
                found.prompt_tokens,
                found.ttft.total_ms,
                found.decode_tokens_per_s.unwrap_or_default(),
                found.text
            );
        }
        Ok(())
    })
}

async fn load(model: &Path) -> Result<Engine<NativeHost>, Box<dyn Error>> {
    let (device, host) = (Device::flex(), NativeHost::default());
    if model.is_dir() {
        let files = FolderFiles { root: model.into() };
        let manifest = read_manifest(&files).await?;
        return Ok(Engine::load_models(&files, manifest, &device, host, |_| ()).await?);
    }
    let manifest = manifest_of(BTreeMap::from([("reader/model.gguf".into(), fs::metadata(model)?.len())]));
    let files = OneFile { path: model.into() };
    Ok(Engine::load_models(&files, manifest, &device, host, |_| ()).await?)
}
