//! What a run resumes from: parameters and the optimiser's state, whole or not at all.
//!
//! `step-N.safetensors` is written beside its name and moved into place, then `checkpoint.json`,
//! which says its SHA-256, is moved over the one before. A run that is killed at any moment finds
//! the last complete checkpoint.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use llavacode_core::weights::sha256_hex;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

const INDEX: &str = "checkpoint.json";

/// A run's state after `step` steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// What the run was started with, see [`fingerprint`].
    pub fingerprint: String,
    /// Flat vectors by name.
    pub vectors: BTreeMap<String, Vec<f32>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Index {
    file: String,
    sha256: String,
    step: u64,
    fingerprint: String,
}

/// Names the settings and data of a run: a checkpoint made with others is not resumed from.
pub fn fingerprint(settings: &impl Serialize) -> Result<String> {
    Ok(sha256_hex(&serde_json::to_vec(settings)?))
}

impl Checkpoint {
    /// Writes it, then removes the one before.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let bytes: BTreeMap<&String, Vec<u8>> = self.vectors.iter().map(|(k, v)| (k, to_bytes(v))).collect();
        let views = bytes.iter().map(|(name, bytes)| {
            let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?;
            Ok((name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        let data = safetensors::serialize(views, None)?;
        let file = format!("step-{}.safetensors", self.step);
        write_whole(&folder.join(&file), &data)?;
        let index = Index {
            file: file.clone(),
            sha256: sha256_hex(&data),
            step: self.step,
            fingerprint: self.fingerprint.clone(),
        };
        write_whole(&folder.join(INDEX), &serde_json::to_vec_pretty(&index)?)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("step-") && name != file {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// The last one of a folder; `None` where none was written yet.
    ///
    /// # Errors
    /// If it is damaged, or was made by a run with other settings or data.
    pub fn load(folder: &Path, fingerprint: &str) -> Result<Option<Self>> {
        let path = folder.join(INDEX);
        if !path.exists() {
            return Ok(None);
        }
        let advice = format!("delete {} to begin anew", folder.display());
        let index: Index = serde_json::from_slice(&fs::read(&path)?)
            .with_context(|| format!("{} is damaged: {advice}", path.display()))?;
        ensure!(
            index.fingerprint == fingerprint,
            "the checkpoint in {} is of a run with other settings, corpus or samples: {advice}, or give the run another --out",
            folder.display()
        );
        let file = folder.join(&index.file);
        let data = fs::read(&file).with_context(|| format!("{} is missing: {advice}", file.display()))?;
        if sha256_hex(&data) != index.sha256 {
            bail!("{} is damaged (its SHA-256 is not the one it was written with): {advice}", file.display());
        }
        let vectors = SafeTensors::deserialize(&data)?
            .iter()
            .map(|(name, view)| (String::from(name), from_bytes(view.data())))
            .collect();
        Ok(Some(Self { step: index.step, fingerprint: index.fingerprint, vectors }))
    }

    /// Takes a vector out.
    ///
    /// # Errors
    /// If there is none of this name and length.
    pub fn take(&mut self, name: &str, len: usize) -> Result<Vec<f32>> {
        let vector = self.vectors.remove(name).with_context(|| format!("the checkpoint has no {name}"))?;
        ensure!(vector.len() == len, "{name} has {} numbers where {len} are needed", vector.len());
        Ok(vector)
    }
}

/// Writes beside the name, then moves into place: the file is whole or the old one.
///
/// # Errors
/// Those of writing.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(".part");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Little-endian bytes.
pub fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(step: u64) -> Checkpoint {
        let vectors = BTreeMap::from([("parameters".into(), vec![1.5, -2.25, step as f32])]);
        Checkpoint { step, fingerprint: "a".into(), vectors }
    }

    #[test]
    fn the_last_one_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Checkpoint::load(folder.path(), "a").expect("none is no error"), None);
        checkpoint(1).save(folder.path()).expect("saved");
        checkpoint(2).save(folder.path()).expect("saved");
        let loaded = Checkpoint::load(folder.path(), "a").expect("loaded");
        assert_eq!(loaded, Some(checkpoint(2)));
        assert!(!folder.path().join("step-1.safetensors").exists());
    }

    #[test]
    fn a_damaged_one_or_one_of_another_run_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        checkpoint(3).save(folder.path()).expect("saved");
        let other = Checkpoint::load(folder.path(), "b").expect_err("another run's");
        assert!(other.to_string().contains("other settings"), "{other}");

        let file = folder.path().join("step-3.safetensors");
        let mut data = fs::read(&file).expect("read");
        let last = data.len() - 1;
        data[last] ^= 1;
        fs::write(&file, data).expect("written");
        let damaged = Checkpoint::load(folder.path(), "a").expect_err("damaged");
        assert!(damaged.to_string().contains("damaged"), "{damaged}");
    }

    #[test]
    fn a_run_killed_while_writing_keeps_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        checkpoint(3).save(folder.path()).expect("saved");
        fs::write(folder.path().join("step-4.safetensors.part"), b"half").expect("written");
        fs::write(folder.path().join("step-4.safetensors"), b"not in the index yet").expect("written");
        assert_eq!(Checkpoint::load(folder.path(), "a").expect("loaded"), Some(checkpoint(3)));
    }
}
