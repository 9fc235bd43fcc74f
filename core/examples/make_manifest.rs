//! Brings `bundle.json` up to date: fills `files` with the length and SHA-256 of every file in the
//! bundle's folder and keeps the other fields.
//!
//! `cargo run --release -p llavacode-core --example make_manifest -- public/bundle`

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use llavacode_core::{
    bundle::MANIFEST,
    config::{BundleManifest, FileEntry},
    weights::sha256_hex,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: make_manifest <bundle folder>")?;
    let root = Path::new(&folder);
    let path = root.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut manifest: BundleManifest = serde_json::from_str(&text)?;
    manifest.files = BTreeMap::new();
    collect(root, "", &mut manifest.files)?;
    for (file, entry) in &manifest.files {
        println!("{}  {:>12}  {file}", entry.sha256.as_deref().unwrap_or_default(), entry.bytes);
    }
    fs::write(&path, serde_json::to_string_pretty(&manifest)? + "\n")?;
    Ok(())
}

/// Adds the files below `root/prefix`; `prefix` is empty or ends in `/`.
fn collect(root: &Path, prefix: &str, files: &mut BTreeMap<String, FileEntry>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(root.join(prefix))? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(root, &format!("{path}/"), files)?;
        } else if path != MANIFEST {
            let bytes = fs::read(entry.path())?;
            let entry = FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(&bytes)) };
            files.insert(path, entry);
        }
    }
    Ok(())
}
