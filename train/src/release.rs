//! Step `release`: the bundle.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use half::f16;
use llavacode_core::{
    bundle::{MANIFEST, PROJECTOR, XRAG_PROJECTOR},
    config::{
        BundleManifest, ChunkingConfig, ContextPlacement, EncoderInput, FileEntry, PromptConfig,
        QuantizationConfig, WeightFormat,
    },
    weights::sha256_hex,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};

use crate::{
    checkpoint::write_whole,
    corpus::Split,
    evaluate::{Report, placement_key},
    soft::form::{self, SoftForm},
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
        encoder: EncoderInput { max_tokens: 96, append: "<|endoftext|>".into(), ..EncoderInput::default() },
        // The step `demo` measures it.
        least_confidence: 0.0,
        quantization: QuantizationConfig {
            reader_linear: WeightFormat::Q4.into(),
            reader_head: WeightFormat::Q8.into(),
            encoder: WeightFormat::Q8.into(),
        },
        evaluation: evaluation(report, release.prompt.context_placement)?,
        self_test: None,
    };
    write_manifest(&manifest, &release.bundle)?;
    Ok(manifest)
}

/// Puts what a run of the step `soft` made, its projector in 16 bits a number, beside a bundle's manifest and
/// enters it there: the bundle's encoder is its reader then.
///
/// # Errors
/// If a file cannot be read or written, or is none.
pub fn release_soft(run: &Path, bundle: &Path) -> Result<BundleManifest> {
    let mut manifest = manifest_of(bundle)?;
    let SoftForm { soft_tokens, encoder } = SoftForm::read(run)?;
    let projector = run.join(form::PROJECTOR);
    let file = fs::read(&projector).with_context(|| format!("{} cannot be read", projector.display()))?;
    let bytes = in_16_bits(&file)?;
    write_whole(&bundle.join(PROJECTOR), &bytes)?;
    let entry = FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(&bytes)) };
    manifest.files.insert(PROJECTOR.into(), entry);
    manifest.prompt.soft_tokens = soft_tokens;
    manifest.encoder = encoder;
    write_manifest(&manifest, bundle)?;
    Ok(manifest)
}

/// What adapts a bundle's reader.
#[derive(Debug, Clone)]
pub struct AdapterRelease {
    /// Folder of its two files, by PEFT's names.
    pub folder: PathBuf,
    /// Tokens of what stands after the cursor that prompts had as context while it learned; 0 for none.
    pub suffix_tokens: usize,
    /// The format of the sums on the device: four bits keep little of what an adapter adds.
    pub reader_linear: WeightFormat,
}

/// Puts an adapter beside a bundle's manifest and enters it there. What the manifest says of the reader without
/// it is taken out: measure it again.
///
/// # Errors
/// If a file cannot be read or written, or is none.
pub fn release_adapter(release: &AdapterRelease, bundle: &Path) -> Result<BundleManifest> {
    let mut manifest = manifest_of(bundle)?;
    let mut parts = Vec::new();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        let from = release.folder.join(name);
        let bytes = fs::read(&from).with_context(|| format!("{} cannot be read", from.display()))?;
        parts.push((format!("reader/{name}"), bytes));
    }
    fs::create_dir_all(bundle.join("reader"))?;
    for (to, bytes) in parts {
        write_whole(&bundle.join(&to), &bytes)?;
        manifest.files.insert(to, FileEntry { bytes: bytes.len() as u64, sha256: Some(sha256_hex(&bytes)) });
    }
    manifest.prompt.suffix_as_context = release.suffix_tokens > 0;
    manifest.prompt.suffix_tokens = release.suffix_tokens;
    manifest.quantization.reader_linear = release.reader_linear.into();
    manifest.least_confidence = 0.0;
    manifest.evaluation = Value::Null;
    manifest.self_test = None;
    write_manifest(&manifest, bundle)?;
    Ok(manifest)
}

fn manifest_of(bundle: &Path) -> Result<BundleManifest> {
    let path = bundle.join(MANIFEST);
    let json = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&json).with_context(|| format!("{} is no bundle's manifest", path.display()))
}

fn write_manifest(manifest: &BundleManifest, bundle: &Path) -> Result<()> {
    let json = serde_json::to_string_pretty(manifest)? + "\n";
    write_whole(&bundle.join(MANIFEST), json.as_bytes())
}

/// A file of 32-bit tensors with 16 bits a number.
fn in_16_bits(file: &[u8]) -> Result<Vec<u8>> {
    let tensors = SafeTensors::deserialize(file).context("the projector's file is damaged")?;
    let mut halves = Vec::new();
    for (name, tensor) in tensors.iter() {
        ensure!(tensor.dtype() == Dtype::F32, "tensor {name} of the projector has no 32-bit numbers");
        let numbers = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let bytes: Vec<u8> = numbers.flat_map(|x| f16::from_f32(x).to_le_bytes()).collect();
        halves.push((name.to_owned(), tensor.shape().to_vec(), bytes));
    }
    let views = halves
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    Ok(safetensors::serialize(views, None)?)
}

