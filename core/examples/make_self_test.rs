//! Writes a bundle's self-test into its manifest: some logits as the CPU computes them, which a
//! device is compared with when it loads the bundle.
//!
//! `cargo run --release -p llavacode-core --example make_self_test -- <bundle.json> <reader's GGUF file>`

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use llavacode_core::{
    config::BundleManifest,
    engine::{Engine, NativeHost},
    weights::{BundleFiles, DiskSource, FolderFiles},
};

/// Long enough to fill a tile of the matrix kernels.
const TEXT: &str = "import json\n\n\ndef load(path):\n    \"\"\"The settings in a file.\"\"\"\n    with open(path) as file:\n        settings = json.load(file)\n    return";

/// The reader's file, and whatever else of the bundle stands beside its manifest.
struct Files {
    reader: PathBuf,
    beside: FolderFiles,
}

impl BundleFiles for Files {
    type Source = DiskSource;

    async fn open(&self, path: &str) -> llavacode_core::Result<DiskSource> {
        match path.ends_with(".gguf") {
            true => DiskSource::open(&self.reader),
            false => self.beside.open(path).await,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: make_self_test <bundle.json> <reader's GGUF file>";
    let (path, model) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let mut manifest: BundleManifest = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let mut alone = manifest.clone();
    alone.files.retain(|file, _| file.starts_with("reader/"));
    let root = Path::new(&path).parent().unwrap_or(Path::new("")).to_owned();
    let files = Files { reader: model.into(), beside: FolderFiles { root } };
    let test = pollster::block_on(async {
        let engine =
            Engine::load_models(&files, alone, &Device::flex(), NativeHost::default(), |_| ()).await?;
        engine.make_self_test(TEXT).await
    })?;
    println!("{} tokens, logits {:?}", test.tokens.len(), test.logits);
    manifest.self_test = Some(test);
    fs::write(&path, serde_json::to_string_pretty(&manifest)? + "\n")?;
    Ok(())
}
