//! Step `release`: the bundle.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use llavacode_core::{
    bundle::{MANIFEST, PROJECTOR, XRAG_PROJECTOR},
    config::{
        BundleManifest, ChunkingConfig, ContextPlacement, EncoderInput, FileEntry, PromptConfig,
        QuantizationConfig, WeightFormat,
    },
    weights::sha256_hex,
};
use serde_json::json;

use crate::{
    checkpoint::write_whole,
    corpus::Split,
    evaluate::{Report, placement_key},
};

/// What a release is made of.
#[derive(Debug, Clone)]
pub struct Release {
    /// Folder of the reader's config and weights.
    pub reader: PathBuf,
    /// Folder of the encoder's.
    pub encoder: PathBuf,
    /// The projector's file.
    pub projector: PathBuf,
    /// The file of xRAG's; without it the bundle has no such lane.
    pub xrag_projector: Option<PathBuf>,
    /// Both models'.
    pub tokenizer: PathBuf,
    /// Where the bundle goes.
    pub bundle: PathBuf,
    /// Version of the bundle.
    pub version: String,
    /// One sentence for a person.
    pub description: String,
    /// Layout and budgets of the prompts that it was measured with.
    pub prompt: PromptConfig,
}

/// Copies the files, hashes them and writes the manifest with the evaluation in it.
///
/// # Errors
/// If a file is missing or larger than 25 MB, which the repository does not take, or the evaluation
/// is not of the test packages.
pub fn release(release: &Release, report: &Report) -> Result<BundleManifest> {
    const MOST: usize = 25_000_000;
    ensure!(
        report.split == Split::Test,
        "the evaluation is of the {} packages: run `evaluate` on the test packages",
        report.split
    );
    let mut files = BTreeMap::new();
    let xrag = release.xrag_projector.clone().map(|from| (from, XRAG_PROJECTOR));
    let parts = [
        (release.reader.join("config.json"), "reader/config.json"),
        (release.reader.join("model.safetensors"), "reader/model.safetensors"),
        (release.tokenizer.clone(), "reader/tokenizer.json"),
        (release.encoder.join("config.json"), "encoder/config.json"),
        (release.encoder.join("model.safetensors"), "encoder/model.safetensors"),
        (release.tokenizer.clone(), "encoder/tokenizer.json"),
        (release.projector.clone(), PROJECTOR),
    ];
    for (from, to) in parts.into_iter().chain(xrag) {
        let bytes = fs::read(&from).with_context(|| format!("{} cannot be read", from.display()))?;
        ensure!(bytes.len() <= MOST, "{} has {} bytes; {MOST} is the most", from.display(), bytes.len());
        let path = release.bundle.join(to);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        write_whole(&path, &bytes)?;
        files.insert(to.into(), FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(&bytes)) });
    }
    let manifest = BundleManifest {
        name: "pico".into(),
        version: release.version.clone(),
        license: "MIT OR Apache-2.0".into(),
        description: release.description.clone(),
        files,
        prompt: release.prompt.clone(),
        chunking: ChunkingConfig { lines: 10, stride: 5 },
        encoder: EncoderInput { max_tokens: 96, append: "<|endoftext|>".into() },
        // The step `demo` measures it.
        least_confidence: 0.0,
        quantization: QuantizationConfig {
            reader_linear: WeightFormat::Q4.into(),
            reader_head: WeightFormat::Q8.into(),
            encoder: WeightFormat::F32.into(),
        },
        evaluation: evaluation(report, release.prompt.context_placement)?,
        self_test: None,
    };
    write_whole(
        &release.bundle.join(MANIFEST),
        (serde_json::to_string_pretty(&manifest)? + "\n").as_bytes(),
    )?;
    Ok(manifest)
}

/// The released placement's lanes, under the lanes' own names.
fn evaluation(report: &Report, placement: ContextPlacement) -> Result<serde_json::Value> {
    let suffix = format!(".{}", placement_key(placement));
    let released = |lanes: &BTreeMap<String, crate::evaluate::LaneReport>| -> Result<_> {
        let mut found = serde_json::Map::new();
        for (name, lane) in lanes {
            let name = if name == "base" { Some(name.as_str()) } else { name.strip_suffix(&suffix) };
            if let Some(name) = name {
                found.insert(name.into(), serde_json::to_value(lane)?);
            }
        }
        Ok(found)
    };
    Ok(json!({
        "tasks": report.tasks,
        "lanes": released(&report.lanes)?,
        "needing_context": report.needing_context,
        "lanes_needing_context": released(&report.lanes_needing_context)?,
        "quantized": released(&report.quantized)?,
        "quantized_needing_context": released(&report.quantized_needing_context)?,
    }))
}
