//! The reader of a GGUF file, as several steps are given it: its files, and the manifest that says how it is
//! asked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use llavacode_core::{
    config::{PromptConfig, QuantizationConfig},
    model::decoder::DecoderFormats,
    weights::sha256_hex,
};
use llavacode_train::gguf::GgufReader;
use serde::Deserialize;

/// Arguments that name it.
#[derive(Args)]
pub(super) struct ReaderFiles {
    /// GGUF file of the reader
    #[arg(long)]
    reader: PathBuf,
    /// Folder of an adapter that is added to it
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// The manifest that says how prompts are laid out for it, and how its weights are kept
    #[arg(long, default_value = "public/models/smollm2-135m/bundle.json")]
    bundle: PathBuf,
}

/// What of a bundle's manifest matters here.
#[derive(Deserialize)]
pub(super) struct Layout {
    pub(super) prompt: PromptConfig,
    #[serde(default)]
    quantization: QuantizationConfig,
}

impl Layout {
    /// Reads it.
    pub(super) fn read(manifest: &Path) -> Result<Self> {
        let json = fs::read(manifest).with_context(|| format!("{} cannot be read", manifest.display()))?;
        serde_json::from_slice(&json)
            .with_context(|| format!("{} is no bundle's manifest", manifest.display()))
    }
}

impl ReaderFiles {
    /// The reader, with the adapter added where there is one and its weights as the page keeps them, and how
    /// its prompts are laid out.
    pub(super) fn load(&self) -> Result<(GgufReader, PromptConfig)> {
        let Layout { prompt, quantization } = Layout::read(&self.bundle)?;
        let QuantizationConfig { reader_linear, reader_head, .. } = quantization;
        let formats = DecoderFormats { linear: reader_linear, embedding: reader_head };
        Ok((GgufReader::adapted(&self.reader, self.adapter.as_deref(), formats)?, prompt))
    }

    /// What tells the reader from others: a run does not go on with another one.
    pub(super) fn mark(&self, GgufReader { reader, .. }: &GgufReader) -> Result<String> {
        let mut mark = format!("{:?} {}", reader.config(), fs::metadata(&self.reader)?.len());
        if let Some(folder) = &self.adapter {
            mark += &sha256_hex(&fs::read(folder.join("adapter_model.safetensors"))?);
        }
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_adapter_in_the_same_folder_is_another_reader() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = tempfile::tempdir().unwrap();
        let files = ReaderFiles {
            reader: root.join("tests/fixtures/llama_cpp/tiny_llama/model.gguf"),
            adapter: None,
            bundle: root.join("public/models/smollm2-135m/bundle.json"),
        };
        let (reader, prompt) = files.load().unwrap();
        assert!(prompt.excerpt_tokens > 0);
        let files = ReaderFiles { adapter: Some(folder.path().into()), ..files };
        let mark = |weights: &[u8]| {
            fs::write(folder.path().join("adapter_model.safetensors"), weights).unwrap();
            files.mark(&reader).unwrap()
        };
        let first = mark(b"one");
        assert_ne!(mark(b"two"), first);
        assert_eq!(mark(b"one"), first);
    }
}
