//! The models that engines are compared with, and their place in the page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use llavacode_tests::server::Site;
use serde_json::{Value, json};

/// Where the model lies in the page.
pub(super) const BUNDLE: &str = "models/peer/";
/// The manifest that those of all models are made of.
const MANIFEST: &str = "models/smollm2-135m/bundle.json";

/// A model.
pub(super) struct Model {
    /// What it goes by in the report and on the command line.
    pub(super) key: &'static str,
    /// What people read.
    pub(super) name: &'static str,
    made: Made,
}

/// Where its file comes from.
enum Made {
    /// This file of the page.
    File(&'static str),
    /// `write_gguf` writes it, in 8 bits a weight, from these files of the page: a GGUF file alone, or those of
    /// a folder.
    From(&'static [&'static str]),
}

const SMOLLM2: &str = "models/smollm2-135m/reader/model.gguf";

pub(super) const MODELS: [Model; 3] = [
    Model { key: "smollm2-135m-q4_1", name: "SmolLM2-135M Instruct Q4_1", made: Made::File(SMOLLM2) },
    Model {
        key: "smollm2-135m-q8_0",
        name: "SmolLM2-135M Instruct Q8_0, made of the Q4_1 file",
        made: Made::From(&[SMOLLM2]),
    },
    Model {
        key: "pico-q8_0",
        name: "pico Q8_0",
        made: Made::From(&[
            "bundle/reader/config.json",
            "bundle/reader/tokenizer.json",
            "bundle/reader/model.safetensors",
        ]),
    },
];

impl Model {
    /// The site with this model's bundle in it, and the bytes of its GGUF file. Prompts may be long there and
    /// `new_tokens` are made.
    ///
    /// # Errors
    /// If the file cannot be made, or the page has no SmolLM2.
    pub(super) fn put(
        &self,
        site: Site,
        folder: &Path,
        write_gguf: &Path,
        new_tokens: usize,
    ) -> Result<(Site, u64)> {
        let missing = "the page has no SmolLM2: run `cargo xtask models` first";
        let mut manifest: Value = serde_json::from_slice(&site.read(MANIFEST).context(missing)?)?;
        let bytes = match self.made {
            Made::File(path) => site.read(path)?,
            Made::From(paths) => {
                let file = self.make(paths, &site, folder, write_gguf)?;
                fs::read(&file).with_context(|| file.display().to_string())?
            }
        };
        let size = bytes.len() as u64;
        manifest["files"] = json!({ "reader/model.gguf": { "bytes": size } });
        // Others run the file as it is: without what the bundle adds to it.
        manifest["quantization"] = json!({});
        manifest["self_test"] = Value::Null;
        manifest["prompt"]["prefix_tokens"] = json!(1_536);
        manifest["prompt"]["max_new_tokens"] = json!(new_tokens);
        manifest["prompt"]["token_healing"] = json!(false);
        let site = site.replace(&format!("{BUNDLE}bundle.json"), serde_json::to_vec(&manifest)?);
        Ok((site.replace(&format!("{BUNDLE}reader/model.gguf"), bytes), size))
    }

    /// Writes the file, from what the page has.
    fn make(&self, paths: &[&str], site: &Site, folder: &Path, write_gguf: &Path) -> Result<PathBuf> {
        let parts = folder.join(self.key);
        fs::create_dir_all(&parts).with_context(|| parts.display().to_string())?;
        let mut from = parts.clone();
        for path in paths {
            let file = parts.join(path.rsplit('/').next().unwrap_or(path));
            fs::write(&file, site.read(path)?)?;
            if paths.len() == 1 {
                from = file;
            }
        }
        let out = folder.join(format!("{}.gguf", self.key));
        let status = Command::new(write_gguf)
            .arg("--from")
            .arg(from)
            .arg("q8_0")
            .arg(&out)
            .status()
            .with_context(|| format!("{} could not be run", write_gguf.display()))?;
        ensure!(status.success(), "{} could not be written ({status})", out.display());
        Ok(out)
    }
}
