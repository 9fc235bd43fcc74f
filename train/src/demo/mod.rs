//! Step `demo`: every lane of the bundles the page runs on the demo's lines.
//!
//! | file | holds |
//! |---|---|
//! | here | what the lanes say, kept on disk as it comes |
//! | [`places`] | where the demo opens, and three more lines to look at |
//! | [`confidence`] | below which confidence a suggestion is better held back |

pub mod confidence;
pub mod places;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
};

use anyhow::{Context, Result};
use burn::tensor::Device;
pub use llavacode_api::demo::{DemoPlace, DemoPlaces, Said, Shows};
use llavacode_core::{
    bundle::read_manifest,
    engine::{CancelFlag, CompletionRequest, Engine, NativeHost, Place},
    metrics::exact_match,
    tasks::Task,
    weights::{FolderFiles, sha256_hex},
    workspace::{Embed, MemoryCache, Pace, Workspace},
};
use serde::{Deserialize, Serialize};

use crate::readers::bundle::mark;

/// What the lanes of a reader said, by task, by lane.
pub type Answers = Vec<BTreeMap<String, Said>>;

/// The demo's files and tasks, as they lie beside the page.
#[derive(Debug)]
pub struct Demo {
    /// Paths and texts.
    pub files: Vec<SourceFile>,
    /// Lines to complete.
    pub tasks: Vec<Task>,
    /// Tells these from others.
    mark: String,
}

/// A file of it.
#[derive(Debug, Deserialize)]
pub struct SourceFile {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Demo {
    /// Reads `workspace.json` and `tasks.json`.
    ///
    /// # Errors
    /// If they are not there or hold something else.
    pub fn open(folder: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Files {
            files: Vec<SourceFile>,
        }
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let (workspace, tasks) = (read("workspace.json")?, read("tasks.json")?);
        let mark = sha256_hex(&[&workspace[..], &tasks].concat())[..16].into();
        let Files { files } = serde_json::from_slice(&workspace).context("workspace.json is no demo")?;
        Ok(Self { files, tasks: serde_json::from_slice(&tasks).context("tasks.json holds no tasks")?, mark })
    }
}

/// A line of what is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    task: usize,
    lanes: BTreeMap<String, Said>,
}

/// Asks every lane of a bundle for every task, cold, as the page does, and keeps the answers in a file of
/// `work`: a stopped run goes on where it was. Gives the bundle's name with them.
///
/// # Errors
/// If the bundle cannot be loaded, a completion fails, or the file cannot be written.
pub fn measure(
    demo: &Demo,
    bundle: &Path,
    work: &Path,
    mut tell: impl FnMut(&str),
) -> Result<(String, Answers)> {
    let files = FolderFiles { root: bundle.into() };
    let manifest = pollster::block_on(read_manifest(&files))
        .with_context(|| format!("the bundle {} cannot be loaded", bundle.display()))?;
    let name = manifest.name.clone();
    let of_bundle = mark(&manifest)?;
    fs::create_dir_all(work).with_context(|| format!("cannot make {}", work.display()))?;
    let path = work.join(format!("{}-{}-{}.jsonl", name.to_lowercase(), of_bundle, demo.mark));
    let mut answers = kept(&path)?;
    if answers.len() < demo.tasks.len() {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let device = Device::flex();
        pollster::block_on(async {
            let host = NativeHost::default();
            let mut engine = Engine::load_models(&files, manifest, &device, host, |_| ()).await?;
            let mut workspace = Workspace::of_bundle(&engine.manifest, MemoryCache::default());
            for file in &demo.files {
                workspace.update(&file.path, &file.text);
            }
            let batch = Pace::of_parts(engine.manifest.prompt.soft_tokens).batch();
            while engine.embeds() && !workspace.embed_next(&engine, batch).await?.is_over() {}
            for (number, task) in demo.tasks.iter().enumerate().skip(answers.len()) {
                let lanes = ask(&mut engine, &mut workspace, task).await?;
                let right: Vec<&str> = lanes.iter().filter(|(_, s)| s.right).map(|(l, _)| &l[..]).collect();
                tell(&format!("{name}, {} of {}: right {}", number + 1, demo.tasks.len(), right.join(", ")));
                let kept = Kept { task: number, lanes };
                file.write_all(&[&serde_json::to_vec(&kept)?[..], b"\n"].concat())?;
                answers.push(kept.lanes);
            }
            anyhow::Ok(())
        })?;
    }
    Ok((name, answers))
}

/// What every lane says to a task.
///
/// # Errors
/// Those of completing.
pub async fn ask(
    engine: &mut Engine<NativeHost>,
    workspace: &mut Workspace<MemoryCache>,
    task: &Task,
) -> Result<BTreeMap<String, Said>> {
    let mut place = Place::new(CompletionRequest {
        cold: true,
        ..CompletionRequest::at(&task.path, &task.prefix, &task.suffix)
    });
    let mut lanes = BTreeMap::new();
    for lane in engine.lanes() {
        let found = engine.complete(workspace, &mut place, lane, &CancelFlag::default(), |_| ()).await?;
        let said = Said {
            right: exact_match(&found.text, &task.target),
            confidence: (found.confidence() * 1e3).round() / 1e3,
            text: found.text,
        };
        lanes.insert(lane.key().to_owned(), said);
    }
    Ok(lanes)
}

/// The answers of a file, as far as they are whole and in order; what a kill has cut is taken off it.
fn kept(path: &Path) -> Result<Answers> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut answers = Vec::new();
    let mut whole = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        match serde_json::from_slice::<Kept>(line) {
            Ok(kept) if kept.task == answers.len() => answers.push(kept.lanes),
            _ => break,
        }
        whole += line.len() as u64;
    }
    File::options().write(true).open(path)?.set_len(whole)?;
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kill_has_cut_is_asked_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pico.jsonl");
        assert!(kept(&path).unwrap().is_empty());
        let said = Said { text: "x".into(), right: true, confidence: 0.5 };
        let line = |task| {
            let kept = Kept { task, lanes: BTreeMap::from([("base".into(), said.clone())]) };
            serde_json::to_string(&kept).unwrap() + "\n"
        };
        fs::write(&path, format!("{}{}{{\"task\":2,\"la", line(0), line(1))).unwrap();
        let answers = kept(&path).unwrap();
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[1]["base"], said);
        assert_eq!(fs::read_to_string(&path).unwrap(), line(0) + &line(1));
    }
}