/// The released placement's lanes, under the lanes' own names.
fn evaluation(report: &Report, placement: ContextPlacement) -> Result<Value> {
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use llavacode_core::model::projector::ProjectorConfig;

    use super::*;
    use crate::{projector::TrainedProjector, random::SplitMix64};

    #[test]
    fn soft_tokens_are_entered_in_their_readers_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir_all(&run).unwrap();
        let projector = run.join(form::PROJECTOR);
        let widths = ProjectorConfig::three_layer(8, 4);
        TrainedProjector::init(widths, 1.0, &mut SplitMix64::new(3)).save(&projector).unwrap();
        let bundle = folder.path().join("bundle");
        fs::create_dir_all(&bundle).unwrap();
        let before = include_str!("../../public/models/smollm2-135m/bundle.json");
        fs::write(bundle.join(MANIFEST), before).unwrap();
        let error = release_soft(&run, &bundle).unwrap_err().to_string();
        assert!(error.contains("the step `soft` writes it"), "{error}");
        let encoder = EncoderInput {
            max_tokens: 64,
            append: String::new(),
            prepend: "<|endoftext|>".into(),
            reader_layers: vec![0, 4],
        };
        let form = SoftForm { soft_tokens: NonZeroUsize::new(8).unwrap(), encoder };
        form.write(&run).unwrap();
        let written = release_soft(&run, &bundle).unwrap();
        let read: BundleManifest = serde_json::from_slice(&fs::read(bundle.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!(read, written);
        assert_eq!((read.prompt.soft_tokens.get(), &read.encoder), (8, &form.encoder));
        let known: BundleManifest = serde_json::from_str(before).unwrap();
        assert_eq!((read.evaluation, read.prompt.top_k), (known.evaluation, known.prompt.top_k));

        let (whole, halves) = (fs::read(&projector).unwrap(), fs::read(bundle.join(PROJECTOR)).unwrap());
        assert_eq!(read.files[PROJECTOR].sha256.as_deref(), Some(&sha256_hex(&halves)[..]));
        let [whole, halves] = [&whole, &halves].map(|file| SafeTensors::deserialize(file).unwrap());
        for (name, tensor) in whole.iter() {
            let half = halves.tensor(name).unwrap();
            assert_eq!((half.dtype(), half.shape()), (Dtype::F16, tensor.shape()), "{name}");
            let numbers = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            let rounded = half.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32());
            assert!(numbers.zip(rounded).all(|(a, b)| (a - b).abs() <= a.abs() / 1000.0), "{name}");
        }
        fs::remove_file(projector).unwrap();
        assert!(release_soft(&run, &bundle).unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn an_adapter_is_entered_and_what_was_measured_without_it_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("bundle");
        fs::create_dir_all(&bundle).unwrap();
        let mut before: BundleManifest =
            serde_json::from_str(include_str!("../../public/models/smollm2-135m/bundle.json")).unwrap();
        before.files.retain(|file, _| file.ends_with(".gguf"));
        before.prompt.suffix_as_context = false;
        write_manifest(&before, &bundle).unwrap();
        let trained = folder.path().join("adapter");
        fs::create_dir_all(&trained).unwrap();
        fs::write(trained.join("adapter_config.json"), "{}").unwrap();
        let release =
            AdapterRelease { folder: trained.clone(), suffix_tokens: 96, reader_linear: WeightFormat::Q8 };
        let error = release_adapter(&release, &bundle).unwrap_err().to_string();
        assert!(error.contains("adapter_model.safetensors cannot be read"), "{error}");
        assert_eq!(manifest_of(&bundle).unwrap(), before, "half an adapter was entered");

        fs::write(trained.join("adapter_model.safetensors"), "factors").unwrap();
        let written = release_adapter(&release, &bundle).unwrap();
        assert_eq!(manifest_of(&bundle).unwrap(), written);
        assert_eq!(fs::read(bundle.join("reader/adapter_model.safetensors")).unwrap(), b"factors");
        let entry = &written.files["reader/adapter_model.safetensors"];
        assert_eq!((entry.bytes, entry.sha256.as_deref()), (7, Some(&sha256_hex(b"factors")[..])));
        assert_eq!(written.files.len(), 3);
        assert!(written.prompt.suffix_as_context && written.prompt.suffix_tokens == 96);
        assert_eq!(written.quantization.reader_linear, WeightFormat::Q8.into());
        assert_eq!((written.evaluation, written.self_test), (Value::Null, None));
        let without = AdapterRelease { suffix_tokens: 0, ..release };
        assert!(!release_adapter(&without, &bundle).unwrap().prompt.suffix_as_context);
    }
}
